/** What runs, what failed, what is due, what is left, and the last days as charts. */
import Badge from "@cloudscape-design/components/badge";
import BarChart from "@cloudscape-design/components/bar-chart";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import KeyValuePairs from "@cloudscape-design/components/key-value-pairs";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";
import type { Job } from "../api/types";
import { useEntities } from "../api/useEntities";
import { counted, formatCount, formatDuration } from "../common/format";
import { EntityLink, ScreenButton, ScreenLink } from "../common/links";
import { Name } from "../common/Name";
import { ProblemAlert } from "../common/ProblemAlert";
import { Time, TimeLeft, ZONE } from "../common/Time";
import { useWidth } from "../common/useColumns";
import { FirstSteps } from "../entities/FirstSteps";
import { countInWords } from "../entities/recordWords";
import { isRunning } from "../jobs/jobList";
import { JobStatus } from "../jobs/JobStatus";
import { useJobs } from "../jobs/useJobs";
import { useMe } from "../session/useMe";
import { byDay, failedSinceYesterday, keptFiles, merged, type Day } from "./recent";
import { useDue, useLimits, useRecentJobs, useStored, type Due } from "./useStart";

const MOST_SHOWN = 8;
const DAY_SECONDS = 86_400;
const MOST_DAYS = 7;

const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric", month: "short" });

export default function Start() {
  const [now] = useState(() => new Date());
  const { retention } = useMe();
  const entities = useEntities();
  const newest = useJobs({});
  const recent = useRecentJobs();
  const jobs = merged(newest.jobs, recent.data?.jobs ?? []);
  const days = Math.min(MOST_DAYS, Math.ceil((retention?.importSeconds ?? 3 * DAY_SECONDS) / DAY_SECONDS));
  return (
    <SpaceBetween size="m">
      <Header
        variant="h1"
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <ScreenButton to="/status">Status</ScreenButton>
            <ScreenButton to="/imports?import=1">Import from file</ScreenButton>
          </SpaceBetween>
        }
      >
        Start
      </Header>
      {entities.data?.length === 0 && <FirstSteps />}
      {recent.error && <ProblemAlert error={recent.error} />}
      <ColumnLayout columns={2}>
        <JobTable
          title="Running now"
          jobs={jobs.filter(isRunning)}
          isLoading={newest.loading && newest.jobs.length === 0}
          empty="Nothing waits or runs."
          all="/status?status=IN_PROGRESS"
        />
        <JobTable
          title="Failed since yesterday"
          jobs={failedSinceYesterday(jobs, now)}
          isLoading={recent.isPending}
          empty="Nothing failed, and no row was rejected."
          all="/status?status=FAILED"
        />
        <DueTable />
        <Quota jobs={jobs} now={now} isAll={recent.data?.isAll ?? false} />
      </ColumnLayout>
      <Charts
        days={byDay(jobs, now, days)}
        isLoading={recent.isPending}
        note={
          `Days in ${ZONE}, without dry runs. ` +
          (retention
            ? `Jobs are kept for a while: imports ${formatDuration(retention.importSeconds)}, exports ${formatDuration(retention.exportSeconds)}. `
            : "") +
          (recent.data && !recent.data.isAll ? `Of the newest ${formatCount(recent.data.jobs.length)} jobs.` : "")
        }
      />
    </SpaceBetween>
  );
}

interface JobTableProps {
  title: string;
  jobs: Job[];
  isLoading: boolean;
  empty: string;
  /** The screen with all of them. */
  all: string;
}

function JobTable({ title, jobs, isLoading, empty, all }: JobTableProps) {
  return (
    <Table
      wrapLines
      trackBy="jobId"
      loading={isLoading}
      loadingText="Reading the jobs"
      items={jobs.slice(0, MOST_SHOWN)}
      ariaLabels={{ tableLabel: title }}
      header={
        <Header
          variant="h2"
          counter={`(${formatCount(jobs.length)})`}
          actions={<ScreenButton to={all}>All</ScreenButton>}
        >
          {title}
        </Header>
      }
      columnDefinitions={[
        {
          id: "file",
          header: "File",
          isRowHeader: true,
          minWidth: 130,
          cell: (job) => (
            <>
              <ScreenLink to={jobPath(job)}>
                <Name>{job.fileName}</Name>
              </ScreenLink>{" "}
              {job.process === "export" && <Badge>Export</Badge>}
              <div>
                <EntityLink name={job.entity} />
              </div>
            </>
          ),
        },
        {
          id: "status",
          header: "Status",
          minWidth: 130,
          cell: (job) => (
            <>
              <JobStatus job={job} />
              <Box variant="small" display="block">
                {job.message}
              </Box>
            </>
          ),
        },
      ]}
      empty={<Box textAlign="center">{empty}</Box>}
    />
  );
}

function jobPath({ jobId, process, status, counts }: Job): string {
  if (status === "FAILED" || counts.rejected > 0) return `/status?q=${jobId}&errors=${jobId}`;
  return process === "import" ? "/imports" : `/status?q=${jobId}`;
}

