/** The list of jobs that the cache holds, and how later reads update it. */
import type { Job, Page } from "../api/types";

export const PAGE_SIZE = 25;
export const MOST_FOLLOWED = 5; // with more running jobs than this, reading the list is cheaper
const LIST_MS = 10_000; // shows what other users started
const CROWDED_LIST_MS = 4_000;
const AFTER_FAILURE_MS = 2_000;
const LATER_PAGES_MS = 60_000;

export interface JobList extends Page<Job> {
  /** Of the first page. */
  etag: string | undefined;
  /** Whether the first page alone has what the list begins with. */
  isWhole: boolean;
  /** When the later pages were read that it needs otherwise. */
  wholeAt: number;
  /** When its newest jobs were read, in milliseconds. */
  readAt: number;
}

export const isRunning = (job: Job) => job.status === "WAITING" || job.status === "IN_PROGRESS";

/** Replaces the newest jobs by what was just read. Jobs that are older than the end of that page stay. */
export function withNewest(known: Page<Job> | undefined, newest: Page<Job>): Page<Job> {
  const last = newest.items.at(-1);
  const isOlder = (job: Job) => newest.nextToken !== null && last !== undefined && job.submittedAt < last.submittedAt;
  const older = known?.items.filter(isOlder) ?? [];
  return {
    items: [...newest.items, ...older],
    nextToken: older.length && known ? known.nextToken : newest.nextToken,
  };
}

/** Appends an older page. */
export function withOlder<List extends Page<Job>>(known: List, older: Page<Job>): List {
  const ids = new Set(known.items.map(({ jobId }) => jobId));
  return {
    ...known,
    items: [...known.items, ...older.items.filter(({ jobId }) => !ids.has(jobId))],
    nextToken: older.nextToken,
  };
}

/** When the list is read without its ETag, which does not cover later pages. */
export function readAgainAt({ isWhole, wholeAt }: JobList): number {
  return isWhole ? Infinity : wholeAt + LATER_PAGES_MS;
}

/** Updates one job of the list. */
export function withJob<List extends Page<Job>>(known: List, job: Job): List {
  return { ...known, items: known.items.map((each) => (each.jobId === job.jobId ? job : each)) };
}

/** The state of the list's query. */
interface ListState {
  data?: JobList;
  error: Error | null;
  errorUpdatedAt: number;
  fetchStatus: string;
}

/** Milliseconds. They count from the list's own last read: a followed job updates the list too, and restarts its timer. */
export function untilNextRead({ data, error, errorUpdatedAt, fetchStatus }: ListState, now: number): number | false {
  if (fetchStatus === "fetching") return false;
  if (error) return Math.max(1, errorUpdatedAt + AFTER_FAILURE_MS - now);
  if (!data) return false;
  const interval = data.items.filter(isRunning).length > MOST_FOLLOWED ? CROWDED_LIST_MS : LIST_MS;
  return Math.max(1, data.readAt + interval - now);
}
