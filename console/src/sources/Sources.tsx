/** Scheduled imports: what they fetch, when they run, and how the last run went. */
import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { at, call, callOnce } from "../api/client";
import { Problem } from "../api/problem";
import type { Source } from "../api/types";
import { Actions, type Action } from "../common/Actions";
import { ConfirmDialog } from "../common/ConfirmDialog";
import { StatusText } from "../common/StatusText";
import { useColumns } from "../common/useColumns";
import { EntityLink, ScreenLink } from "../common/links";
import { errorWithCode, JOB_ERRORS } from "../common/errorCodes";
import { counted } from "../common/format";
import { Name } from "../common/Name";
import { say, showProblem } from "../common/notices";
import { Time } from "../common/Time";
import { describeDestination } from "../exports/destinations";
import { FAILURE_LABELS } from "../exports/destinations/failures";
import { describeSchedule } from "../exports/schedule";
import { SourceState } from "./SourceState";
import { useSources } from "./useSources";

type Allowed = Source["allowedActions"][number];

export default function Sources() {
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const { data, error, isPending } = useSources();
  const columns = useColumns(COLUMNS, {
    phone: ["whole"],
    narrow: ["name", "entity", "state", "next", "last"],
    wide: ["name", "entity", "state", "location", "schedule", "next", "last"],
  });
  const [selectedId, setSelectedId] = useState<string | null>(null);
  const [isDeleting, setIsDeleting] = useState(false);
  const selected = data?.find(({ sourceId }) => sourceId === selectedId) ?? null;
  const isForbidden = (action: Allowed) => !selected?.allowedActions.includes(action);
  const done = (text: string) => {
    say(text, selected && <Name>{selected.name}</Name>);
    return queryClient.invalidateQueries({ queryKey: ["sources"] });
  };
  const action = useMutation({
    mutationFn: async ({ path, text }: { path: "activate" | "unschedule" | "run"; text: string }) => {
      await callOnce<Source>(at`sources/${selectedId!}/${path}`);
      await done(text);
    },
    onError: (problem) => showProblem(problem),
  });
  const acting = (path: "activate" | "unschedule" | "run", label: string, text: string): Action => ({
    text: label,
    disabled: isForbidden(path) || action.isPending,
    onClick: () => action.mutate({ path, text }),
  });
  const remove = async () => {
    await call("DELETE", at`sources/${selectedId!}`);
    setIsDeleting(false);
    setSelectedId(null);
    await done("The source was deleted");
  };
  return (
    <SpaceBetween size="m">
      <Header
        variant="h1"
        description="Files that are fetched on a schedule and imported, each once"
        actions={
          <Button variant="primary" onClick={() => void navigate("/sources/new")}>
            Create source
          </Button>
        }
      >
        Sources
      </Header>
      <Table
        variant="container"
        wrapLines
        selectionType="single"
        trackBy="sourceId"
        loading={isPending}
        loadingText="Reading the sources"
        items={data ?? []}
        selectedItems={selected ? [selected] : []}
        onSelectionChange={({ detail }) => setSelectedId(detail.selectedItems[0]?.sourceId ?? null)}
        ariaLabels={{
          tableLabel: "Sources",
          selectionGroupLabel: "Sources",
          itemSelectionLabel: (_, item) => `Select ${item.name}`,
        }}
        columnDefinitions={columns}
        header={
          <Header
            variant="h2"
            counter={data && `(${data.length})`}
            description={
              error &&
              data && (
                <StatusText type="warning">
                  Not up to date: {Problem.of(error).title}. It refreshes by itself.
                </StatusText>
              )
            }
            actions={
              <Actions
                actions={[
                  acting("run", "Run now", "A run has started"),
                  acting("activate", "Activate", "The source was activated"),
                  acting("unschedule", "Unschedule", "The source is a draft again"),
                  {
                    text: "Edit",
                    disabled: isForbidden("edit"),
                    onClick: () => void navigate(`/sources/${selectedId!}/edit`),
                  },
                  { text: "Delete", disabled: isForbidden("delete"), onClick: () => setIsDeleting(true) },
                ]}
              />
            }
          >
            All sources
          </Header>
        }
        empty={
          <Box textAlign="center" padding="l">
            {error && !data ? "The sources could not be read." : "There is no source yet."}
          </Box>
        }
      />
      {selected && isDeleting && (
        <ConfirmDialog
          header="Delete this source?"
          confirmText="Delete"
          onConfirm={remove}
          onClose={() => setIsDeleting(false)}
        >
          <div>
            <Name>{selected.name}</Name> is deleted for good. What it has imported stays.
          </div>
        </ConfirmDialog>
      )}
    </SpaceBetween>
  );
}

function NameCell({ of: { sourceId, name, isRunning } }: { of: Source }) {
  return (
    <>
      <ScreenLink to={`/sources/${sourceId}`}>
        <Name>{name}</Name>
      </ScreenLink>{" "}
      {isRunning && <Badge color="blue">Running now</Badge>}
    </>
  );
}

const COLUMNS: TableProps.ColumnDefinition<Source>[] = [
  {
    id: "whole", // for a phone
    header: "Source",
    isRowHeader: true,
    cell: (item) => (
      <>
        <NameCell of={item} />
        <div>
          Into <EntityLink name={item.entity} />
        </div>
        <SourceState of={item} />
        {item.nextRunAt && (
          <div>
            Next run <Time at={item.nextRunAt} />
          </div>
        )}
      </>
    ),
  },
  {
    id: "name",
    header: "Name",
    isRowHeader: true,
    minWidth: 150,
    cell: (item) => <NameCell of={item} />,
  },
  { id: "entity", header: "Entity", minWidth: 110, cell: (item) => <EntityLink name={item.entity} /> },
  { id: "state", header: "State", minWidth: 120, cell: (item) => <SourceState of={item} /> },
  {
    id: "location",
    header: "Location",
    minWidth: 130,
    cell: (item) => <Name>{`${describeDestination(item.location)}: ${item.pattern}`}</Name>,
  },
  {
    id: "schedule",
    header: "Schedule",
    minWidth: 120,
    cell: (item) => describeSchedule(item.schedule, "PERIODIC_FULL"),
  },
  { id: "next", header: "Next run", cell: (item) => <Time at={item.nextRunAt} /> },
  { id: "last", header: "Last run", cell: (item) => <LastRun of={item} /> },
];

const RUN_ERRORS = { ...JOB_ERRORS, ...FAILURE_LABELS };

function LastRun({ of: { lastRun } }: { of: Source }) {
  if (!lastRun) return "–";
  return (
    <>
      {lastRun.code ? (
        <StatusText type="error">{errorWithCode(lastRun.code, RUN_ERRORS)}</StatusText>
      ) : (
        `${counted(lastRun.taken, "file")}${lastRun.waiting ? `, ${lastRun.waiting} waiting` : ""}`
      )}
      <div>
        <Time at={lastRun.endedAt} none="" />
      </div>
    </>
  );
}
