/** Exports and imports in one list, with actions on the selected ones. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";
import { useState } from "react";
import { at } from "../api/client";
import type { Job } from "../api/types";
import { Actions } from "../common/Actions";
import { downloadAll } from "../common/download";
import { formatCount, formatDuration } from "../common/format";
import { Name } from "../common/Name";
import { JobStatus, STATUS_LABELS } from "../jobs/JobStatus";
import { Time, TimeLeft } from "../common/Time";
import { EntityLink, ScreenLink } from "../common/links";
import { useColumns } from "../common/useColumns";
import { useAddress } from "../common/useAddress";
import { usePage } from "../common/usePage";
import { useSearchText } from "../common/useSearchText";
import { ErrorLog } from "../jobs/ErrorLog";
import { isRunning } from "../jobs/jobList";
import { JobPages, pageOf, Refreshed } from "../jobs/JobPages";
import { useJobs } from "../jobs/useJobs";
import { useMe } from "../session/useMe";
import { DeleteJobsDialog } from "./DeleteJobsDialog";

const PROCESSES = [
  { value: "", label: "Exports and imports" },
  { value: "import", label: "Imports" },
  { value: "export", label: "Exports" },
];
const STATUSES = [
  { value: "", label: "Any status" },
  ...Object.entries(STATUS_LABELS).map(([value, label]) => ({ value, label })),
];
const DELETED_AT_ONCE = 100;

export default function Status() {
  const { retention } = useMe();
  const [query, set] = useAddress();
  const [search, setSearch] = useSearchText(query.get("q") ?? "", (text) => set({ q: text }));
  const [selected, setSelected] = useState<string[]>([]);
  const [deleting, setDeleting] = useState(false);
  const filter = {
    process: query.get("process") ?? undefined,
    status: query.get("status") ?? undefined,
    q: query.get("q") ?? undefined,
  };
  const columns = useColumns(COLUMNS, FEWER);
  const list = useJobs(filter);
  const [page, setPage] = usePage(filter);
  const isFiltered = Object.values(filter).some(Boolean);

  const jobs = list.jobs.filter(({ jobId }) => selected.includes(jobId));
  const only = jobs.length === 1 ? jobs[0]! : null;
  const hasErrors = only !== null && (only.status === "FAILED" || only.links.errorLog !== null);

  return (
    <>
      <Table
        variant="full-page"
        stickyHeader
        wrapLines
        selectionType="multi"
        trackBy="jobId"
        selectedItems={jobs}
        onSelectionChange={({ detail }) => setSelected(detail.selectedItems.map(({ jobId }) => jobId))}
        loading={list.loading && list.jobs.length === 0}
        loadingText="Reading the entries"
        items={pageOf(list.jobs, page)}
        columnDefinitions={columns}
        ariaLabels={{
          tableLabel: "Status of exports and imports",
          selectionGroupLabel: "Entries",
          allItemsSelectionLabel: () => "Select all entries of this page",
          itemSelectionLabel: (_, job) => `Select ${job.fileName}`,
        }}
        header={
          <Header
            variant="awsui-h1-sticky"
            counter={jobs.length ? `(${jobs.length} selected)` : undefined}
            description={
              <Refreshed list={list}>
                {retention && `Files expire and are deleted after ${formatDuration(retention.filesSeconds)}.`}
              </Refreshed>
            }
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Actions
                  actions={[
                    {
                      text: "Download",
                      iconName: "download",
                      disabled: !jobs.length || jobs.some(({ links }) => !links.download),
                      disabledReason: jobs.length ? "A chosen entry has no file to download." : "Choose an entry.",
                      onClick: () => void downloadAll(jobs.map(({ jobId }) => at`jobs/${jobId}/download`)),
                    },
                    {
                      text: "Error log",
                      disabled: !hasErrors,
                      disabledReason: only ? "This entry has no errors." : "Choose one entry.",
                      onClick: () => set({ errors: only!.jobId }),
                    },
                    {
                      text: "Delete",
                      disabled: !jobs.length || jobs.some(isRunning) || jobs.length > DELETED_AT_ONCE,
                      disabledReason: jobs.some(isRunning)
                        ? "Entries that wait or run cannot be deleted."
                        : jobs.length
                          ? `At most ${DELETED_AT_ONCE} entries can be deleted at once.`
                          : "Choose entries.",
                      onClick: () => setDeleting(true),
                    },
                  ]}
                />
                <Button iconName="refresh" ariaLabel="Refresh" onClick={() => void list.refresh()} />
              </SpaceBetween>
            }
          >
            Status
          </Header>
        }
        filter={
          <SpaceBetween direction="horizontal" size="xs">
            <TextFilter
              filteringText={search}
              filteringPlaceholder="File, entity, person or id"
              filteringAriaLabel="Search entries"
              onChange={({ detail }) => setSearch(detail.filteringText)}
            />
            <Select
              ariaLabel="Process"
              options={PROCESSES}
              selectedOption={PROCESSES.find(({ value }) => value === (filter.process ?? ""))!}
              onChange={({ detail }) => set({ process: detail.selectedOption.value })}
            />
            <Select
              ariaLabel="Status"
              options={STATUSES}
              selectedOption={STATUSES.find(({ value }) => value === (filter.status ?? "")) ?? STATUSES[0]!}
              onChange={({ detail }) => set({ status: detail.selectedOption.value })}
            />
          </SpaceBetween>
        }
        pagination={<JobPages list={list} page={page} onPage={setPage} />}
        empty={
          <Box textAlign="center" padding="l">
            <SpaceBetween size="s">
              <Box variant="strong">{isFiltered ? "No entry matches" : "Nothing is here"}</Box>
              {isFiltered ? (
                <Button
                  onClick={() => {
                    setSearch("");
                    set({ q: null, process: null, status: null });
                  }}
                >
                  Clear the filters
                </Button>
              ) : (
                <Box>
                  This page is empty because no export or import that you may see was started, or because all of them
                  have expired
                  {retention &&
                    `: imports stay for ${formatDuration(retention.importSeconds)}, exports for ${formatDuration(retention.exportSeconds)}`}
                  . <ScreenLink to="/imports?import=1">Import a file</ScreenLink> or{" "}
                  <ScreenLink to="/exports/new">create an export</ScreenLink>.
                </Box>
              )}
            </SpaceBetween>
          </Box>
        }
      />
      {deleting && (
        <DeleteJobsDialog
          jobs={jobs}
          onClose={() => setDeleting(false)}
          onDeleted={() => {
            setSelected([]);
            void list.refresh();
          }}
        />
      )}
      {query.get("errors") && <ErrorLog jobId={query.get("errors")!} onClose={() => set({ errors: null })} />}
    </>
  );
}

const FEWER = {
  wide: ["process", "file", "entity", "status", "start", "end", "by", "items", "expires"],
  phone: ["whole"],
  narrow: ["file", "entity", "status", "start", "items"],
};
const COLUMNS: TableProps.ColumnDefinition<Job>[] = [
  {
    id: "whole",
    header: "File Name",
    isRowHeader: true,
    cell: (job) => (
      <>
        <Name>{job.fileName}</Name>
        <div>
          {job.process === "import" ? "Import into " : "Export of "}
          <EntityLink name={job.entity} />
        </div>
        <JobStatus job={job} />
        <div>
          {job.startedAt ? "Started" : "Submitted"} <Time at={job.startedAt ?? job.submittedAt} />
        </div>
      </>
    ),
  },
  { id: "process", header: "Process", cell: (job) => (job.process === "import" ? "Import" : "Export") },
  { id: "file", header: "File Name", cell: (job) => <Name>{job.fileName}</Name>, isRowHeader: true, minWidth: 160 },
  { id: "entity", header: "Entity", cell: (job) => <EntityLink name={job.entity} />, minWidth: 120 },
  { id: "status", header: "Status", cell: (job) => <JobStatus job={job} />, minWidth: 135 },
  { id: "start", header: "Start Date", cell: (job) => <Time at={job.startedAt} none="Not started" />, minWidth: 120 },
  { id: "end", header: "End Date", cell: (job) => <Time at={job.completedAt} />, minWidth: 120 },
  { id: "by", header: "Started By", cell: (job) => <Name>{job.startedBy}</Name>, minWidth: 100 },
  { id: "items", header: "Number of Items", cell: (job) => formatCount(job.numberOfItems), minWidth: 90 },
  { id: "expires", header: "Files expire", cell: (job) => <TimeLeft until={job.filesExpireAt} />, minWidth: 110 },
];
