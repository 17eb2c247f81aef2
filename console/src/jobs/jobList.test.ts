import { expect, it } from "vitest";
import type { Job, Page } from "../api/types";
import { withJob, withNewest, withOlder } from "./jobList";

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
