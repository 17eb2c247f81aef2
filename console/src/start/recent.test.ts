import { expect, test } from "vitest";
import type { Job } from "../api/types";
import { byDay, failedSinceYesterday, keptFiles, merged, sumOf } from "./recent";

const NOW = new Date(2026, 2, 10, 15);
const counts = { total: 12, processed: 12, imported: 10, rejected: 2, unprocessed: 0 };
let number = 0;

function job(day: number, changes: Partial<Job> = {}): Job {
  const completedAt = new Date(2026, 2, day, 1).toISOString();
  const base = { jobId: String(number++), process: "import", status: "COMPLETED", outcome: "PARTIAL_SUCCESS" };
  return { ...base, completedAt, dryRun: false, undoOf: null, counts, ...changes } as Job;
}

test("jobs are summed up by the day on which they ended", () => {
  const jobs = [
    job(10),
    job(10, { outcome: "SUCCESS" }),
    job(9, { process: "export", outcome: "SUCCESS" }),
    job(8, { status: "FAILED", outcome: "FAILED", counts: { ...counts, imported: 0 } }),
    job(8, { dryRun: true }),
    job(8, { status: "CANCELED", outcome: null }),
    job(5),
    job(10, { status: "IN_PROGRESS", outcome: null, completedAt: null }),
  ];
  const days = byDay(jobs, NOW, 3);
  expect(days.map(({ start }) => start.getDate())).toEqual([8, 9, 10]);
  expect(days[2]).toMatchObject({ imported: 20, rejected: 4, completed: 1, partial: 1, failed: 0 });
  expect(days[1]).toMatchObject({ imported: 0, exported: 10, completed: 1 });
  expect(days[0]).toMatchObject({ imported: 0, rejected: 2, failed: 1, completed: 0 });
});

test("what failed since yesterday includes rejected rows, and nothing older", () => {
  const jobs = [job(10), job(9, { outcome: "FAILED" }), job(8), job(10, { outcome: "SUCCESS" })];
  expect(failedSinceYesterday(jobs, NOW)).toEqual(jobs.slice(0, 2));
});

test("a job is as it was read last", () => {
  const old = job(9, { jobId: "a", status: "IN_PROGRESS" });
  const now = job(9, { jobId: "a" });
  expect(merged([now], [old, job(8, { jobId: "b" })]).map(({ jobId }) => jobId)).toEqual(["a", "b"]);
  expect(merged([now], [old])[0]).toBe(now);
});

test("counts together are as exact as the least exact", () => {
  const exact = { count: 2, precision: "exact" } as const;
  expect(sumOf([exact, exact])).toEqual({ count: 4, precision: "exact" });
  expect(sumOf([exact, { count: 1_000, precision: "approximate" }])).toEqual({
    count: 1_002,
    precision: "approximate",
  });
  expect(sumOf([exact, null]).precision).toBe("at-least");
});

test("files are kept until they expire", () => {
  const file = (expiry: string | null, download: string | null = "https://x") =>
    job(9, { filesExpireAt: expiry, links: { download } as Job["links"] });
  const later = new Date(2026, 2, 11).toISOString();
  const latest = new Date(2026, 2, 12).toISOString();
  const over = new Date(2026, 2, 9).toISOString();
  const files = [file(latest), file(later), file(over), file(later, null), file(null)];
  expect(keptFiles(files, NOW)).toEqual({ count: 2, firstExpiry: later });
  expect(keptFiles([], NOW)).toEqual({ count: 0, firstExpiry: null });
});
