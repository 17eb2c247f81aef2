/** What the start page reads: a bounded number of requests, however many jobs, exports and sources there are. */
import { useQuery } from "@tanstack/react-query";
import { at, call } from "../api/client";
import type { Entity, Export, Job, Me, Page, RecordCount, Source } from "../api/types";
import { sumOf } from "./recent";

const AT_ONCE = 100;
/** Requests for the newest jobs; they are read again when the page is opened, not while it is looked at. */
const MOST_PAGES = 5;
const FRESH_MS = 60_000;

export interface Recent {
  jobs: Job[];
  /** Whether these are all jobs that there are. */
  isAll: boolean;
}

export function useRecentJobs() {
  return useQuery({
    queryKey: ["start", "jobs"],
    queryFn: async ({ signal }): Promise<Recent> => {
      const jobs: Job[] = [];
      let nextToken: string | null = null;
      for (let page = 0; page < MOST_PAGES; page++) {
        const read: Page<Job> = await call("GET", "jobs", { query: { limit: AT_ONCE, nextToken }, signal });
        jobs.push(...read.items);
        nextToken = read.nextToken;
        if (nextToken === null) break;
      }
      return { jobs, isAll: nextToken === null };
    },
    staleTime: FRESH_MS,
  });
}

export interface Due {
  at: string;
  name: string;
  entity: string;
  /** Of its screen. */
  path: string;
  kind: "Export" | "Source";
}

/** Scheduled exports and sources, the first to run first. */
export function useDue() {
  return useQuery({
    queryKey: ["start", "due"],
    queryFn: async ({ signal }): Promise<{ due: Due[]; isAll: boolean }> => {
      const query = { limit: AT_ONCE, status: "SCHEDULED" };
      const [exports, sources] = await Promise.all([
        call<Page<Export>>("GET", "exports", { query, signal }),
        call<Page<Source>>("GET", "sources", { query: { limit: AT_ONCE }, signal }),
      ]);
      const due: Due[] = [];
      for (const { exportId, name, entity, nextRunAt } of exports.items) {
        const path = `/exports?tab=SCHEDULED&export=${exportId}`;
        if (nextRunAt) due.push({ at: nextRunAt, name, entity, path, kind: "Export" });
      }
      for (const { sourceId, name, entity, nextRunAt } of sources.items) {
        if (nextRunAt) due.push({ at: nextRunAt, name, entity, path: `/sources/${sourceId}`, kind: "Source" });
      }
      due.sort((one, other) => (one.at < other.at ? -1 : 1));
      return { due, isAll: exports.nextToken === null && sources.nextToken === null };
    },
    staleTime: FRESH_MS,
    refetchInterval: FRESH_MS,
  });
}

export function useLimits() {
  return useQuery({
    queryKey: ["start", "limits"],
    queryFn: async ({ signal }) => (await call<Me>("GET", "me", { signal })).limits,
    refetchInterval: FRESH_MS,
  });
}

/** Entities whose records are counted: a caller has 60 counts in a minute. */
const MOST_COUNTED = 20;
const STORED_MS = 10 * 60_000;

/** How many records there are, of the first entities. Counting reads up to 80 MB of each: it is done when asked for. */
export function useStored(isAsked: boolean) {
  return useQuery({
    queryKey: ["start", "stored"],
    queryFn: async ({ signal }): Promise<{ records: RecordCount; entities: number; isAll: boolean }> => {
      const { items, nextToken } = await call<Page<Entity>>("GET", "entities", { query: { limit: AT_ONCE }, signal });
      const counted = items.slice(0, MOST_COUNTED);
      const counts = counted.map(({ name }) =>
        call<RecordCount>("GET", at`entities/${name}/records/count`, { signal }).catch(() => null),
      );
      const records = sumOf(await Promise.all(counts));
      return { records, entities: counted.length, isAll: nextToken === null && items.length === counted.length };
    },
    staleTime: STORED_MS,
    enabled: isAsked,
  });
}
