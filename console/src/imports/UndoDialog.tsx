/** Asks before an import is undone, and says what would become of the records. */
import Box from "@cloudscape-design/components/box";
import { useQuery } from "@tanstack/react-query";
import { at, call, callOnce } from "../api/client";
import type { Job, UndoPreview } from "../api/types";
import { ConfirmDialog } from "../common/ConfirmDialog";
import { StatusText } from "../common/StatusText";
import { counted, formatCount } from "../common/format";
import { Name } from "../common/Name";
import { say } from "../common/notices";
import { ProblemAlert } from "../common/ProblemAlert";

export function UndoDialog({ job, onClose }: { job: Job; onClose: () => void }) {
  const preview = useQuery({
    queryKey: ["jobs", "undo", job.jobId],
    queryFn: ({ signal }) => call<UndoPreview>("GET", at`jobs/${job.jobId}/undo`, { signal }),
    gcTime: 0, // the records change
  });
  const undo = async () => {
    await callOnce<Job>(at`jobs/${job.jobId}/undo`);
    say("The undo is queued", <Name>{job.fileName}</Name>);
    onClose();
  };
  return (
    <ConfirmDialog
      header="Undo this import?"
      confirmText="Undo import"
      isDisabled={!preview.data}
      onConfirm={undo}
      onClose={onClose}
    >
      <Box>
        The records that <Name>{job.fileName}</Name> changed become what they were before. Those that were changed since
        stay as they are, and are listed.
      </Box>
      {preview.isPending && <StatusText type="loading">Looking at the records</StatusText>}
      {preview.error && <ProblemAlert error={preview.error} />}
      {preview.data && <Effect {...preview.data} />}
    </ConfirmDialog>
  );
}

function Effect({ total, checked, restored, removed, changedSince }: UndoPreview) {
  return (
    <div>
      {checked < total && (
        <Box>
          {formatCount(checked)} of {counted(total, "record")} looked at:
        </Box>
      )}
      <ul>
        <li>put back as they were: {formatCount(restored)}</li>
        <li>removed, because the import created them: {formatCount(removed)}</li>
        <li>left as they are, because they were changed since: {formatCount(changedSince)}</li>
      </ul>
    </div>
  );
}
