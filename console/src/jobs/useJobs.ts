/** The list of jobs, kept up to date with few and conditional requests. */
import { useMutation, useQueries, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { pages, read } from "../api/client";
import { Problem } from "../api/problem";
import type { Job, Page } from "../api/types";
import { showProblem } from "../common/notices";
import { useIsHidden } from "../common/useIsHidden";
import {
  isRunning,
  MOST_FOLLOWED,
  PAGE_SIZE,
  readAgainAt,
  untilNextRead,
  withNewest,
  withOlder,
  type JobList,
} from "./jobList";
import { followedJob } from "./useJob";

const READ_AT_ONCE = 50;

export interface JobFilter {
  process?: string;
  status?: string;
  entity?: string;
  startedBy?: string;
  q?: string;
}

export interface Jobs {
  jobs: Job[];
  hasMore: boolean;
  loading: boolean;
  /** Why the last refresh failed; the next one is automatic. */
  stale: Problem | null;
  loadMore: () => Promise<void>;
  refresh: () => Promise<void>;
}

export function useJobs(filter: JobFilter): Jobs {
  const queryClient = useQueryClient();
  const isHidden = useIsHidden();
  const queryKey = ["jobs", "list", filter];
  const list = useQuery({
    queryKey,
    queryFn: ({ signal }) => readNewest(queryClient, queryKey, filter, signal),
    refetchInterval: isHidden ? false : ({ state }) => untilNextRead(state, Date.now()),
    refetchOnWindowFocus: "always",
    meta: { announce: "first" },
  });
  const running = isHidden ? [] : (list.data?.items.filter(isRunning).slice(0, MOST_FOLLOWED) ?? []);
  const followed = useQueries({ queries: running.map((job) => followedJob(queryClient, job)) });

  const more = useMutation({
    mutationFn: (from: string) => pages<Job>("jobs", { ...filter }, { wanted: PAGE_SIZE, from }),
    onSuccess: (older) => queryClient.setQueryData<JobList>(queryKey, (known) => known && withOlder(known, older)),
    onError: (error) => showProblem(error),
  });
  const nextToken = list.data?.nextToken ?? null;
  const error = list.error ?? followed.find((job) => job.error)?.error;
  return {
    jobs: list.data?.items ?? [],
    hasMore: nextToken !== null,
    loading: list.isPending || more.isPending,
    stale: error ? Problem.of(error) : null,
    loadMore: async () => {
      if (nextToken !== null) await more.mutateAsync(nextToken).catch(() => undefined); // shown already
    },
    refresh: async () => {
      const { error } = await list.refetch();
      if (error) showProblem(error);
    },
  };
}

async function readNewest(
  queryClient: QueryClient,
  queryKey: unknown[],
  filter: JobFilter,
  signal: AbortSignal,
): Promise<JobList> {
  const known = () => queryClient.getQueryData<JobList>(queryKey);
  const before = known();
  const query = { limit: READ_AT_ONCE, ...filter };
  const mayBeUnchanged = before && readAgainAt(before) > Date.now();
  const unchanged = mayBeUnchanged ? { value: before as Page<Job>, etag: before.etag } : undefined;
  const first = await read<Page<Job>>("jobs", unchanged, { query, signal });
  const readAt = Date.now();
  const now = known();
  if (now && first.value === unchanged?.value) return { ...now, etag: first.etag, readAt };
  let newest = first.value;
  // The API filters after it reads: matches may be on later pages.
  const isWhole = newest.nextToken === null || newest.items.length >= PAGE_SIZE;
  if (!isWhole) {
    const wanted = PAGE_SIZE - newest.items.length;
    const rest = await pages<Job>("jobs", { ...filter }, { wanted, from: newest.nextToken, signal });
    newest = { items: [...newest.items, ...rest.items], nextToken: rest.nextToken };
  }
  return { ...withNewest(known(), newest), etag: first.etag, isWhole, wholeAt: readAt, readAt };
}
