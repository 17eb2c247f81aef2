/** What became of the runs of an export, with Relaunch where that can help. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import Modal from "@cloudscape-design/components/modal";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useEffect, useState } from "react";
import { at, call, pages } from "../client";
import type { Export, Job, Report as JobReport } from "../contract";
import { bytes, count, duration, Name, Status, STATUS_WORDS, Time } from "../format";
import { ProblemText, say } from "../notices";
import { Problem } from "../problem";

export function Report({ of, onClose }: { of: Export; onClose: () => void }) {
  const [runs, setRuns] = useState<Job[] | null>(null);
  const [jobId, setJobId] = useState<string | null>(null);
  const [report, setReport] = useState<JobReport | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const fail = (error: unknown) => setProblem(Problem.of(error));

  useEffect(() => {
    pages<Job>(at`exports/${of.exportId}/jobs`, {}).then(({ items }) => {
      setRuns(items);
      setJobId(items[0]?.jobId ?? null);
    }, fail);
  }, [of.exportId]);
  useEffect(() => {
    setReport(null);
    if (jobId) call<JobReport>("GET", at`jobs/${jobId}/report`).then(setReport, fail);
  }, [jobId]);

  const relaunch = async () => {
    try {
      await call("POST", at`jobs/${jobId!}/relaunch`);
      say("The run was started again", <Name>{of.name}</Name>);
      onClose();
    } catch (error) {
      fail(error);
    }
  };
  const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const options = (runs ?? []).map((run) => ({
    value: run.jobId,
    label: `${moment.format(new Date(run.startedAt ?? run.submittedAt))}: ${STATUS_WORDS[run.status]}`,
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
            {report?.relaunchable && <Button onClick={() => void relaunch()}>Relaunch</Button>}
            <Button variant="primary" onClick={onClose}>
              Close
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="l">
        {problem && (
          <Alert type="error" header={problem.title}>
            <ProblemText problem={problem} />
          </Alert>
        )}
        {runs?.length === 0 && <Box>Its runs have expired, or it has not run yet.</Box>}
        {options.length > 0 && (
          <FormField label="Run">
            <Select
              options={options}
              selectedOption={options.find(({ value }) => value === jobId) ?? null}
              onChange={({ detail }) => setJobId(detail.selectedOption.value ?? null)}
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
              { label: "Status", value: <Status job={report} /> },
              { label: "Start", value: <Time at={report.startedAt} /> },
              { label: "End", value: <Time at={report.completedAt} /> },
              { label: "Duration", value: report.durationSeconds === null ? "–" : duration(report.durationSeconds) },
              { label: "File name", value: <Name>{report.fileName}</Name> },
              ...(report.definition?.fileName
                ? [{ label: "Date pattern", value: <Name>{report.definition.fileName}</Name> }]
                : []),
              { label: "Rows exported", value: count(report.numberOfItems) },
              { label: "Size", value: report.bytes === null ? "–" : bytes(report.bytes) },
              {
                label: "Delivered to",
                value: <Name>{report.delivered?.location ?? report.delivered?.kind ?? "–"}</Name>,
              },
              { label: "Started by", value: <Name>{report.startedBy}</Name> },
            ]}
          />
        )}
      </SpaceBetween>
    </Modal>
  );
}
