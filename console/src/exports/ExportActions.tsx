/** What can be done to the selected export, by the status of the list. */
import Button from "@cloudscape-design/components/button";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { ReactNode } from "react";
import { useNavigate } from "react-router";
import { at } from "../api/client";
import type { Export, ExportStatus } from "../api/types";
import { DownloadButton } from "../common/DownloadButton";
import { isIncremental } from "./labels";

export type Dialog = "copy" | "delete" | "unschedule" | "definition" | "report" | "period" | "run" | "stop";

interface Props {
  status: ExportStatus;
  selected: Export | null;
  isBusy: boolean;
  onOpen: (dialog: Dialog) => void;
  onActivate: () => void;
  onRun: () => void;
}

export function ExportActions({ status, selected, isBusy, onOpen, onActivate, onRun }: Props) {
  const navigate = useNavigate();
  const isForbidden = (action: Export["allowedActions"][number]) => !selected?.allowedActions.includes(action);
  const opening = (text: string, dialog: Dialog, isDisabled: boolean) => (
    <Button disabled={isDisabled} onClick={() => onOpen(dialog)}>
      {text}
    </Button>
  );
  const copy = opening("Copy", "copy", isForbidden("copy"));
  const definition = opening("View definition", "definition", isForbidden("definition"));
  const follow = opening("Follow run", "run", !selected?.isRunning || selected.jobId === null);
  const stop = opening("Stop", "stop", !selected?.isRunning || selected.jobId === null);
  const actions: Record<ExportStatus, ReactNode> = {
    DRAFT: (
      <Row>
        <Button disabled={isForbidden("edit")} onClick={() => void navigate(`/exports/${selected!.exportId}/edit`)}>
          Edit
        </Button>
        {copy}
        {opening("Delete", "delete", isForbidden("delete"))}
        <Button disabled={isForbidden("activate")} loading={isBusy} onClick={onActivate}>
          Activate
        </Button>
      </Row>
    ),
    SCHEDULED: (
      <Row>
        {definition}
        {opening("Unschedule", "unschedule", isForbidden("unschedule"))}
        <Button disabled={isForbidden("run")} loading={isBusy} onClick={onRun}>
          Run now
        </Button>
        {selected && isIncremental(selected.type) && opening("Run for a period", "period", isForbidden("run"))}
        {selected?.isRunning && follow}
        {selected?.isRunning && stop}
        {copy}
      </Row>
    ),
    IN_PROGRESS: (
      <Row>
        {follow}
        {definition}
        {stop}
      </Row>
    ),
    FINISHED: (
      <Row>
        {opening("View report", "report", selected === null)}
        <DownloadLastRun of={selected} />
        {definition}
        {copy}
        {opening("Delete", "delete", selected?.status !== "FINISHED" || selected.isRunning)}
      </Row>
    ),
  };
  return actions[status];
}

function Row({ children }: { children: ReactNode }) {
  return (
    <SpaceBetween direction="horizontal" size="xs">
      {children}
    </SpaceBetween>
  );
}

function DownloadLastRun({ of }: { of: Export | null }) {
  const jobId = of?.lastRun?.jobId ?? of?.jobId;
  const isSentInFiles = Boolean(of?.split) && of?.destination?.kind !== "download";
  const isOver = of?.lastRun?.outcome === "SUCCESS"; // not a stopped run
  const isDownloadable = of?.type === "ONE_SHOT" && isOver && !isSentInFiles;
  return (
    <DownloadButton
      paths={jobId ? [at`jobs/${jobId}/download`] : []}
      disabled={!isDownloadable}
      disabledReason={of ? "Only one-shot exports are downloaded; others are sent to their destination." : undefined}
    />
  );
}
