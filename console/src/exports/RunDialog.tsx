/** A run of an export, followed to its end: how far it is, and then where its file is. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMutation, useQuery } from "@tanstack/react-query";
import { at, call } from "../api/client";
import { READ_ONCE } from "../api/queryClient";
import type { Export, Job, Report } from "../api/types";
import { DownloadButton } from "../common/DownloadButton";
import { counted } from "../common/format";
import { Name } from "../common/Name";
import { ProblemAlert } from "../common/ProblemAlert";
import { isRunning } from "../jobs/jobList";
import { useJob } from "../jobs/useJob";
import { progressInWords } from "./now/words";

export function RunDialog({ of, onClose }: { of: Export; onClose: () => void }) {
  const { data, error, refetch } = useJob(of.jobId);
  const job = data?.value;
  const stop = useMutation({
    mutationFn: async () => {
      await call("POST", at`jobs/${of.jobId!}/stop`);
      await refetch();
    },
  });
  const problem = stop.error ?? error;
  return (
    <Modal
      visible
      size="medium"
      onDismiss={onClose}
      header={
        <>
          Run of <Name>{of.name}</Name>
        </>
      }
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            {job?.allowedActions.includes("stop") && (
              <Button loading={stop.isPending} onClick={() => stop.mutate()}>
                Stop
              </Button>
            )}
            <Button variant="link" onClick={onClose}>
              Close
            </Button>
            {job?.links.download && <DownloadButton variant="primary" paths={[at`jobs/${job.jobId}/download`]} />}
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        {problem && <ProblemAlert error={problem} />}
        <RunProgress job={job} />
      </SpaceBetween>
    </Modal>
  );
}

/** Rows and percent, then the end of the run. The job is undefined until it was read. */
export function RunProgress({ job }: { job: Job | undefined }) {
  if (!job || isRunning(job)) {
    return (
      <ProgressBar
        label="Exporting"
        value={job?.percent ?? 0}
        description={job && progressInWords(job)}
        additionalInfo="The export continues when this is closed; Manage exports has its file."
      />
    );
  }
  if (job.outcome === "SUCCESS") {
    return (
      <Alert type="success" header={job.links.download ? "The file is ready" : "The export was delivered"}>
        <Name>{job.fileName}</Name>: {job.message}.
        <Place job={job} />
      </Alert>
    );
  }
  return (
    <Alert type={job.stopReason === "USER" ? "info" : "error"} header={job.error?.code}>
      <bdi>{job.message}</bdi>
    </Alert>
  );
}

/** Where the file and its manifest are, if it was delivered. */
function Place({ job }: { job: Job }) {
  const report = useQuery({
    ...READ_ONCE,
    queryKey: ["jobs", "report", job.jobId],
    queryFn: ({ signal }) => call<Report>("GET", at`jobs/${job.jobId}/report`, { signal }),
  });
  const { delivered, files } = report.data ?? {};
  const location = delivered?.location;
  if (!location) return null;
  if (files) {
    return (
      <div>
        The manifest at <Name>{location}</Name> lists {counted(files, "file")}, which {files === 1 ? "is" : "are"}{" "}
        beside it.
      </div>
    );
  }
  return (
    <div>
      It is at <Name>{location}</Name>, with its manifest <Name>{`${location}.manifest.json`}</Name>.
    </div>
  );
}
