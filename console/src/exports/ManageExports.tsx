/** Export definitions by status, and what each status allows. */
import Button from "@cloudscape-design/components/button";
import Grid from "@cloudscape-design/components/grid";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Tabs from "@cloudscape-design/components/tabs";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useEffectEvent, useState } from "react";
import { useNavigate } from "react-router";
import { at, call, callOnce } from "../api/client";
import { Problem } from "../api/problem";
import type { Export, ExportsDeletion, ExportStatus } from "../api/types";
import { ConfirmDialog } from "../common/ConfirmDialog";
import { Name } from "../common/Name";
import { say, showProblem } from "../common/notices";
import { useAddress } from "../common/useAddress";
import { usePage } from "../common/usePage";
import { CopyDialog } from "./CopyDialog";
import { DefinitionDialog } from "./DefinitionDialog";
import { ExportActions, type Dialog } from "./ExportActions";
import { ExportFilters } from "./ExportFilters";
import { ExportsTable } from "./ExportsTable";
import { STATUS_TABS } from "./labels";
import { PeriodDialog } from "./PeriodDialog";
import { ReportDialog } from "./ReportDialog";
import { RunDialog } from "./RunDialog";
import { StopDialog } from "./StopDialog";
import { UnscheduleDialog } from "./UnscheduleDialog";
import { useExport } from "./useExport";
import { PAGE_SIZE, useExports, type Exports } from "./useExports";

export default function ManageExports() {
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const [query, set] = useAddress();
  const status = (query.get("tab") ?? "DRAFT") as ExportStatus;
  const filter = {
    status,
    q: query.get("q"),
    database: query.get("database"),
    dataType: query.get("dataType"),
    type: query.get("type"),
  };
  const [page, setPage] = usePage(filter);
  // One more than the page shows: tells whether there is another page.
  const list = useExports(filter, page * PAGE_SIZE + 1);
  const { selected, selectedId, select } = useSelected(list);
  const dialog = query.get("dialog") as Dialog | null;
  const close = () => set({ dialog: null }, { replace: true });
  const done = (text: string) => {
    say(text, selected && <Name>{selected.name}</Name>);
    return queryClient.invalidateQueries({ queryKey: ["exports", "list"] });
  };

  const action = useMutation({
    mutationFn: (run: () => Promise<void>) => run(),
    onError: (error) => showProblem(error),
  });
  const activate = async () => {
    const { status } = await callOnce<Export>(at`exports/${selectedId!}/activate`);
    set({ tab: status });
    await done("The export was activated");
  };
  const run = async () => {
    await callOnce(at`exports/${selectedId!}/run`);
    await done("A run has started");
  };
  const hasRunForPeriod = async () => {
    close();
    await done("A run has started");
  };
  const remove = async () => {
    const body = { exportIds: [selectedId] };
    const { failed } = await call<ExportsDeletion>("POST", "exports/delete", { body });
    if (failed[0]) throw new Problem(failed[0].status, "The export was not deleted", failed[0].detail);
    set({ dialog: null, export: null }, { replace: true });
    await done("The export was deleted");
  };
  const hasStopped = async () => {
    close();
    await done("The run was stopped");
  };
  const unscheduled = async () => {
    set({ dialog: null, tab: "DRAFT" });
    await done("The export is in definition again");
  };

  return (
    <SpaceBetween size="m">
      <Header
        variant="h1"
        actions={
          <Button variant="primary" onClick={() => void navigate("/exports/new")}>
            Create export
          </Button>
        }
      >
        Manage exports
      </Header>
      <Grid gridDefinition={[{ colspan: { default: 12, m: 3 } }, { colspan: { default: 12, m: 9 } }]}>
        <ExportFilters
          filter={filter}
          change={({ status, ...changes }) => {
            if (status) set({ tab: status, export: null });
            else if ("q" in changes) set({ ...changes, export: null }, { replace: true });
            else set(changes);
          }}
        />
        <div>
          <Tabs
            ariaLabel="Exports by status"
            activeTabId={status}
            onChange={({ detail }) => set({ tab: detail.activeTabId, export: null })}
            tabs={STATUS_TABS.map(({ id, label }) => ({
              id,
              label,
              content: id === status && (
                <ExportsTable
                  status={id}
                  label={label}
                  list={list}
                  page={page}
                  selectedId={selectedId}
                  isFiltered={Boolean(filter.q ?? filter.database ?? filter.dataType ?? filter.type)}
                  onSelect={select}
                  onPage={(wanted) => {
                    select(null);
                    setPage(wanted);
                  }}
                  actions={
                    <ExportActions
                      status={id}
                      selected={selected}
                      isBusy={action.isPending}
                      onOpen={(dialog) => set({ dialog })}
                      onActivate={() => action.mutate(activate)}
                      onRun={() => action.mutate(run)}
                    />
                  }
                />
              ),
            }))}
          />
        </div>
      </Grid>
      {selected && dialog === "run" && <RunDialog of={selected} onClose={close} />}
      {selected && dialog === "report" && <ReportDialog of={selected} onClose={close} />}
      {selected && dialog === "definition" && <DefinitionDialog of={selected} onClose={close} />}
      {selected && dialog === "copy" && <CopyDialog of={selected} onClose={close} />}
      {selected && dialog === "period" && <PeriodDialog of={selected} onDone={hasRunForPeriod} onClose={close} />}
      {selected && dialog === "stop" && <StopDialog of={selected} onDone={hasStopped} onClose={close} />}
      {selected && dialog === "unschedule" && <UnscheduleDialog of={selected} onDone={unscheduled} onClose={close} />}
      {selected && dialog === "delete" && (
        <ConfirmDialog header="Delete this export?" confirmText="Delete" onConfirm={remove} onClose={close}>
          <div>
            <Name>{selected.name}</Name> is deleted for good.{" "}
            {selected.lastRun && "The reports and files of its runs stay on the Status screen until they expire."}
          </div>
        </ConfirmDialog>
      )}
    </SpaceBetween>
  );
}

/** The address names the selected export. A link to a dialog may name one that is not in the list. */
function useSelected({ exports }: Exports) {
  const [query, set] = useAddress();
  const inAddress = query.get("export");
  const [selectedId, setSelectedId] = useState(inAddress);
  const [known, setKnown] = useState(inAddress);
  if (inAddress !== known) {
    setKnown(inAddress);
    setSelectedId(inAddress);
  }
  const select = (exportId: string | null) => {
    setSelectedId(exportId); // at once; the address changes a moment later
    set({ export: exportId }, { replace: true });
  };
  const listed = exports?.find(({ exportId }) => exportId === selectedId) ?? null;
  const isLinked = query.get("dialog") !== null && exports !== null && listed === null;
  const linked = useExport(isLinked ? selectedId : null);
  const dropLink = useEffectEvent((error: Error) => {
    showProblem(error);
    set({ dialog: null, export: null }, { replace: true });
  });
  useEffect(() => {
    if (linked.error) dropLink(linked.error);
  }, [linked.error]);
  return { selected: listed ?? linked.data ?? null, selectedId, select };
}
