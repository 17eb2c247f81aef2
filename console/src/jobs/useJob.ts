/** One job, followed as often as the API asks for until it has ended. */
import { queryOptions, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { at, read, type Read } from "../api/client";
import type { Job } from "../api/types";
import { withJob, type JobList } from "./jobList";

const FIRST_READ_MS = 2_000; // after a job was seen in a list or answer, which had no Retry-After for it

const jobKey = (jobId: string) => ["jobs", "job", jobId];

/** Put a newer state of a job into all lists that have it. */
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

/** A job that is known already, and read again when its next state is due. */
export function followedJob(queryClient: QueryClient, job: Job) {
  return queryOptions({
    ...jobQuery(queryClient, job.jobId),
    initialData: { value: job, retryAfterMs: FIRST_READ_MS },
    staleTime: Infinity,
  });
}

/** The job of this id, once there is one. */
export function useJob(jobId: string | null) {
  return useQuery({ ...jobQuery(useQueryClient(), jobId ?? ""), enabled: jobId !== null });
}
