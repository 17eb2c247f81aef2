import Button from "@cloudscape-design/components/button";
import SpaceBetween, { type SpaceBetweenProps } from "@cloudscape-design/components/space-between";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { at } from "../api/client";
import { NO_PERMISSION, type Job } from "../api/types";
import { useEntities } from "../api/useEntities";
import { download } from "../common/download";
import { showProblem } from "../common/notices";
import { isRunning } from "../jobs/jobList";
import { may, useMe } from "../session/useMe";
import { ChangeJobDialog, RelaunchDialog, type Change } from "./JobDialogs";
import { UndoDialog } from "./UndoDialog";

/** What can be done with an import now, by this user. */
export function ImportActions({ job, direction = "vertical" }: { job: Job } & Pick<SpaceBetweenProps, "direction">) {
  const navigate = useNavigate();
  const me = useMe();
  const { data: entities } = useEntities();
  const [dialog, setDialog] = useState<Change | "relaunch" | "undo" | null>(null);
  const downloading = useMutation({
    mutationFn: () => download(at`jobs/${job.jobId}/rejects`),
    onError: (error) => showProblem(error, () => downloading.mutate()),
  });
  const entity = job.entity === NO_PERMISSION ? undefined : entities?.find(({ name }) => name === job.entity);
  const mayImport = entity !== undefined && may(me, "import", entity);
  const hasRejects = job.links.rejects !== null;
  const hasWholeFile = wasNotRead(job) && job.links.download !== null;
  const isOver = mayImport && !job.dryRun && !job.undoOf && !isRunning(job);
  const button = (text: string, onClick: () => void) => (
    <Button key={text} variant="inline-link" ariaLabel={`${text}: ${job.fileName}`} onClick={onClick}>
      {text}
    </Button>
  );
  return (
    <>
      <SpaceBetween size={direction === "vertical" ? "xxs" : "s"} direction={direction}>
        {job.allowedActions.includes("cancel") && button("Cancel", () => setDialog("cancel"))}
        {job.allowedActions.includes("stop") && button("Stop importing", () => setDialog("stop"))}
        {isOver && hasRejects && button("Correct rows", () => void navigate(`/imports/${job.jobId}/rows`))}
        {hasRejects && button("Download unimported rows", () => downloading.mutate())}
        {isOver && (hasRejects || hasWholeFile) && button("Relaunch", () => setDialog("relaunch"))}
        {job.allowedActions.includes("undo") && button("Undo", () => setDialog("undo"))}
      </SpaceBetween>
      {(dialog === "cancel" || dialog === "stop") && (
        <ChangeJobDialog job={job} change={dialog} onClose={() => setDialog(null)} />
      )}
      {dialog === "undo" && <UndoDialog job={job} onClose={() => setDialog(null)} />}
      {dialog === "relaunch" && <RelaunchDialog job={job} onClose={() => setDialog(null)} />}
    </>
  );
}

/** Whether an outage or an error of the service ended the import before it read the file. */
function wasNotRead({ status, counts, error }: Job) {
  return status === "FAILED" && counts.total === 0 && (error?.code === "timed-out" || error?.code === "internal-error");
}