function DueTable() {
  const { data, error, isPending } = useDue();
  const isPhone = useWidth() === "phone";
  return (
    <Table
      wrapLines
      trackBy="path"
      loading={isPending}
      loadingText="Reading the schedules"
      items={data?.due.slice(0, MOST_SHOWN) ?? []}
      ariaLabels={{ tableLabel: "Due next" }}
      visibleColumns={isPhone ? ["name", "at"] : undefined}
      header={
        <Header
          variant="h2"
          counter={data && `(${formatCount(data.due.length)}${data.isAll ? "" : "+"})`}
          description={data && !data.isAll ? "Not all schedules were read: the first of each list." : undefined}
        >
          Due next
        </Header>
      }
      columnDefinitions={[
        {
          id: "name",
          header: "Name",
          isRowHeader: true,
          minWidth: 130,
          cell: ({ name, path, kind }: Due) => (
            <>
              <ScreenLink to={path}>
                <Name>{name}</Name>
              </ScreenLink>{" "}
              <Badge>{kind}</Badge>
            </>
          ),
        },
        { id: "entity", header: "Entity", minWidth: 110, cell: ({ entity }: Due) => <EntityLink name={entity} /> },
        { id: "at", header: "Next run", minWidth: 110, cell: ({ at }: Due) => <Time at={at} /> },
      ]}
      empty={<Box textAlign="center">{error ? "The schedules could not be read." : "Nothing is scheduled."}</Box>}
    />
  );
}

function Quota({ jobs, now, isAll }: { jobs: Job[]; now: Date; isAll: boolean }) {
  const { data } = useLimits();
  const [isCounting, setIsCounting] = useState(false);
  const { data: stored } = useStored(isCounting);
  const files = keptFiles(jobs, now);
  const left = (limit: { left: number; limit: number } | undefined) =>
    limit ? `${formatCount(limit.left)} of ${formatCount(limit.limit)}` : "–";
  return (
    <Container header={<Header variant="h2">Storage and quota</Header>}>
      <KeyValuePairs
        columns={2}
        items={[
          {
            label: "Records stored",
            value: stored ? (
              <>
                {countInWords(stored.records)} in {stored.isAll ? "" : "the first "}
                {counted(stored.entities, "entity", "entities")}
              </>
            ) : isCounting ? (
              "Counting"
            ) : (
              <Button variant="inline-link" onClick={() => setIsCounting(true)}>
                Count the records
              </Button>
            ),
          },
          {
            label: "Files of jobs kept",
            value: (
              <>
                {formatCount(files.count)}
                {isAll ? "" : " or more"}
                {files.firstExpiry && (
                  <>
                    , the first expires <TimeLeft until={files.firstExpiry} />
                  </>
                )}
              </>
            ),
          },
          { label: "Unfinished jobs left", value: left(data?.unfinishedJobs) },
          { label: "Previews and connection tests left in this minute", value: left(data?.previewsPerMinute) },
        ]}
      />
    </Container>
  );
}

function Charts({ days, isLoading, note }: { days: Day[]; isLoading: boolean; note: string }) {
  const labels = days.map(({ start }) => weekday.format(start));
  const series = (title: string, color: string | undefined, value: (day: Day) => number) => ({
    type: "bar" as const,
    title,
    ...(color ? { color } : {}),
    valueFormatter: (count: number) => formatCount(count),
    data: days.map((day, index) => ({ x: labels[index]!, y: value(day) })),
  });
  const shared = {
    height: 220,
    stackedBars: true,
    hideFilter: true,
    xDomain: labels,
    xScaleType: "categorical" as const,
    xTitle: "Day",
    statusType: isLoading ? ("loading" as const) : ("finished" as const),
    i18nStrings: { yTickFormatter: (count: number) => (Number.isInteger(count) ? formatCount(count) : "") },
  };
  const largest = (value: (day: Day) => number) => Math.max(1, ...days.map(value));
  return (
    <ColumnLayout columns={2}>
      <Container
        header={
          <Header variant="h2" description={note}>
            Rows by day
          </Header>
        }
      >
        <BarChart
          {...shared}
          ariaLabel="Rows by day"
          yTitle="Rows"
          yDomain={[0, largest((day) => day.imported + day.exported + day.rejected)]}
          series={[
            series("Imported", undefined, (day) => day.imported),
            series("Exported", undefined, (day) => day.exported),
            series("Rejected", WARNING, (day) => day.rejected),
          ]}
        />
      </Container>
      <Container
        header={
          <Header variant="h2" description={note}>
            Jobs by day
          </Header>
        }
      >
        <BarChart
          {...shared}
          ariaLabel="Jobs by day"
          yTitle="Jobs"
          yDomain={[0, largest((day) => day.completed + day.partial + day.failed)]}
          series={[
            series("Completed", undefined, (day) => day.completed),
            series("With rejected rows", WARNING, (day) => day.partial),
            series("Failed", ERROR, (day) => day.failed),
          ]}
        />
      </Container>
    </ColumnLayout>
  );
}

const WARNING = "var(--chart-warning)";
const ERROR = "var(--chart-error)";
