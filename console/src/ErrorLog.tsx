/** Every error of a job in a pop-up: summary, search, pages, download. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";
import { useEffect, useState } from "react";
import { at, call, download } from "./client";
import type { ErrorPage, Job, JobError } from "./contract";
import { ErrorSummary } from "./ErrorSummary";
import { count, Name } from "./format";
import { ProblemText, showProblem } from "./notices";
import { Problem } from "./problem";

const SEARCHED = 2_000; // errors that a search reads at most; the download has all of them

export function ErrorLog({ jobId, onClose }: { jobId: string; onClose: () => void }) {
  const [job, setJob] = useState<Job | null>(null);
  const [errors, setErrors] = useState<JobError[]>([]);
  const [summary, setSummary] = useState<ErrorPage["summary"]>([]);
  const [nextToken, setNextToken] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [loading, setLoading] = useState(true);
  const [search, setSearch] = useState("");

  const read = async (from: string | null, known: JobError[], upTo: number) => {
    setLoading(true);
    try {
      let all = known;
      let token = from;
      do {
        const page: ErrorPage = await call("GET", at`jobs/${jobId}/errors`, {
          query: { limit: 100, nextToken: token },
        });
        all = [...all, ...page.items];
        token = page.nextToken;
        setErrors(all);
        setSummary(page.summary);
        setNextToken(token);
      } while (token !== null && all.length < upTo);
    } catch (error) {
      setProblem(Problem.of(error));
    } finally {
      setLoading(false);
    }
  };
  useEffect(() => {
    call<Job>("GET", at`jobs/${jobId}`).then(setJob, (error: unknown) => setProblem(Problem.of(error)));
    void read(null, [], 100);
  }, [jobId]);

  const searchFor = (text: string) => {
    setSearch(text);
    if (text && nextToken && !loading && errors.length < SEARCHED) void read(nextToken, errors, SEARCHED);
  };
  const wanted = search.toLocaleLowerCase();
  const found = errors.filter((error) =>
    [String(error.rowNumber), error.fieldName, error.type, error.cell, error.message].some((text) =>
      text?.toLocaleLowerCase().includes(wanted),
    ),
  );

  return (
    <Modal
      visible
      size="max"
      onDismiss={onClose}
      header={
        <>
          Error log
          {job && (
            <>
              : <Name>{job.fileName}</Name>
            </>
          )}
        </>
      }
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button
              iconName="download"
              disabled={!job?.links.errorLog}
              disabledReason={job ? "This job has no error log file, or it has expired." : undefined}
              onClick={() => void download(at`jobs/${jobId}/error-log`).catch(showProblem)}
            >
              Download
            </Button>
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
        {job?.error && (
          <Alert type="error" header={job.error.code}>
            {job.error.message}
          </Alert>
        )}
        {summary.length > 0 && <ErrorSummary summary={summary} />}
        <Table
          variant="embedded"
          loading={loading && errors.length === 0}
          loadingText="Reading the error log"
          header={<Header variant="h3">Rows</Header>}
          filter={
            <TextFilter
              filteringText={search}
              filteringPlaceholder="Search in rows, fields, values and reasons"
              filteringAriaLabel="Search errors"
              countText={search ? `${count(found.length)} found${nextToken ? " so far" : ""}` : ""}
              onChange={({ detail }) => searchFor(detail.filteringText)}
            />
          }
          items={found.slice(0, 500)}
          columnDefinitions={[
            { id: "row", header: "Row", cell: (error) => count(error.rowNumber), isRowHeader: true },
            { id: "field", header: "Field", cell: (error) => (error.fieldName ? <Name>{error.fieldName}</Name> : "–") },
            { id: "cell", header: "Value", cell: (error) => (error.cell === null ? "–" : <Name>{error.cell}</Name>) },
            { id: "type", header: "Type", cell: (error) => error.type },
            { id: "message", header: "Reason", cell: (error) => <span className="tight-cell">{error.message}</span> },
          ]}
          empty={
            search
              ? "No error matches the search."
              : job?.error
                ? "No row has an error: the reason stands above."
                : "No errors."
          }
          footer={
            nextToken && (
              <Box textAlign="center">
                <Button loading={loading} onClick={() => void read(nextToken, errors, errors.length + 100)}>
                  Show more
                </Button>
              </Box>
            )
          }
        />
      </SpaceBetween>
    </Modal>
  );
}
