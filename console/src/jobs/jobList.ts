/** What is known of a list of jobs, and how further reads add to it. */
import type { Job, Page } from "../api/types";

export const PAGE_SIZE = 25;

export interface JobList extends Page<Job> {
  etag: string | undefined;
  /** When its newest jobs were read, in milliseconds. */
  readAt: number;
}

export const isRunning = (job: Job) => job.status === "WAITING" || job.status === "IN_PROGRESS";

/** The list after its newest jobs were read again. Up to the end of that page it is what was read; older jobs stay. */
export function withNewest(known: Page<Job> | undefined, newest: Page<Job>): Page<Job> {
  const last = newest.items.at(-1);
  const isOlder = (job: Job) => newest.nextToken !== null && last !== undefined && job.submittedAt < last.submittedAt;
  const older = known?.items.filter(isOlder) ?? [];
  return {
    items: [...newest.items, ...older],
    nextToken: older.length && known ? known.nextToken : newest.nextToken,
  };
}

/** The list with a page that follows its end. */
export function withOlder<List extends Page<Job>>(known: List, older: Page<Job>): List {
  const ids = new Set(known.items.map(({ jobId }) => jobId));
  return {
    ...known,
    items: [...known.items, ...older.items.filter(({ jobId }) => !ids.has(jobId))],
    nextToken: older.nextToken,
  };
}

/** The list with a newer state of one of its jobs. */
export function withJob<List extends Page<Job>>(known: List, job: Job): List {
  return { ...known, items: known.items.map((each) => (each.jobId === job.jobId ? job : each)) };
}
