/** One source: its state, and the files that it has seen. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import { useParams } from "react-router";
import type { Source, SourceFile } from "../api/types";
import { errorWithCode, JOB_ERRORS } from "../common/errorCodes";
import { formatBytes, formatCount } from "../common/format";
import { EntityLink, ScreenButton, ScreenLink } from "../common/links";
import { Name } from "../common/Name";
import { ProblemAlert } from "../common/ProblemAlert";
import { Time } from "../common/Time";
import { useColumns } from "../common/useColumns";
import { describeDestination } from "../exports/destinations";
import { describeSchedule } from "../exports/schedule";
import { JobStatus } from "../jobs/JobStatus";
import { SourceState } from "./SourceState";
import { useSource, useSourceFiles } from "./useSources";
import { ENCRYPTION_LABELS } from "../exports/destinations/encryption";

const FATES: Record<NonNullable<SourceFile["after"]>, string> = {
  moved: "Moved",
  deleted: "Deleted",
  gone: "Was not there any more",
  changed: "Another file has its name",
  left: "Left: the definition has changed",
};

export default function SourceView() {
  const { sourceId } = useParams();
  const source = useSource(sourceId!);
  const files = useSourceFiles(sourceId!);
  if (source.error && !source.data) return <ProblemAlert error={source.error} />;
  if (!source.data) return <Spinner size="large" />;
  return (
    <SpaceBetween size="m">
      <Header variant="h1" actions={<ScreenButton to="/sources">All sources</ScreenButton>}>
        <Name>{source.data.name}</Name>
      </Header>
      <Troubles of={source.data} />
      <Definition of={source.data} />
      {files.error && !files.data ? (
        <ProblemAlert error={files.error} />
      ) : (
        <Files files={files.data?.items ?? []} hasMore={Boolean(files.data?.nextToken)} isLoading={files.isPending} />
      )}
    </SpaceBetween>
  );
}

function Troubles({ of: { message, pausedAt, unreachable, lastRun } }: { of: Source }) {
  if (!message && !unreachable && !lastRun?.message) return null;
  return (
    <SpaceBetween size="s">
      {message && (
        <Alert type="error" header="The source has paused itself">
          <Name>{message}</Name> Since <Time at={pausedAt} />.
        </Alert>
      )}
      {unreachable && (
        <Alert type="warning" header="The location, or a file in it, cannot be read">
          <Name>{unreachable.message}</Name> Since <Time at={unreachable.since} />. Each run tries again.
        </Alert>
      )}
      {lastRun?.message && !unreachable && !message && (
        <Alert type="info" header="The last run">
          <Name>{lastRun.message}</Name>
        </Alert>
      )}
    </SpaceBetween>
  );
}

function Definition({ of }: { of: Source }) {
  const after = { leave: "Left there", delete: "Deleted", move: `Moved to ${of.moveTo ?? ""}` }[of.after];
  const { lastRun } = of;
  return (
    <Container>
      <KeyValuePairs
        columns={3}
        items={[
          { label: "State", value: <SourceState of={of} /> },
          { label: "Entity", value: <EntityLink name={of.entity} /> },
          { label: "Owner", value: of.owner ? <Name>{of.owner}</Name> : "–" },
          { label: "Location", value: <Name>{describeDestination(of.location)}</Name> },
          ...(of.location.decryption
            ? [
                {
                  label: "Decryption",
                  value: (
                    <Name>{`${ENCRYPTION_LABELS[of.location.decryption.kind]}, secret ${of.location.decryption.secretId}`}</Name>
                  ),
                },
              ]
            : []),
          { label: "Files", value: <Name>{`${of.pattern}, by ${of.order === "name" ? "name" : "time"}`}</Name> },
          { label: "Once imported", value: <Name>{after}</Name> },
          { label: "Schedule", value: describeSchedule(of.schedule, "PERIODIC_FULL") },
          { label: "Next run", value: of.isRunning ? "Running now" : <Time at={of.nextRunAt} /> },
          {
            label: "Last run",
            value: lastRun ? (
              <>
                {lastRun.taken} taken, {lastRun.waiting} waiting, {lastRun.passedOver} passed over;{" "}
                <Time at={lastRun.endedAt} />
              </>
            ) : (
              "–"
            ),
          },
        ]}
      />
    </Container>
  );
}

const FEWER = { phone: ["name", "job"], narrow: ["name", "seen", "job", "imported", "after"] };
const COLUMNS: TableProps.ColumnDefinition<SourceFile>[] = [
  { id: "name", header: "File", isRowHeader: true, minWidth: 140, cell: (file) => <Name>{file.name}</Name> },
  { id: "size", header: "Size", cell: (file) => formatBytes(file.sizeBytes) },
  { id: "modified", header: "Modified", minWidth: 110, cell: (file) => <Time at={file.modified} /> },
  { id: "seen", header: "Seen", minWidth: 110, cell: (file) => <Time at={file.seenAt} /> },
  { id: "job", header: "Import", minWidth: 130, cell: (file) => <Import of={file} /> },
  { id: "imported", header: "Rows imported", cell: (file) => formatCount(file.imported) },
  { id: "after", header: "Then", minWidth: 90, cell: (file) => <Fate of={file} /> },
];

function Files({ files, hasMore, isLoading }: { files: SourceFile[]; hasMore: boolean; isLoading: boolean }) {
  const columns = useColumns(COLUMNS, FEWER);
  return (
    <Table
      variant="container"
      wrapLines
      loading={isLoading}
      loadingText="Reading the files"
      items={files}
      ariaLabels={{ tableLabel: "Files that were seen" }}
      columnDefinitions={columns}
      header={
        <Header variant="h2" counter={`(${files.length}${hasMore ? "+" : ""})`}>
          Files that were seen
        </Header>
      }
      empty={
        <Box textAlign="center" padding="l">
          No file yet.
        </Box>
      }
    />
  );
}

function Import({ of: { jobId, status, outcome, errorCode } }: { of: SourceFile }) {
  if (!status) return "Waiting or in progress";
  const shown = <JobStatus job={{ status, outcome }} />;
  if (outcome === "SUCCESS") return shown;
  return (
    <>
      {shown} {jobId && <ScreenLink to={`/imports?errors=${jobId}`}>Errors</ScreenLink>}
      {errorCode && <div>{errorWithCode(errorCode, JOB_ERRORS)}</div>}
    </>
  );
}

function Fate({ of: { after, movedTo } }: { of: SourceFile }) {
  if (!after) return "–";
  return (
    <>
      {FATES[after]}
      {movedTo && (
        <div>
          <Name>{movedTo}</Name>
        </div>
      )}
    </>
  );
}
