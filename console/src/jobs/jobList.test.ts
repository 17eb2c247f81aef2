import { expect, it } from "vitest";
import type { Job, Page } from "../api/types";
import { untilNextRead, withJob, withNewest, withOlder } from "./jobList";

const job = (number: number, message = "") =>
  ({ jobId: String(number), submittedAt: `2026-01-01T00:00:${String(number).padStart(2, "0")}Z`, message }) as Job;
const page = (numbers: number[], nextToken: string | null): Page<Job> => ({
  items: numbers.map((number) => job(number)),
  nextToken,
});
const ids = ({ items }: Page<Job>) => items.map(({ jobId }) => Number(jobId));

it("shows new jobs, drops deleted ones and keeps older pages", () => {
  const known = withOlder(page([9, 8, 7], "b"), page([7, 6, 5], "c"));
  expect(ids(known)).toEqual([9, 8, 7, 6, 5]);
  const fresh = withNewest(known, page([11, 10, 9], "a")); // 8 and 7 are beyond its end now
  expect(ids(fresh)).toEqual([11, 10, 9, 8, 7, 6, 5]);
  expect(fresh.nextToken).toBe("c");
  expect(ids(withNewest(known, page([9, 7], "a")))).toEqual([9, 7, 6, 5]); // 8 was deleted
});

it("is what was read when that was all", () => {
  expect(withNewest(page([9, 8, 7], "b"), page([9], null))).toEqual(page([9], null));
  expect(withNewest(undefined, page([2, 1], "a"))).toEqual(page([2, 1], "a"));
});

it("takes the newer state of a job in", () => {
  expect(withJob(page([2, 1], null), job(1, "done")).items.map(({ message }) => message)).toEqual(["", "done"]);
});

it("is read again ten seconds after its last read, sooner when many jobs run or after a failure", () => {
  const running = (count: number) =>
    Array.from({ length: count }, (_, number) => ({ ...job(number), status: "WAITING" }));
  const state = (count: number, error: Error | null = null) => ({
    data: {
      items: running(count) as Job[],
      nextToken: null,
      etag: undefined,
      isWhole: true,
      wholeAt: 1_000,
      readAt: 1_000,
    },
    error,
    errorUpdatedAt: 5_000,
    fetchStatus: "idle",
  });
  expect(untilNextRead(state(5), 4_000)).toBe(7_000); // a job that was read in between changes nothing
  expect(untilNextRead(state(6), 4_000)).toBe(1_000);
  expect(untilNextRead(state(5), 60_000)).toBe(1);
  expect(untilNextRead(state(5, new Error()), 6_000)).toBe(1_000);
  expect(untilNextRead({ ...state(5), fetchStatus: "fetching" }, 60_000)).toBe(false);
});
