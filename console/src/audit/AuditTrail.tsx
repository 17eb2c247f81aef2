/** Who did what, for admins. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import DatePicker from "@cloudscape-design/components/date-picker";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import type { AuditEntry } from "../api/types";
import { useEntities } from "../api/useEntities";
import { StatusText } from "../common/StatusText";
import { SelectField } from "../common/fields";
import { EntityLink, ScreenLink } from "../common/links";
import { Name } from "../common/Name";
import { Pages } from "../common/Pages";
import { Time } from "../common/Time";
import { useAddress } from "../common/useAddress";
import { useColumns, useWidth } from "../common/useColumns";
import { usePage } from "../common/usePage";
import { useSearchText } from "../common/useSearchText";
import { isAdmin, useMe } from "../session/useMe";
import { ACTION_LABELS, actionLabel } from "./actions";
import { PAGE_SIZE, useAudit, type AuditFilter } from "./useAudit";

export default function AuditTrail() {
  const me = useMe();
  if (!isAdmin(me)) return me.subject && <Box variant="h1">Only administrators see the audit trail</Box>;
  return <Entries />;
}

function Entries() {
  const [query, set] = useAddress();
  const filter: AuditFilter = {
    actor: query.get("actor"),
    action: query.get("action"),
    entity: query.get("entity"),
    from: query.get("from"),
    to: query.get("to"),
  };
  const [page, setPage] = usePage(filter);
  const columns = useColumns(COLUMNS, FEWER);
  // One more than the page shows: tells whether there is another page.
  const { entries, hasMore, isError, isFetching, refresh } = useAudit(filter, page * PAGE_SIZE + 1);
  const pageCount = Math.max(1, Math.ceil((entries?.length ?? 0) / PAGE_SIZE));
  const current = entries && !hasMore ? Math.min(page, pageCount) : page;
  const shown = (entries ?? []).slice((current - 1) * PAGE_SIZE, current * PAGE_SIZE);
  return (
    <Table
      variant="full-page"
      stickyHeader
      wrapLines
      loading={entries === null ? !isError : shown.length === 0 && hasMore && !isError}
      loadingText="Reading the audit trail"
      items={shown}
      columnDefinitions={columns}
      ariaLabels={{ tableLabel: "Audit trail" }}
      header={
        <Header
          variant="awsui-h1-sticky"
          description="Every change, start, stop, download and refusal; dropped files and runs of schedules."
          actions={<Button iconName="refresh" ariaLabel="Refresh" loading={isFetching} onClick={refresh} />}
        >
          Audit trail
        </Header>
      }
      filter={<Filters filter={filter} change={set} />}
      pagination={<Pages page={current} count={pageCount} hasMore={hasMore} onPage={setPage} />}
      empty={
        <Box textAlign="center" padding="l">
          {isError
            ? "The audit trail could not be read."
            : Object.values(filter).some(Boolean)
              ? "No entry matches the filters."
              : "There are no entries."}
        </Box>
      }
    />
  );
}

interface FiltersProps {
  filter: AuditFilter;
  change: (changes: Partial<AuditFilter>, options?: { replace?: boolean }) => void;
}

function Filters({ filter, change }: FiltersProps) {
  const [actor, setActor] = useSearchText(filter.actor ?? "", (actor) => change({ actor }, { replace: true }));
  const { data: entities = [] } = useEntities({ announce: "always" });
  const names = entities.map(({ name }) => name);
  if (filter.entity && !names.includes(filter.entity)) names.push(filter.entity); // one that is deleted
  const isPhone = useWidth() === "phone";
  const count = Object.values(filter).filter(Boolean).length;
  const filters = (
    <ColumnLayout columns={isPhone ? 1 : 5}>
      <FormField label="Who">
        <Input type="search" value={actor} placeholder="Whole name" onChange={({ detail }) => setActor(detail.value)} />
      </FormField>
      <SelectField
        label="Action"
        value={filter.action ?? ""}
        options={[["", "All"], ...Object.entries(ACTION_LABELS)]}
        onChange={(action) => change({ action })}
      />
      <SelectField
        label="Entity"
        value={filter.entity ?? ""}
        options={[["", "All"], ...names.map((name) => [name, name] as const)]}
        onChange={(entity) => change({ entity })}
      />
      <Day label="From" value={filter.from} onChange={(from) => change({ from })} />
      <Day label="To" value={filter.to} onChange={(to) => change({ to })} />
    </ColumnLayout>
  );
  if (!isPhone) return filters;
  return (
    <ExpandableSection headerText="Find" headerCounter={count ? `(${count})` : undefined}>
      {filters}
    </ExpandableSection>
  );
}

interface DayProps {
  label: string;
  value: string | null;
  onChange: (day: string) => void;
}

function Day({ label, value, onChange }: DayProps) {
  return (
    <FormField label={label}>
      <DatePicker
        value={value ?? ""}
        placeholder="YYYY/MM/DD"
        openCalendarAriaLabel={(chosen) => `Choose a day${chosen ? `, chosen is ${chosen}` : ""}`}
        nextMonthAriaLabel="Next month"
        previousMonthAriaLabel="Previous month"
        todayAriaLabel="Today"
        onChange={({ detail }) => onChange(detail.value)}
      />
    </FormField>
  );
}

const OUTCOMES = {
  done: <StatusText type="success">Done</StatusText>,
  refused: <StatusText type="stopped">Refused</StatusText>,
  failed: <StatusText type="error">Failed</StatusText>,
} as const;

const FEWER = {
  phone: ["whole"],
  narrow: ["time", "actor", "what", "outcome"],
  wide: ["time", "actor", "action", "outcome", "entity", "about", "address"],
};
/** All columns; `whole` and `what` are several in one, for windows that have no room for each. */
const COLUMNS: TableProps.ColumnDefinition<AuditEntry>[] = [
  {
    id: "whole",
    header: "Entry",
    isRowHeader: true,
    cell: (entry) => (
      <>
        <Time at={entry.time} />
        <div>
          <Name>{entry.actor}</Name>
        </div>
        <What entry={entry} />
        {OUTCOMES[entry.outcome]}
      </>
    ),
  },
  { id: "what", header: "Action", isRowHeader: true, minWidth: 200, cell: (entry) => <What entry={entry} /> },
  { id: "time", header: "Time", minWidth: 170, cell: ({ time }) => <Time at={time} /> },
  { id: "actor", header: "Who", minWidth: 120, cell: ({ actor }) => <Name>{actor}</Name> },
  { id: "action", header: "Action", minWidth: 150, cell: ({ action }) => actionLabel(action), isRowHeader: true },
  { id: "outcome", header: "Outcome", minWidth: 130, cell: ({ outcome }) => OUTCOMES[outcome] },
  {
    id: "entity",
    header: "Entity",
    minWidth: 120,
    cell: ({ entity }) => (entity === null ? "–" : <EntityLink name={entity} />),
  },
  { id: "about", header: "Job, export, upload", minWidth: 300, cell: (entry) => <About entry={entry} /> },
  { id: "address", header: "Address", minWidth: 130, cell: ({ address }) => address ?? "–" },
];

function What({ entry }: { entry: AuditEntry }) {
  const hasId = entry.jobId ?? entry.exportId ?? entry.uploadId;
  return (
    <>
      {actionLabel(entry.action)} {entry.entity !== null && <EntityLink name={entry.entity} />}
      {hasId && (
        <Box variant="small" display="block">
          <About entry={entry} />
        </Box>
      )}
    </>
  );
}

/** Ids: what they name may be gone since. */
function About({ entry: { jobId, parentJobId, exportId, uploadId } }: { entry: AuditEntry }) {
  if (!(jobId ?? exportId ?? uploadId)) return "–";
  return (
    <>
      {jobId && (
        <div>
          Job <ScreenLink to={`/status?q=${jobId}`}>{jobId}</ScreenLink>
        </div>
      )}
      {parentJobId && (
        <div>
          of job <ScreenLink to={`/status?q=${parentJobId}`}>{parentJobId}</ScreenLink>
        </div>
      )}
      {exportId && <div>Export {exportId}</div>}
      {uploadId && <div>Upload {uploadId}</div>}
    </>
  );
}
