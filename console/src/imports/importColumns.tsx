/** The columns of the list of imports. */
import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Link from "@cloudscape-design/components/link";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import type { TableProps } from "@cloudscape-design/components/table";
import type { Job } from "../api/types";
import { StatusText } from "../common/StatusText";
import { formatCount, formatDuration } from "../common/format";
import { EntityLink, ScreenLink } from "../common/links";
import { Name } from "../common/Name";
import { Time, TimeLeft } from "../common/Time";
import { JobStatus } from "../jobs/JobStatus";
import { ImportActions } from "./ImportActions";

/** What can be done comes before what is only told. */
export const FEWER_COLUMNS = {
  phone: ["whole"],
  narrow: ["fileInto", "status", "action", "message"],
  wide: ["submitted", "completed", "entity", "file", "status", "message", "action"],
};

type Columns = TableProps.ColumnDefinition<Job>[];

/** All columns; `whole` and `fileInto` are several in one, for windows that have no room for each. */
export function importColumns(showErrors: (jobId: string) => void): Columns {
  return [
    {
      id: "whole",
      header: "File",
      isRowHeader: true,
      minWidth: 150,
      cell: (job) => (
        <>
          <FileCell job={job} />
          <EntityLink name={job.entity} />
          <div>
            <JobStatus job={job} />
          </div>
          <ImportActions job={job} direction="horizontal" />
          <Message job={job} showErrors={showErrors} />
        </>
      ),
    },
    {
      id: "fileInto",
      header: "File",
      isRowHeader: true,
      minWidth: 150,
      cell: (job) => (
        <>
          <FileCell job={job} />
          <EntityLink name={job.entity} />
        </>
      ),
    },
    { id: "submitted", header: "Submitted", cell: (job) => <Time at={job.submittedAt} />, minWidth: 120 },
    { id: "completed", header: "Completed", cell: (job) => <Time at={job.completedAt} none="" />, minWidth: 120 },
    { id: "entity", header: "Entity", cell: (job) => <EntityLink name={job.entity} />, minWidth: 110 },
    { id: "file", header: "File", cell: (job) => <FileCell job={job} />, isRowHeader: true, minWidth: 150 },
    { id: "status", header: "Status", cell: (job) => <JobStatus job={job} />, minWidth: 135 },
    { id: "message", header: "Message", cell: (job) => <Message job={job} showErrors={showErrors} />, minWidth: 240 },
    { id: "action", header: "Action", cell: (job) => <ImportActions job={job} />, minWidth: 150 },
  ];
}

function FileCell({ job }: { job: Job }) {
  const detected = describe(job.detected);
  return (
    <div>
      <Name>{job.fileName}</Name> {job.dryRun && <Badge color="blue">Dry run</Badge>}{" "}
      {job.retryOf && <Badge>Relaunch</Badge>}
      {job.undoOf && <Badge>Undo</Badge>}
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
      {job.warnings
        .filter(({ code }) => code !== "duplicate-content")
        .map(({ code, message }) => (
          <StatusText key={code} type="warning" wrapText>
            {message}
          </StatusText>
        ))}
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
