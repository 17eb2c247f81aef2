/** The newest jobs, and what they come to by day. */
import type { Job, RecordCount } from "../api/types";
import { isRunning } from "../jobs/jobList";

/** Imports and exports of one day in the reader's time zone. */
export interface Day {
  /** Its first moment. */
  start: Date;
  imported: number;
  exported: number;
  rejected: number;
  completed: number;
  partial: number;
  failed: number;
}

/** The last `count` days with today as the last, each with what ended on it. Dry runs and undone rows are left out. */
export function byDay(jobs: Job[], now: Date, count: number): Day[] {
  const days: Day[] = [];
  for (let back = count - 1; back >= 0; back--) {
    const start = new Date(now.getFullYear(), now.getMonth(), now.getDate() - back);
    days.push({ start, imported: 0, exported: 0, rejected: 0, completed: 0, partial: 0, failed: 0 });
  }
  for (const job of jobs) {
    if (job.completedAt === null || job.status === "CANCELED" || job.dryRun) continue;
    const ended = new Date(job.completedAt);
    const day = days.filter(({ start }) => start <= ended).at(-1);
    if (day === undefined) continue;
    if (job.process === "export") day.exported += job.counts.imported;
    else if (!job.undoOf) {
      day.imported += job.counts.imported;
      day.rejected += job.counts.rejected;
    }
    if (job.outcome === "SUCCESS") day.completed++;
    else if (job.outcome === "PARTIAL_SUCCESS") day.partial++;
    else day.failed++;
  }
  return days;
}

/** Jobs that ended since the beginning of yesterday, and not as they should have. */
export function failedSinceYesterday(jobs: Job[], now: Date): Job[] {
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  return jobs.filter(
    ({ outcome, completedAt }) =>
      completedAt !== null &&
      new Date(completedAt) >= yesterday &&
      (outcome === "FAILED" || outcome === "PARTIAL_SUCCESS"),
  );
}

/** The jobs of both lists once; those of `fresh` are newer reads. */
export function merged(fresh: Job[], older: Job[]): Job[] {
  const known = new Set(fresh.map(({ jobId }) => jobId));
  return [...fresh, ...older.filter((job) => !known.has(job.jobId) && !isRunning(job))];
}

/** Counts together; one that is missing makes the sum a least one. */
export function sumOf(counts: (RecordCount | null)[]): RecordCount {
  const known = counts.filter((each) => each !== null);
  const count = known.reduce((sum, each) => sum + each.count, 0);
  const precisions = new Set(known.map(({ precision }) => precision));
  if (known.length < counts.length || precisions.has("at-least")) return { count, precision: "at-least" };
  return { count, precision: precisions.has("approximate") ? "approximate" : "exact" };
}

/** The files of jobs that are kept, and when the first of them expire. */
export function keptFiles(jobs: Job[], now: Date): { count: number; firstExpiry: string | null } {
  const kept = jobs.filter(
    ({ links, filesExpireAt }) => links.download && filesExpireAt && new Date(filesExpireAt) > now,
  );
  const expiries = kept.map(({ filesExpireAt }) => filesExpireAt!).sort();
  return { count: kept.length, firstExpiry: expiries[0] ?? null };
}
