/** The list of imports, newest first, which refreshes by itself. */
import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Link from "@cloudscape-design/components/link";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { at, call } from "../api/client";
import type { Job } from "../api/types";
import { ErrorLog } from "../jobs/ErrorLog";
import { formatCount, formatDuration } from "../common/format";
import { Name } from "../common/Name";
import { JobStatus } from "../jobs/JobStatus";
import { Time, TimeLeft } from "../common/Time";
import { isRunning } from "../jobs/jobList";
import { JobPages, pageOf, Refreshed } from "../jobs/JobPages";
import { putJob } from "../jobs/useJob";
import { useJobs } from "../jobs/useJobs";
import { download } from "../common/download";
import { EntityLink, ScreenLink } from "../common/links";
import { useMe } from "../session/useMe";
import { say, showProblem } from "../common/notices";
import { usePage } from "../common/usePage";
import { useAddress } from "../common/useAddress";

const ImportDialog = lazy(() => import("./ImportDialog"));

export default function ImportedFiles() {
  const me = useMe();
  const [query, set] = useAddress();
  const mine = query.get("show") === "mine";
  const filter = {
    process: "import",
    startedBy: mine ? me.name : undefined,
    entity: query.get("entity") ?? undefined,
  };
  const list = useJobs(filter);
  const [page, setPage] = usePage(filter);

  return (
    <>
      <Table
        variant="full-page"
        stickyHeader
        resizableColumns={false}
        wrapLines
        trackBy="jobId"
        loading={list.loading && list.jobs.length === 0}
        loadingText="Reading the imports"
        items={pageOf(list.jobs, page)}
        columnDefinitions={columns((jobId) => set({ errors: jobId }))}
        ariaLabels={{ tableLabel: "Imported files" }}
        header={
          <Header
            variant="awsui-h1-sticky"
            description={<Refreshed list={list}>Entries disappear three days after they were submitted.</Refreshed>}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="refresh" ariaLabel="Refresh" onClick={() => void list.refresh()} />
                <Button variant="primary" iconName="upload" onClick={() => set({ import: "1" })}>
                  Import from file
                </Button>
              </SpaceBetween>
            }
          >
            Imported files
          </Header>
        }
        filter={
          <SpaceBetween direction="horizontal" size="xs" alignItems="center">
            <SegmentedControl
              label="Whose imports"
              selectedId={mine ? "mine" : "all"}
              onChange={({ detail }) => set({ show: detail.selectedId === "mine" ? "mine" : null })}
              options={[
                { id: "all", text: "All that I may see" },
                { id: "mine", text: "Mine" },
              ]}
            />
            {query.get("entity") && (
              <Button iconName="close" iconAlign="right" onClick={() => set({ entity: null })}>
                App: {query.get("entity")}
              </Button>
            )}
          </SpaceBetween>
        }
        pagination={<JobPages list={list} page={page} onPage={setPage} />}
        empty={
          <Box textAlign="center" padding="l">
            <SpaceBetween size="s">
              <Box variant="strong">Nothing was imported</Box>
              <Box>
                {mine ? "You have" : "Nobody has"} started an import in the last three days that you may see. Import a
                file here, or put one into the drop bucket.
              </Box>
              <Button onClick={() => set({ import: "1" })}>Import from file</Button>
            </SpaceBetween>
          </Box>
        }
      />
      {query.get("import") && (
        <Suspense>
          <ImportDialog
            entityName={query.get("entity")}
            onClose={(started) => {
              set({ import: null });
              if (started) void list.refresh();
            }}
          />
        </Suspense>
      )}
      {query.get("errors") && <ErrorLog jobId={query.get("errors")!} onClose={() => set({ errors: null })} />}
    </>
  );
}

type Columns = TableProps.ColumnDefinition<Job>[];

function columns(showErrors: (jobId: string) => void): Columns {
  return [
    { id: "submitted", header: "Submitted", cell: (job) => <Time at={job.submittedAt} />, minWidth: 120 },
    { id: "completed", header: "Completed", cell: (job) => <Time at={job.completedAt} none="" />, minWidth: 120 },
    { id: "app", header: "App", cell: (job) => <EntityLink name={job.entity} />, minWidth: 110 },
    { id: "file", header: "File", cell: (job) => <FileCell job={job} />, isRowHeader: true, minWidth: 150 },
    { id: "status", header: "Status", cell: (job) => <JobStatus job={job} />, minWidth: 135 },
    { id: "message", header: "Message", cell: (job) => <Message job={job} showErrors={showErrors} />, minWidth: 240 },
    { id: "action", header: "Action", cell: (job) => <Actions job={job} />, minWidth: 150 },
  ];
}

