import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { at, call, callOnce } from "../api/client";
import type { Job } from "../api/types";
import { download } from "../common/download";
import { Name } from "../common/Name";
import { say, showProblem } from "../common/notices";
import { isRunning } from "../jobs/jobList";
import { putJob } from "../jobs/useJob";
import { UndoDialog } from "./UndoDialog";

/** What can be done with an import now. */
export function ImportActions({ job }: { job: Job }) {
  const queryClient = useQueryClient();
  const action = useMutation({
    mutationFn: (run: () => Promise<void>) => run(),
    onError: (error, run) => showProblem(error, () => action.mutate(run)),
  });
  const change = async (verb: "cancel" | "stop") => {
    putJob(queryClient, await call<Job>("POST", at`jobs/${job.jobId}/${verb}`));
  };
  const relaunch = async () => {
    await callOnce<Job>(at`jobs/${job.jobId}/relaunch`);
    say("The rows that were not imported run again", <Name>{job.fileName}</Name>);
  };
  const hasRejects = job.links.rejects !== null;
  const hasWholeFile = wasNotRead(job) && job.links.download !== null;
  const canRelaunch = !job.dryRun && !job.undoOf && !isRunning(job);
  const [isUndoing, setIsUndoing] = useState(false);
  const button = (text: string, run: () => Promise<void>) => (
    <Button
      key={text}
      variant="inline-link"
      disabled={action.isPending}
      ariaLabel={`${text}: ${job.fileName}`}
      onClick={() => action.mutate(run)}
    >
      {text}
    </Button>
  );
  return (
    <SpaceBetween size="xxs">
      {isUndoing && <UndoDialog job={job} onClose={() => setIsUndoing(false)} />}
      {job.allowedActions.includes("cancel") && button("Cancel", () => change("cancel"))}
      {job.allowedActions.includes("stop") && button("Stop importing", () => change("stop"))}
      {hasRejects && button("Download unimported rows", () => download(at`jobs/${job.jobId}/rejects`))}
      {(hasRejects || hasWholeFile) && canRelaunch && button("Relaunch", relaunch)}
      {job.allowedActions.includes("undo") && button("Undo", () => Promise.resolve(setIsUndoing(true)))}
    </SpaceBetween>
  );
}

/** Whether an outage or an error of the service ended the import before it read the file. */
function wasNotRead({ status, counts, error }: Job) {
  return status === "FAILED" && counts.total === 0 && (error?.code === "timed-out" || error?.code === "internal-error");
}
