/** The progress of a dry run, then its result. */
import Alert from "@cloudscape-design/components/alert";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { at, call } from "../api/client";
import type { ErrorPage, Job } from "../api/types";
import { formatCount, rowsInWords } from "../common/format";
import { ProblemAlert } from "../common/ProblemAlert";
import { ErrorSummary } from "../jobs/ErrorSummary";
import { isRunning } from "../jobs/jobList";

export function DryRun({ job }: { job: Job }) {
  const hasEnded = !isRunning(job);
  const errors = useQuery({
    queryKey: ["jobs", "errors", job.jobId, "summary"],
    queryFn: ({ signal }) => call<ErrorPage>("GET", at`jobs/${job.jobId}/errors`, { query: { limit: 1 }, signal }),
    enabled: hasEnded,
  });
  const result = useRef<HTMLDivElement>(null);
  useEffect(() => {
    result.current?.scrollIntoView({ block: "nearest" });
  }, [hasEnded, errors.data]);
  const { counts } = job;
  if (!hasEnded) {
    return (
      <ProgressBar
        label="Dry run"
        value={counts.total ? (100 * counts.processed) / counts.total : 0}
        description={job.message}
        additionalInfo={counts.total ? `${formatCount(counts.processed)} of ${rowsInWords(counts.total)}` : undefined}
      />
    );
  }
  const isGood = job.outcome === "SUCCESS";
  const summary = errors.data?.summary ?? [];
  return (
    <div ref={result}>
      <Alert
        type={isGood ? "success" : job.status === "FAILED" ? "error" : "warning"}
        header={isGood ? "The dry run found nothing wrong" : "What the dry run found"}
      >
        <SpaceBetween size="s">
          <div>{job.error ? `${job.error.message} (${job.error.code})` : `${job.message}.`} Nothing was written.</div>
          {summary.length > 0 && <ErrorSummary summary={summary} />}
          {errors.error && <ProblemAlert error={errors.error} />}
        </SpaceBetween>
      </Alert>
    </div>
  );
}
