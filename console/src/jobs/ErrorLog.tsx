/** A dialog with every error of a job: summary, search, pages, download. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { at, call } from "../api/client";
import type { ErrorPage, JobError } from "../api/types";
import { DownloadButton } from "../common/DownloadButton";
import { ErrorCode } from "../common/ErrorCode";
import { errorInWords, JOB_ERRORS } from "../common/errorCodes";
import { formatCount } from "../common/format";
import { Name } from "../common/Name";
import { ProblemAlert } from "../common/ProblemAlert";
import { useColumns } from "../common/useColumns";
import { ErrorSummary } from "./ErrorSummary";
import { useJob } from "./useJob";

const SEARCHED = 2_000; // a search reads at most this many errors; the download has all of them

const FEWER = {
  phone: ["row", "whole"],
  narrow: ["row", "field", "cell", "message"],
  wide: ["row", "field", "cell", "type", "message"],
};
const COLUMNS: TableProps.ColumnDefinition<JobError>[] = [
  { id: "row", header: "Row", cell: (error) => formatCount(error.rowNumber), isRowHeader: true },
  { id: "field", header: "Field", cell: (error) => (error.fieldName ? <Name>{error.fieldName}</Name> : "–") },
  { id: "cell", header: "Value", cell: (error) => (error.cell === null ? "–" : <Name>{error.cell}</Name>) },
  { id: "type", header: "Kind", cell: (error) => <ErrorCode code={error.type} /> },
  { id: "message", header: "Reason", cell: (error) => <span className="tight-cell">{error.message}</span> },
  {
    id: "whole",
    header: "Error",
    cell: ({ fieldName, cell, message }) => (
      <>
        {fieldName && (
          <b>
            <Name>{fieldName}</Name>
          </b>
        )}{" "}
        {cell !== null && <Name>{cell}</Name>}
        <div className="tight-cell">{message}</div>
      </>
    ),
  },
];

export function ErrorLog({ jobId, onClose }: { jobId: string; onClose: () => void }) {
  const columns = useColumns(COLUMNS, FEWER);
  const read = useJob(jobId);
  const job = read.data?.value;
  const [search, setSearch] = useState("");
  const log = useInfiniteQuery({
    queryKey: ["jobs", "errors", jobId],
    queryFn: ({ pageParam, signal }) =>
      call<ErrorPage>("GET", at`jobs/${jobId}/errors`, { query: { limit: 100, nextToken: pageParam }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextToken,
    gcTime: 0,
  });
  const errors = log.data?.pages.flatMap(({ items }) => items) ?? [];
  const summary = log.data?.pages.at(-1)?.summary ?? [];
  const { hasNextPage, isFetching, isError, fetchNextPage } = log;
  const isSearching = search !== "" && hasNextPage && !isError && errors.length < SEARCHED;
  useEffect(() => {
    if (isSearching && !isFetching) void fetchNextPage();
  }, [isSearching, isFetching, fetchNextPage]);

  const error = log.error ?? read.error;
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
            <DownloadButton
              paths={[at`jobs/${jobId}/error-log`]}
              disabled={!job?.links.errorLog}
              disabledReason={job ? "This job has no error log file, or it has expired." : undefined}
            />
            <Button variant="primary" onClick={onClose}>
              Close
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="l">
        {error && <ProblemAlert error={error} />}
        {job?.error && (
          <Alert type="error" header={errorInWords(job.error.code, JOB_ERRORS)}>
            {job.error.message} ({job.error.code})
          </Alert>
        )}
        {summary.length > 0 && <ErrorSummary summary={summary} />}
        <Table
          variant="embedded"
          loading={isFetching && errors.length === 0}
          loadingText="Reading the error log"
          header={<Header variant="h3">Rows</Header>}
          filter={
            <TextFilter
              filteringText={search}
              filteringPlaceholder="Search in rows, fields, values and reasons"
              filteringAriaLabel="Search errors"
              countText={search ? `${formatCount(found.length)} found${hasNextPage ? " so far" : ""}` : ""}
              onChange={({ detail }) => setSearch(detail.filteringText)}
            />
          }
          items={found.slice(0, 500)}
          wrapLines
          columnDefinitions={columns}
          empty={
            search
              ? "No error matches the search."
              : job?.error
                ? "No row has an error: the reason is given above."
                : "No errors."
          }
          footer={
            hasNextPage && (
              <Box textAlign="center">
                <Button loading={isFetching} onClick={() => void fetchNextPage()}>
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
