/** Stop, Cancel and Relaunch say what they do, and ask. */
import Alert from "@cloudscape-design/components/alert";
import Spinner from "@cloudscape-design/components/spinner";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { at, call, callOnce } from "../api/client";
import type { ErrorPage, Job, Report } from "../api/types";
import { ConfirmDialog } from "../common/ConfirmDialog";
import { ErrorCode } from "../common/ErrorCode";
import { formatCount, rowsInWords } from "../common/format";
import { ScreenLink } from "../common/links";
import { Name } from "../common/Name";
import { say } from "../common/notices";
import { ProblemAlert } from "../common/ProblemAlert";
import { putJob } from "../jobs/useJob";

export type Change = "cancel" | "stop";

interface Props {
  job: Job;
  onClose: () => void;
}

export function ChangeJobDialog({ job, change, onClose }: Props & { change: Change }) {
  const queryClient = useQueryClient();
  const run = async () => {
    putJob(queryClient, await call<Job>("POST", at`jobs/${job.jobId}/${change}`));
    onClose();
  };
  const { processed, total } = job.counts;
  if (change === "cancel") {
    return (
      <ConfirmDialog
        header="Cancel this import?"
        confirmText="Cancel import"
        cancelText="Keep it"
        onConfirm={run}
        onClose={onClose}
      >
        <div>
          <Name>{job.fileName}</Name> has not started: nothing of it is imported. To import it later, send the file
          again.
        </div>
      </ConfirmDialog>
    );
  }
  return (
    <ConfirmDialog
      header="Stop this import?"
      confirmText="Stop importing"
      cancelText="Keep importing"
      onConfirm={run}
      onClose={onClose}
    >
      <div>
        {total ? `${formatCount(processed)} of ${rowsInWords(total)} of ` : ""}
        <Name>{job.fileName}</Name> {total ? `${total === 1 ? "is" : "are"} processed. ` : "is being imported. "}
        What was written stays: stopping undoes nothing. The other rows are listed as not imported, and can be imported
        later with Relaunch.
      </div>
    </ConfirmDialog>
  );
}

export function RelaunchDialog({ job, onClose }: Props) {
  const [key] = useState(() => crypto.randomUUID());
  const report = useQuery({
    queryKey: ["jobs", "report", job.jobId],
    queryFn: ({ signal }) => call<Report>("GET", at`jobs/${job.jobId}/report`, { signal }),
    gcTime: 0,
  });
  const { rejected, unprocessed } = job.counts;
  const errors = useQuery({
    queryKey: ["jobs", "errors", job.jobId, "summary"],
    queryFn: ({ signal }) => call<ErrorPage>("GET", at`jobs/${job.jobId}/errors`, { query: { limit: 1 }, signal }),
    enabled: rejected > 0,
  });
  const run = async () => {
    await callOnce<Job>(at`jobs/${job.jobId}/relaunch`, { key });
    say("The relaunch is queued", <Name>{job.fileName}</Name>);
    onClose();
  };
  const error = report.error ?? errors.error;
  const isPossible = report.data?.relaunchable === true;
  const frequent = errors.data?.summary[0];
  return (
    <ConfirmDialog
      header="Import these rows again?"
      confirmText="Relaunch"
      isDisabled={!isPossible}
      onConfirm={run}
      onClose={onClose}
    >
      {report.isPending && <Spinner />}
      {error && <ProblemAlert error={error} />}
      {report.data && !isPossible && (
        <Alert type="info">
          Nothing is left to import of <Name>{job.fileName}</Name>: its rows were relaunched already, were replaced by
          other rows of the file, or are gone.
        </Alert>
      )}
      {isPossible && rejected + unprocessed === 0 && (
        <div>
          <Name>{job.fileName}</Name> was not read because of an outage. The whole file is imported.
        </div>
      )}
      {isPossible && rejected + unprocessed > 0 && (
        <div>
          {rowsInWords(rejected + unprocessed)} of <Name>{job.fileName}</Name>, not imported before,{" "}
          {rejected + unprocessed === 1 ? "runs again as it stands" : "run again as they stand"} in the file, in the
          mode {job.mode}.
        </div>
      )}
      {isPossible && rejected > 0 && (
        <Alert
          type="warning"
          header={`${rowsInWords(rejected)} broke a rule, and will break it again unless something changed`}
        >
          {frequent && (
            <>
              Most often: <ErrorCode code={frequent.type} />
              {frequent.fieldName && (
                <>
                  {" "}
                  in <Name>{frequent.fieldName}</Name>
                </>
              )}{" "}
              ({rowsInWords(frequent.count)}).{" "}
            </>
          )}
          Relaunch once the entity, or a record that they name, is put right; or{" "}
          <ScreenLink to={`/imports/${job.jobId}/rows`}>correct the rows</ScreenLink>.
        </Alert>
      )}
    </ConfirmDialog>
  );
}
