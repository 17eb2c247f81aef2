/** Deletes the selected entries, and names those that could not be deleted. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import { call } from "../api/client";
import type { Job, JobsDeletion } from "../api/types";
import { ConfirmDialog } from "../common/ConfirmDialog";
import { counted, formatCount } from "../common/format";
import { Name } from "../common/Name";
import { say, warn } from "../common/notices";

const NAMED = 10;

interface Props {
  jobs: Job[];
  onClose: () => void;
  onDeleted: () => void;
}

export function DeleteJobsDialog({ jobs, onClose, onDeleted }: Props) {
  const remove = async () => {
    const body = { jobIds: jobs.map(({ jobId }) => jobId) };
    const { deleted, failed } = await call<JobsDeletion>("POST", "jobs/delete", { body });
    if (deleted.length) say(`${counted(deleted.length, "entry", "entries")} deleted`);
    if (failed.length) {
      warn(
        `${counted(failed.length, "entry", "entries")} not deleted`,
        <ul>
          {failed.map(({ jobId, detail }) => (
            <li key={jobId}>
              <Name>{jobs.find((job) => job.jobId === jobId)?.fileName ?? jobId}</Name>: {detail}
            </li>
          ))}
        </ul>,
      );
    }
    onDeleted();
    onClose();
  };
  return (
    <ConfirmDialog
      header={jobs.length === 1 ? "Delete this entry?" : `Delete these ${jobs.length} entries?`}
      confirmText="OK"
      onConfirm={remove}
      onClose={onClose}
    >
      <Alert type="warning">Their files are deleted too. Records that were imported stay.</Alert>
      <ul>
        {jobs.slice(0, NAMED).map((job) => (
          <li key={job.jobId}>
            <Name>{job.fileName}</Name>
          </li>
        ))}
      </ul>
      {jobs.length > NAMED && <Box>and {formatCount(jobs.length - NAMED)} more</Box>}
    </ConfirmDialog>
  );
}
