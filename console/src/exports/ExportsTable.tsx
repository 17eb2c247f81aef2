/** The exports of one status. */
import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Header from "@cloudscape-design/components/header";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import type { ReactNode } from "react";
import type { Export, ExportStatus, LastRun } from "../api/types";
import { Name } from "../common/Name";
import { StatusText } from "../common/StatusText";
import { JobStatus } from "../jobs/JobStatus";
import { Pages } from "../common/Pages";
import { Time } from "../common/Time";
import { useColumns } from "../common/useColumns";
import { EntityLink } from "../common/links";
import { describeDestination } from "./destinations";
import { TYPE_LABELS } from "./labels";
import { PAGE_SIZE, type Exports } from "./useExports";

interface Props {
  status: ExportStatus;
  label: string;
  list: Exports;
  page: number;
  selectedId: string | null;
  isFiltered: boolean;
  actions: ReactNode;
  onSelect: (exportId: string | null) => void;
  onPage: (page: number) => void;
}

export function ExportsTable({ status, label, list, page, selectedId, isFiltered, actions, onSelect, onPage }: Props) {
  const { exports, hasMore, stale } = list;
  const shownColumns = useColumns(columns(status), {
    phone: ["whole"],
    narrow: ["name", "entity", "type", "next", "last"],
    wide: ["name", "entity", "type", "next", "last", "destination", "by", "owner"],
  });
  const pageCount = Math.max(1, Math.ceil((exports?.length ?? 0) / PAGE_SIZE));
  const current = exports && !hasMore ? Math.min(page, pageCount) : page;
  const shown = (exports ?? []).slice((current - 1) * PAGE_SIZE, current * PAGE_SIZE);
  return (
    <Table
      variant="container"
      wrapLines
      selectionType="single"
      trackBy="exportId"
      selectedItems={shown.filter(({ exportId }) => exportId === selectedId)}
      onSelectionChange={({ detail }) => onSelect(detail.selectedItems[0]?.exportId ?? null)}
      loading={exports === null ? !stale : shown.length === 0 && hasMore}
      loadingText="Reading the exports"
      items={shown}
      columnDefinitions={shownColumns}
      ariaLabels={{
        tableLabel: `Exports: ${label}`,
        selectionGroupLabel: "Exports",
        itemSelectionLabel: (_, item) => `Select ${item.name}`,
      }}
      header={
        <Header
          variant="h2"
          counter={exports ? `(${exports.length}${hasMore ? "+" : ""})` : undefined}
          description={
            stale && <StatusText type="warning">Not up to date: {stale.title}. It refreshes by itself.</StatusText>
          }
          actions={actions}
        >
          {label}
        </Header>
      }
      pagination={<Pages page={current} count={pageCount} hasMore={hasMore} onPage={onPage} />}
      empty={
        <Box textAlign="center" padding="l">
          {stale && exports === null
            ? "The exports could not be read."
            : isFiltered
              ? "No export matches the filters."
              : `No export is ${label.toLowerCase()}.`}
        </Box>
      }
    />
  );
}

type Column = TableProps.ColumnDefinition<Export>;

/** For a phone. */
const WHOLE: Column = {
  id: "whole",
  header: "Export",
  isRowHeader: true,
  cell: (item) => (
    <>
      <NameCell item={item} />
      <div>
        {TYPE_LABELS[item.type]} of <EntityLink name={item.entity} />
      </div>
      {item.status === "SCHEDULED" && item.nextRunAt && (
        <div>
          Next run <Time at={item.nextRunAt} />
        </div>
      )}
      {item.lastRun && <LastRunCell run={item.lastRun} />}
    </>
  ),
};
const NAME: Column = {
  id: "name",
  header: "Name",
  isRowHeader: true,
  minWidth: 150,
  cell: (item) => <NameCell item={item} />,
};
const ENTITY: Column = {
  id: "entity",
  header: "Entity",
  minWidth: 120,
  cell: (item) => <EntityLink name={item.entity} />,
};
const TYPE: Column = { id: "type", header: "Type", minWidth: 120, cell: (item) => TYPE_LABELS[item.type] };
const NEXT_RUN: Column = { id: "next", header: "Next run", cell: (item) => <Time at={item.nextRunAt} /> };
const LAST_RUN: Column = {
  id: "last",
  header: "Last run",
  cell: (item) => item.lastRun && <LastRunCell run={item.lastRun} />,
};
const DESTINATION: Column = {
  id: "destination",
  header: "Destination",
  minWidth: 130,
  cell: (item) => <Name>{item.destination ? describeDestination(item.destination) : "–"}</Name>,
};
const CREATED_BY: Column = {
  id: "by",
  header: "Created by",
  minWidth: 110,
  cell: (item) => <Name>{item.createdBy}</Name>,
};

const OWNER: Column = {
  id: "owner",
  header: "Owner",
  minWidth: 110,
  cell: (item) => <Name>{item.owner ?? item.createdBy}</Name>,
};

function columns(status: ExportStatus): Column[] {
  const runs = status === "SCHEDULED" ? [NEXT_RUN] : status === "FINISHED" ? [LAST_RUN] : [];
  return [WHOLE, NAME, ENTITY, TYPE, ...runs, DESTINATION, status === "DRAFT" ? CREATED_BY : OWNER];
}

function NameCell({ item }: { item: Export }) {
  return (
    <>
      <Name>{item.name}</Name> {item.isRunning && <Badge color="blue">Running now</Badge>}
      {item.message && (
        <div>
          <Box variant="small">
            {item.pausedAt && (
              <>
                <Time at={item.pausedAt} />:{" "}
              </>
            )}
            {item.message}
          </Box>
        </div>
      )}
    </>
  );
}

function LastRunCell({ run: { status, outcome, completedAt } }: { run: LastRun }) {
  return (
    <>
      <JobStatus job={{ status, outcome }} />
      <div>
        <Time at={completedAt} none="" />
      </div>
    </>
  );
}