function FileCell({ job }: { job: Job }) {
  const detected = describe(job.detected);
  return (
    <div>
      <Name>{job.fileName}</Name> {job.dryRun && <Badge color="blue">Dry run</Badge>}{" "}
      {job.retryOf && <Badge>Relaunch</Badge>}
      {detected && (
        <div>
          <Box variant="small">{detected}</Box>
        </div>
      )}
    </div>
  );
}

const DELIMITERS: Record<string, string> = { ",": "comma", ";": "semicolon", "\t": "tab", "|": "bar" };

function describe(detected: Job["detected"]): string {
  if (!detected) return "";
  const { encoding, bom, delimiter, headerRow, sheet } = detected;
  return [
    typeof encoding === "string" && encoding + (bom ? " with mark" : ""),
    typeof delimiter === "string" && (DELIMITERS[delimiter] ?? delimiter),
    typeof sheet === "string" && `sheet ${sheet}`,
    typeof headerRow === "number" && `header in row ${headerRow}`,
  ]
    .filter(Boolean)
    .join(", ");
}

function Message({ job, showErrors }: { job: Job; showErrors: (jobId: string) => void }) {
  const { counts } = job;
  if (job.status === "IN_PROGRESS" && counts.total) {
    const facts = [
      job.rowsPerSecond && `${formatCount(Math.round(job.rowsPerSecond))} rows/s`,
      job.remainingSeconds !== null && `${formatDuration(job.remainingSeconds)} left`,
    ];
    return (
      <div className="progress">
        <ProgressBar
          ariaLabel={`Progress of ${job.fileName}`}
          value={(100 * counts.processed) / counts.total}
          description={job.message}
          additionalInfo={facts.filter(Boolean).join(" · ")}
        />
      </div>
    );
  }
  return (
    <div>
      <div>
        {job.message}
        {job.status === "WAITING" && job.queuePosition !== null && ` (number ${job.queuePosition} in the queue)`}
      </div>
      {job.duplicateOf && (
        <div>
          <Box variant="small">
            The same content{" "}
            <ScreenLink fontSize="inherit" to={`/status?q=${job.duplicateOf}`}>
              was imported before
            </ScreenLink>
            .
          </Box>
        </div>
      )}
      {(job.status === "FAILED" || counts.rejected > 0) && (
        <div>
          <Link variant="secondary" onFollow={() => showErrors(job.jobId)} ariaLabel={`All errors: ${job.fileName}`}>
            All errors
          </Link>
        </div>
      )}
      {job.filesExpireAt && (
        <div>
          <Box variant="small">
            Files expire <TimeLeft until={job.filesExpireAt} />
          </Box>
        </div>
      )}
    </div>
  );
}

function Actions({ job }: { job: Job }) {
  const queryClient = useQueryClient();
  const action = useMutation({
    mutationFn: (run: () => Promise<void>) => run(),
    onError: (error, run) => showProblem(error, () => action.mutate(run)),
  });
  const change = async (verb: "cancel" | "stop") => {
    putJob(queryClient, await call<Job>("POST", at`jobs/${job.jobId}/${verb}`));
  };
  const relaunch = async () => {
    await call<Job>("POST", at`jobs/${job.jobId}/relaunch`);
    say("The rows that were not imported run again", <Name>{job.fileName}</Name>);
  };
  const hasRejects = job.links.rejects !== null;
  const button = (text: string, run: () => Promise<void>) => (
    <Button
      key={text}
      variant="inline-link"
      disabled={action.isPending}
      ariaLabel={`${text}: ${job.fileName}`}
      onClick={() => action.mutate(run)}
    >
      {text}
    </Button>
  );
  return (
    <SpaceBetween size="xxs">
      {job.allowedActions.includes("cancel") && button("Cancel", () => change("cancel"))}
      {job.allowedActions.includes("stop") && button("Stop importing", () => change("stop"))}
      {hasRejects && button("Download unimported rows", () => download(at`jobs/${job.jobId}/rejects`))}
      {hasRejects && !job.dryRun && !isRunning(job) && button("Relaunch", relaunch)}
    </SpaceBetween>
  );
}
