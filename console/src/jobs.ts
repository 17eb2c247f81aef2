/** The list of jobs, which keeps itself up to date at little cost. */
import { useCallback, useEffect, useRef, useState } from "react";
import { at, callIfChanged, pages } from "./client";
import type { Job, Page } from "./contract";
import { showProblem } from "./notices";
import { Problem } from "./problem";

const TICK_MS = 2_000; // what a running job's Retry-After says
const LIST_TICKS = 5; // a list is read anew every so many ticks, to see what others started
const HIDDEN_MS = 60_000;
const READ_AT_ONCE = 50;
const MOST_FOLLOWED = 5; // with more running jobs than this, one list is cheaper than each of them
export const PAGE_SIZE = 25;

export const isRunning = (job: Job) => job.status === "WAITING" || job.status === "IN_PROGRESS";

export interface JobFilter {
  process?: string;
  status?: string;
  entity?: string;
  startedBy?: string;
  q?: string;
}

export interface JobList {
  jobs: Job[];
  hasMore: boolean;
  loading: boolean;
  /** The last refresh failed; it is tried again by itself. */
  stale: Problem | null;
  loadMore: () => Promise<void>;
  refresh: () => Promise<void>;
  /** Put in the job as an action returned it. */
  put: (job: Job) => void;
}

export function useJobs(filter: JobFilter): JobList {
  const key = JSON.stringify(filter);
  const [jobs, setJobs] = useState<Job[]>([]);
  const [nextToken, setNextToken] = useState<string | null>(null);
  const [loading, setLoading] = useState(true);
  const [stale, setStale] = useState<Problem | null>(null);
  const shown = useRef<Job[]>([]);
  shown.current = jobs;
  const listEtag = useRef<string | undefined>(undefined);
  const etags = useRef(new Map<string, string>());
  const following = useRef<AbortController>(new AbortController());

  const put = useCallback((job: Job) => {
    setJobs((old) => old.map((known) => (known.jobId === job.jobId ? job : known)));
  }, []);

  const readNewest = useCallback(
    async (signal: AbortSignal) => {
      const query = JSON.parse(key) as Record<string, string>;
      const first = await callIfChanged<Page<Job>>("jobs", listEtag.current, signal, { limit: READ_AT_ONCE, ...query });
      if (signal.aborted) return;
      if (first === null) return setStale(null); // as it was
      let fresh = first.value;
      // Filters apply after the read: what is wanted may stand on later pages, of which this ETag says nothing.
      const isEnough = fresh.nextToken === null || fresh.items.length >= PAGE_SIZE;
      if (!isEnough) {
        const more = { wanted: PAGE_SIZE - fresh.items.length, from: fresh.nextToken, signal };
        const rest = await pages<Job>("jobs", query, more);
        fresh = { items: [...fresh.items, ...rest.items], nextToken: rest.nextToken };
        if (signal.aborted) return;
      }
      listEtag.current = isEnough ? first.etag : undefined;
      const last = fresh.items.at(-1);
      // What lies before the end of this page is exactly what was read; what was loaded after it stays.
      const isKept = (job: Job) => fresh.nextToken !== null && last !== undefined && job.submittedAt < last.submittedAt;
      const rest = shown.current.filter(isKept);
      setJobs([...fresh.items, ...rest]);
      if (rest.length === 0) setNextToken(fresh.nextToken);
      setStale(null);
    },
    [key],
  );

  const readRunning = useCallback(
    async (running: Job[], signal: AbortSignal) => {
      for (const { jobId } of running) {
        const found = await callIfChanged<Job>(at`jobs/${jobId}`, etags.current.get(jobId), signal);
        if (found === null) continue;
        if (found.etag) etags.current.set(jobId, found.etag);
        put(found.value);
      }
      setStale(null);
    },
    [put],
  );

  useEffect(() => {
    const control = new AbortController();
    following.current = control;
    const { signal } = control;
    let timer = 0;
    let ticks = 0;
    const tick = async () => {
      const running = shown.current.filter(isRunning);
      const readList = document.hidden || ticks % (running.length > MOST_FOLLOWED ? 2 : LIST_TICKS) === 0;
      ticks += 1;
      try {
        if (readList) await readNewest(signal);
        else await readRunning(running.slice(0, MOST_FOLLOWED), signal);
      } catch (error) {
        if (signal.aborted) return;
        setStale(Problem.of(error));
        ticks = 0;
      }
      if (!signal.aborted) plan();
    };
    const plan = () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => void tick(), document.hidden ? HIDDEN_MS : TICK_MS);
    };
    const seen = () => {
      ticks = 0;
      clearTimeout(timer);
      if (!document.hidden) void tick();
      else plan();
    };
    setJobs([]);
    shown.current = [];
    listEtag.current = undefined;
    setNextToken(null);
    setLoading(true);
    readNewest(signal)
      .catch((error: unknown) => signal.aborted || (showProblem(error), setStale(Problem.of(error))))
      .finally(() => {
        if (signal.aborted) return;
        setLoading(false);
        ticks = 1;
        plan();
      });
    document.addEventListener("visibilitychange", seen);
    return () => {
      control.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [key, readNewest, readRunning]);

  const loadMore = useCallback(async () => {
    if (nextToken === null) return;
    setLoading(true);
    try {
      const more = await pages<Job>("jobs", JSON.parse(key) as Record<string, string>, {
        wanted: PAGE_SIZE,
        from: nextToken,
        signal: following.current.signal,
      });
      const known = new Set(shown.current.map(({ jobId }) => jobId));
      setJobs([...shown.current, ...more.items.filter(({ jobId }) => !known.has(jobId))]);
      setNextToken(more.nextToken);
    } catch (error) {
      showProblem(error);
    } finally {
      setLoading(false);
    }
  }, [key, nextToken]);

  const refresh = useCallback(async () => {
    try {
      await readNewest(following.current.signal);
    } catch (error) {
      showProblem(error);
    }
  }, [readNewest]);

  return { jobs, hasMore: nextToken !== null, loading, stale, loadMore, refresh, put };
}
