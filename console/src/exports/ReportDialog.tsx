/** The reports of an export's runs; failed runs can be relaunched. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Modal from "@cloudscape-design/components/modal";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { at, call, callOnce, pages } from "../api/client";
import { READ_ONCE } from "../api/queryClient";
import type { Export, Job, Report } from "../api/types";
import { formatBytes, formatCount, formatDuration } from "../common/format";
import { Name } from "../common/Name";
import { JobStatus, STATUS_LABELS } from "../jobs/JobStatus";
import { Time } from "../common/Time";
import { say } from "../common/notices";
import { ProblemAlert } from "../common/ProblemAlert";

export function ReportDialog({ of, onClose }: { of: Export; onClose: () => void }) {
  const runs = useQuery({
    queryKey: ["exports", "runs", of.exportId],
    queryFn: async ({ signal }) => (await pages<Job>(at`exports/${of.exportId}/jobs`, {}, { signal })).items,
    ...READ_ONCE,
  });
  const [chosenId, setChosenId] = useState<string | null>(null);
  const jobId = chosenId ?? runs.data?.[0]?.jobId ?? null;
  const { data: report, error: reportError } = useQuery({
    queryKey: ["jobs", "report", jobId],
    queryFn: ({ signal }) => call<Report>("GET", at`jobs/${jobId!}/report`, { signal }),
    enabled: jobId !== null,
    ...READ_ONCE,
  });
  const relaunch = useMutation({
    mutationFn: async () => {
      await callOnce(at`jobs/${jobId!}/relaunch`);
      say("The run was started again", <Name>{of.name}</Name>);
      onClose();
    },
  });
  const error = relaunch.error ?? runs.error ?? reportError;
  const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const options = (runs.data ?? []).map((run) => ({
    value: run.jobId,
    label: `${moment.format(new Date(run.startedAt ?? run.submittedAt))}: ${STATUS_LABELS[run.status]}`,
  }));

  return (
    <Modal
      visible
      size="large"
      onDismiss={onClose}
      header={
        <>
          Report: <Name>{of.name}</Name>
        </>
      }
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            {report?.relaunchable && (
              <Button loading={relaunch.isPending} onClick={() => relaunch.mutate()}>
                Relaunch
              </Button>
            )}
            <Button variant="primary" onClick={onClose}>
              Close
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="l">
        {error && <ProblemAlert error={error} />}
        {runs.data?.length === 0 && <Box>Its runs have expired, or it has not run yet.</Box>}
        {options.length > 0 && (
          <FormField label="Run">
            <Select
              options={options}
              selectedOption={options.find(({ value }) => value === jobId) ?? null}
              onChange={({ detail }) => setChosenId(detail.selectedOption.value ?? null)}
            />
          </FormField>
        )}
        {report?.error && (
          <Alert type="error" header={`Error code: ${report.error.code}`}>
            {report.error.message}
          </Alert>
        )}
        {report && (
          <KeyValuePairs
            columns={3}
            items={[
              { label: "Status", value: <JobStatus job={report} /> },
              { label: "Start", value: <Time at={report.startedAt} /> },
              { label: "End", value: <Time at={report.completedAt} /> },
              {
                label: "Duration",
                value: report.durationSeconds === null ? "–" : formatDuration(report.durationSeconds),
              },
              { label: "File name", value: <Name>{report.fileName}</Name> },
              ...(report.definition?.fileName
                ? [{ label: "Date pattern", value: <Name>{report.definition.fileName}</Name> }]
                : []),
              { label: "Rows exported", value: formatCount(report.numberOfItems) },
              ...(report.files ? [{ label: "Files", value: formatCount(report.files) }] : []),
              { label: "Size", value: report.bytes === null ? "–" : formatBytes(report.bytes) },
              {
                label: "Delivered to",
                value: <Name>{report.delivered?.location ?? report.delivered?.kind ?? "–"}</Name>,
              },
              ...(report.encryption
                ? [{ label: "Encrypted for", value: <Name>{report.encryption.recipients.join(", ")}</Name> }]
                : []),
              { label: "Started by", value: <Name>{report.startedBy}</Name> },
            ]}
          />
        )}
      </SpaceBetween>
    </Modal>
  );
}
