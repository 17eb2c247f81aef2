/** One job, polled at the interval that the API asks for until the job ends. */
import { queryOptions, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { at, read, type Read } from "../api/client";
import type { Job } from "../api/types";
import { withJob, type JobList } from "./jobList";

const FIRST_READ_MS = 2_000; // lists and other responses carry no Retry-After for a job

const jobKey = (jobId: string) => ["jobs", "job", jobId];

/** Updates a job in every list that contains it. */
export function putJob(queryClient: QueryClient, job: Job): void {
  queryClient.setQueriesData<JobList>({ queryKey: ["jobs", "list"] }, (known) => known && withJob(known, job));
}

function jobQuery(queryClient: QueryClient, jobId: string) {
  return queryOptions({
    queryKey: jobKey(jobId),
    queryFn: async ({ signal }) => {
      const known = queryClient.getQueryData<Read<Job>>(jobKey(jobId));
      const job = await read<Job>(at`jobs/${jobId}`, known, { signal });
      if (job.value !== known?.value) putJob(queryClient, job.value);
      return job;
    },
    refetchInterval: ({ state }) => state.data?.retryAfterMs ?? false,
  });
}

/** The query of a job that a list has already read: it waits before its first request. */
export function followedJob(queryClient: QueryClient, job: Job) {
  return queryOptions({
    ...jobQuery(queryClient, job.jobId),
    initialData: { value: job, retryAfterMs: FIRST_READ_MS },
    staleTime: Infinity,
  });
}

/** The job with this id; no request while the id is null. */
export function useJob(jobId: string | null) {
  return useQuery({ ...jobQuery(useQueryClient(), jobId ?? ""), enabled: jobId !== null });
}
