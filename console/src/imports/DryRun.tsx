/** How a dry run goes, and what became of it. */
import Alert from "@cloudscape-design/components/alert";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useEffect, useState } from "react";
import { at, call, callIfChanged } from "../client";
import type { ErrorPage, Job } from "../contract";
import { ErrorSummary } from "../ErrorSummary";
import { count } from "../format";
import { isRunning } from "../jobs";
import { Problem } from "../problem";

const TICK_MS = 1_000;

/** Follows a dry run until it has ended. */
export function DryRun({
  started,
  onEnd,
  onProblem,
}: {
  started: Job;
  onEnd: (job: Job) => void;
  onProblem: (problem: Problem) => void;
}) {
  const [job, setJob] = useState(started);
  const [summary, setSummary] = useState<ErrorPage["summary"]>([]);
  useEffect(() => {
    const control = new AbortController();
    let timer = 0;
    let etag: string | undefined;
    const tick = async () => {
      const found = await callIfChanged<Job>(at`jobs/${started.jobId}`, etag, control.signal);
      if (found) {
        etag = found.etag;
        setJob(found.value);
      }
      if (found && !isRunning(found.value)) {
        const errors = await call<ErrorPage>("GET", at`jobs/${started.jobId}/errors`, {
          query: { limit: 1 },
          signal: control.signal,
        });
        setSummary(errors.summary);
        onEnd(found.value);
      } else plan();
    };
    const plan = () => {
      timer = window.setTimeout(
        () => void tick().catch((error: unknown) => control.signal.aborted || onProblem(Problem.of(error))),
        TICK_MS,
      );
    };
    plan();
    return () => {
      control.abort();
      clearTimeout(timer);
    };
  }, [started]);

  const { counts } = job;
  if (isRunning(job)) {
    return (
      <ProgressBar
        label="Dry run"
        value={counts.total ? (100 * counts.processed) / counts.total : 0}
        description={job.message}
        additionalInfo={counts.total ? `${count(counts.processed)} of ${count(counts.total)} rows` : undefined}
      />
    );
  }
  const isGood = job.outcome === "SUCCESS";
  return (
    <Alert
      type={isGood ? "success" : job.status === "FAILED" ? "error" : "warning"}
      header={isGood ? "The dry run found nothing wrong" : "What the dry run found"}
    >
      <SpaceBetween size="s">
        <div>{job.error ? `${job.error.code}: ${job.error.message}` : `${job.message}.`} Nothing was written.</div>
        {summary.length > 0 && <ErrorSummary summary={summary} />}
      </SpaceBetween>
    </Alert>
  );
}
