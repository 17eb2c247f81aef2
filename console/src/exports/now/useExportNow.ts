/** A one-shot export: what it would take, and its only run. */
import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { at, call, callOnce } from "../../api/client";
import { READ_ONCE } from "../../api/queryClient";
import type { Definition, Export, ExportPreview, Job } from "../../api/types";
import { useDebounced } from "../../common/useDebounced";
import { useJob } from "../../jobs/useJob";

const SETTLED_MS = 400; // several quick changes make one request

/** What a run of the definition would take now; the last one while another is read. */
export function useExportPreview(body: Definition, isWanted: boolean) {
  const { entity, fields, filter, format, escapeFormulas, split } = body;
  const settled = useDebounced(JSON.stringify({ entity, fields, filter, format, escapeFormulas, split }), SETTLED_MS);
  return useQuery({
    ...READ_ONCE,
    queryKey: ["exports", "preview", settled],
    queryFn: ({ signal }) =>
      call<ExportPreview>("POST", "exports/preview", { body: JSON.parse(settled) as unknown, signal }),
    placeholderData: keepPreviousData,
    enabled: isWanted,
  });
}

export interface ExportRun {
  start: (body: Definition) => void;
  isStarting: boolean;
  /** The run, once it was started. */
  job: Job | undefined;
  hasStarted: boolean;
  stop: () => void;
  isStopping: boolean;
  error: Error | null;
}

export function useExportRun(): ExportRun {
  const draftId = useRef<string | null>(null); // of an export that could not be activated yet
  const [jobId, setJobId] = useState<string | null>(null);
  const start = useMutation({
    mutationFn: async (body: Definition) => {
      const made = draftId.current
        ? await call<Export>("PUT", at`exports/${draftId.current}`, { body })
        : await callOnce<Export>("exports", { body });
      draftId.current = made.exportId;
      setJobId((await callOnce<Export>(at`exports/${made.exportId}/activate`)).jobId);
    },
  });
  const job = useJob(jobId);
  const stop = useMutation({
    mutationFn: async () => {
      await call("POST", at`jobs/${jobId!}/stop`);
      await job.refetch();
    },
  });
  return {
    start: start.mutate,
    isStarting: start.isPending,
    job: job.data?.value,
    hasStarted: jobId !== null,
    stop: stop.mutate,
    isStopping: stop.isPending,
    error: start.error ?? stop.error ?? job.error,
  };
}
