import type { Job, JobStatus as Status } from "../api/types";
import { StatusText } from "../common/StatusText";

export const STATUS_LABELS: Record<Status, string> = {
  WAITING: "Waiting",
  IN_PROGRESS: "In progress",
  COMPLETED: "Completed",
  FAILED: "Failed",
  CANCELED: "Canceled",
};

export function JobStatus({ job }: { job: Pick<Job, "status" | "outcome"> }) {
  const types = { WAITING: "pending", IN_PROGRESS: "in-progress", FAILED: "error", CANCELED: "stopped" } as const;
  const type = job.status === "COMPLETED" ? (job.outcome === "SUCCESS" ? "success" : "warning") : types[job.status];
  return (
    <StatusText type={type} wrapText={false}>
      {STATUS_LABELS[job.status]}
    </StatusText>
  );
}
