/** Export definitions by status, and what each status allows. */
import Alert from "@cloudscape-design/components/alert";
import Badge from "@cloudscape-design/components/badge";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Grid from "@cloudscape-design/components/grid";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Modal from "@cloudscape-design/components/modal";
import Pagination from "@cloudscape-design/components/pagination";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";
import Tabs from "@cloudscape-design/components/tabs";
import { useEffect, useState, type ReactNode } from "react";
import { useNavigate } from "react-router";
import { at, call, download, pages } from "../client";
import { DATA_TYPES, EXPORT_TYPES, type Definition, type Entity, type Export, type ExportStatus } from "../contract";
import { Name, Status, Time } from "../format";
import { EntityLink } from "../links";
import { say, showProblem } from "../notices";
import { useQuery } from "../query";
import { PAGE_SIZE, useExports } from "./exports";
import { Report } from "./Report";
import { Summary } from "./Summary";
import { DATA_TYPE_WORDS, destinationWords, STATUS_TABS, TYPE_WORDS } from "./words";

const SEARCH_MS = 300;
type Dialog = "copy" | "delete" | "unschedule" | "definition" | "report";

export default function ManageExports() {
  const navigate = useNavigate();
  const [query, set] = useQuery();
  const tab = (query.get("tab") ?? "DRAFT") as ExportStatus;
  const filter = {
    q: query.get("q"),
    database: query.get("database"),
    dataType: query.get("dataType"),
    type: query.get("type"),
  };
  const filters = Object.values(filter);
  const [wanted, setPage] = useState(1);
  // One more than is shown tells whether there is another page.
  const list = useExports({ status: tab, ...filter }, wanted * PAGE_SIZE + 1);
  const { exports } = list;
  const pageCount = Math.max(1, Math.ceil((exports?.length ?? 0) / PAGE_SIZE));
  const page = exports && !list.hasMore ? Math.min(wanted, pageCount) : wanted;
  const shown = (exports ?? []).slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE);
  const [databases, setDatabases] = useState<string[]>([]);
  const [search, setSearch] = useState(query.get("q") ?? "");
  const [busy, setBusy] = useState(false);

  useEffect(() => setPage(1), [tab, ...filters]);
  useEffect(() => {
    pages<Entity>("entities", {}, { wanted: 10_000 }).then(
      ({ items }) => setDatabases([...new Set(items.flatMap(({ database }) => database ?? []))].sort()),
      showProblem,
    );
  }, []);
  useEffect(() => {
    const timer = setTimeout(() => {
      if (search !== (query.get("q") ?? "")) set({ q: search, export: null }, { replace: true });
    }, SEARCH_MS);
    return () => clearTimeout(timer);
  }, [search]);

  // A link to a dialog names the export; it need not be among those that are shown.
  const inAddress = query.get("export");
  const [selectedId, setSelectedId] = useState(inAddress);
  useEffect(() => setSelectedId(inAddress), [inAddress]);
  const dialog = query.get("dialog") as Dialog | null;
  const [linked, setLinked] = useState<Export | null>(null);
  const listed = exports?.find(({ exportId }) => exportId === selectedId) ?? null;
  const selected = listed ?? (dialog && linked?.exportId === selectedId ? linked : null);
  const close = () => set({ dialog: null }, { replace: true });
  const isLinked = dialog !== null && selectedId !== null && exports !== null && listed === null;
  useEffect(() => {
    if (!isLinked) return;
    call<Export>("GET", at`exports/${selectedId}`).then(setLinked, (error: unknown) => {
      showProblem(error);
      set({ dialog: null, export: null }, { replace: true });
    });
  }, [isLinked, selectedId]);
  const allows = (action: Export["allowedActions"][number]) => selected?.allowedActions.includes(action) ?? false;
  const act = async (what: () => Promise<unknown>, done: string, goTo?: ExportStatus) => {
    setBusy(true);
    try {
      await what();
      say(done, selected && <Name>{selected.name}</Name>);
      if (goTo) set({ dialog: null, tab: goTo });
      else close();
      await list.refresh();
    } catch (error) {
      close();
      showProblem(error);
    } finally {
      setBusy(false);
    }
  };
  const post = (action: string, body?: object) => call<Export>("POST", at`exports/${selectedId!}/${action}`, { body });
  const runId = selected?.lastRun?.jobId ?? selected?.jobId;
  const choose = (id: string | null) => {
    setSelectedId(id); // at once: the address follows
    set({ export: id }, { replace: true });
  };
  const isDownloadable =
    tab === "FINISHED" && selected?.type === "ONE_SHOT" && selected.lastRun?.status === "COMPLETED";

  const actions: Record<ExportStatus, ReactNode[]> = {
    DRAFT: [
      <Button key="edit" disabled={!allows("edit")} onClick={() => void navigate(`/exports/${selectedId}/edit`)}>
        Edit
      </Button>,
      <Button key="copy" disabled={!allows("copy")} onClick={() => set({ dialog: "copy" })}>
        Copy
      </Button>,
      <Button key="delete" disabled={!allows("delete")} onClick={() => set({ dialog: "delete" })}>
        Delete
      </Button>,
      <Button
        key="activate"
        disabled={!allows("activate")}
        loading={busy}
        onClick={() =>
          void act(async () => {
            const { status } = await post("activate");
            set({ tab: status });
          }, "The export was activated")
        }
      >
        Activate
      </Button>,
    ],
    SCHEDULED: [
      <Button key="definition" disabled={!allows("definition")} onClick={() => set({ dialog: "definition" })}>
        View definition
      </Button>,
      <Button key="unschedule" disabled={!allows("unschedule")} onClick={() => set({ dialog: "unschedule" })}>
        Unschedule
      </Button>,
      <Button
        key="run"
        disabled={!allows("run")}
        loading={busy}
        onClick={() => void act(() => post("run"), "A run has started")}
      >
        Run now
      </Button>,
      <Button key="copy" disabled={!allows("copy")} onClick={() => set({ dialog: "copy" })}>
        Copy
      </Button>,
    ],
    IN_PROGRESS: [
      <Button key="definition" disabled={!allows("definition")} onClick={() => set({ dialog: "definition" })}>
        View definition
      </Button>,
    ],
    FINISHED: [
      <Button key="report" disabled={!selected} onClick={() => set({ dialog: "report" })}>
        View report
      </Button>,
      <Button
        key="download"
        iconName="download"
        disabled={!isDownloadable}
        disabledReason={
          selected ? "Only one-shot exports are downloaded; others are sent to their destination." : undefined
        }
        onClick={() => void download(at`jobs/${runId!}/download`).catch(showProblem)}
      >
        Download
      </Button>,
      <Button key="definition" disabled={!allows("definition")} onClick={() => set({ dialog: "definition" })}>
        View definition
      </Button>,
      <Button key="copy" disabled={!allows("copy")} onClick={() => set({ dialog: "copy" })}>
        Copy
      </Button>,
    ],
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
      <Grid gridDefinition={[{ colspan: { default: 12, s: 3 } }, { colspan: { default: 12, s: 9 } }]}>
        <Container header={<Header variant="h2">Find</Header>}>
          <SpaceBetween size="m">
            <FormField label="Name">
              <Input
                type="search"
                value={search}
                placeholder="Search"
                onChange={({ detail }) => setSearch(detail.value)}
              />
            </FormField>
            <Filter
              label="Database"
              value={query.get("database")}
              options={databases.map((name) => [name, name])}
              onChange={(database) => set({ database })}
            />
            <Filter
              label="Data type"
              value={query.get("dataType")}
              options={DATA_TYPES.map((name) => [name, DATA_TYPE_WORDS[name]])}
              onChange={(dataType) => set({ dataType })}
            />
            <Filter
              label="Export type"
              value={query.get("type")}
              options={EXPORT_TYPES.map((name) => [name, TYPE_WORDS[name]])}
              onChange={(type) => set({ type })}
            />
            <Filter
              label="Status"
              isRequired
              value={tab}
              options={STATUS_TABS.map(({ id, label }) => [id, label])}
              onChange={(status) => set({ tab: status, export: null })}
            />
          </SpaceBetween>
        </Container>
        <div>
          <Tabs
            ariaLabel="Exports by status"
            activeTabId={tab}
            onChange={({ detail }) => set({ tab: detail.activeTabId, export: null })}
            tabs={STATUS_TABS.map(({ id, label }) => ({
              id,
              label,
              content: id === tab && (
                <Table
                  variant="container"
                  wrapLines
                  selectionType="single"
                  trackBy="exportId"
                  selectedItems={shown.filter(({ exportId }) => exportId === selectedId)}
                  onSelectionChange={({ detail }) => choose(detail.selectedItems[0]?.exportId ?? null)}
                  loading={exports === null ? !list.stale : shown.length === 0 && list.hasMore}
                  loadingText="Reading the exports"
                  items={shown}
                  pagination={
                    <Pagination
                      ariaLabels={{
                        nextPageLabel: "Next page",
                        previousPageLabel: "Previous page",
                        pageLabel: (number) => `Page ${number}`,
                      }}
                      currentPageIndex={page}
                      pagesCount={pageCount}
                      openEnd={list.hasMore}
                      onChange={({ detail }) => {
                        choose(null);
                        setPage(detail.currentPageIndex);
                      }}
                    />
                  }
                  ariaLabels={{
                    tableLabel: `Exports: ${label}`,
                    selectionGroupLabel: "Exports",
                    itemSelectionLabel: (_, item) => `Select ${item.name}`,
                  }}
                  header={
                    <Header
                      variant="h2"
                      counter={exports ? `(${exports.length}${list.hasMore ? "+" : ""})` : undefined}
                      description={
                        list.stale && (
                          <StatusIndicator type="warning">
                            Not up to date: {list.stale.title}. It is tried again by itself.
                          </StatusIndicator>
                        )
                      }
                      actions={
                        <SpaceBetween direction="horizontal" size="xs">
                          {actions[id]}
                        </SpaceBetween>
                      }
                    >
                      {label}
                    </Header>
                  }
                  columnDefinitions={[
                    {
                      id: "name",
                      header: "Name",
                      isRowHeader: true,
                      minWidth: 150,
                      cell: (item) => <NameCell item={item} />,
                    },
                    {
                      id: "entity",
                      header: "Entity",
                      minWidth: 120,
                      cell: (item) => <EntityLink name={item.entity} />,
                    },
                    { id: "type", header: "Type", minWidth: 120, cell: (item) => TYPE_WORDS[item.type] },
                    ...(id === "SCHEDULED"
                      ? [{ id: "next", header: "Next run", cell: (item: Export) => <Time at={item.nextRunAt} /> }]
                      : []),
                    ...(id === "FINISHED"
                      ? [
                          {
                            id: "last",
                            header: "Last run",
                            cell: (item: Export) =>
                              item.lastRun && (
                                <>
                                  <Status
                                    job={{
                                      status: item.lastRun.status,
                                      outcome: item.lastRun.status === "COMPLETED" ? "SUCCESS" : null,
                                    }}
                                  />
                                  <div>
                                    <Time at={item.lastRun.completedAt} none="" />
                                  </div>
                                </>
                              ),
                          },
                        ]
                      : []),
                    {
                      id: "destination",
                      header: "Destination",
                      minWidth: 130,
                      cell: (item) => <Name>{item.destination ? destinationWords(item.destination) : "–"}</Name>,
                    },
                    { id: "by", header: "Created by", minWidth: 110, cell: (item) => <Name>{item.createdBy}</Name> },
                  ]}
                  empty={
                    <Box textAlign="center" padding="l">
                      {list.stale && exports === null
                        ? "The exports could not be read."
                        : filters.some(Boolean)
                          ? "No export matches the filters."
                          : `There is no export that is ${label.toLowerCase()}.`}
                    </Box>
                  }
                />
              ),
            }))}
          />
        </div>
      </Grid>
      {selected && dialog === "report" && <Report of={selected} onClose={close} />}
      {selected && dialog === "definition" && <DefinitionDialog of={selected} onClose={close} />}
      {selected && dialog === "copy" && (
        <CopyDialog
          of={selected}
          onClose={close}
          onCopied={(id) => void navigate(`/exports/${id}/edit`, { replace: true })}
        />
      )}
      {selected && dialog === "delete" && (
        <Question
          header="Delete this export?"
          verb="Delete"
          busy={busy}
          onClose={close}
          onYes={() =>
            void act(
              () => call("DELETE", at`exports/${selected.exportId}`).then(() => choose(null)),
              "The export was deleted",
            )
          }
        >
          <Name>{selected.name}</Name> is deleted for good.
        </Question>
      )}
      {selected && dialog === "unschedule" && (
        <Question
          header="Unschedule this export?"
          verb="Unschedule"
          busy={busy}
          onClose={close}
          onYes={() =>
            void act(
              () => post("unschedule", selected.type === "INCREMENTAL_CUSTOM" ? { confirm: true } : {}),
              "The export is in definition again",
              "DRAFT",
            )
          }
        >
          <SpaceBetween size="m">
            <div>
              The whole export <Name>{selected.name}</Name> pauses and goes back to the drafts, not only its next run.
              It does not run again until it is activated.
            </div>
            {selected.type === "INCREMENTAL_CUSTOM" && (
              <Alert type="warning" header="This cannot be taken back">
                The flow was set up by the back office. Unscheduling turns it into a standard export for good: the back
                office can no longer change it, and specifics that the definition does not show may be lost.
              </Alert>
            )}
          </SpaceBetween>
        </Question>
      )}
    </SpaceBetween>
  );
}

function NameCell({ item }: { item: Export }) {
  return (
    <>
      <Name>{item.name}</Name> {item.isRunning && <Badge color="blue">Running now</Badge>}
      {item.message && (
        <div>
          <Box variant="small">{item.message}</Box>
        </div>
      )}
    </>
  );
}

interface FilterProps {
  label: string;
  value: string | null;
  options: [string, string][];
  isRequired?: boolean;
  onChange: (value: string | null) => void;
}

function Filter({ label, value, options, isRequired, onChange }: FilterProps) {
  const all = [
    ...(isRequired ? [] : [{ value: "", label: "All" }]),
    ...options.map(([value, label]) => ({ value, label })),
  ];
  return (
    <FormField label={label}>
      <Select
        options={all}
        selectedOption={all.find((option) => option.value === (value ?? "")) ?? null}
        onChange={({ detail }) => onChange(detail.selectedOption.value || null)}
      />
    </FormField>
  );
}

interface QuestionProps {
  header: string;
  verb: string;
  busy?: boolean;
  isDisabled?: boolean;
  children: ReactNode;
  onClose: () => void;
  onYes: () => void;
}

function Question({ header, verb, busy, isDisabled, children, onClose, onYes }: QuestionProps) {
  return (
    <Modal
      visible
      onDismiss={onClose}
      header={header}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" loading={busy} disabled={isDisabled} onClick={onYes}>
              {verb}
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      {children}
    </Modal>
  );
}

function CopyDialog({ of, onClose, onCopied }: { of: Export; onClose: () => void; onCopied: (id: string) => void }) {
  const [name, setName] = useState(`${of.name} (copy)`);
  const [busy, setBusy] = useState(false);
  const copy = async () => {
    setBusy(true);
    try {
      onCopied((await call<Export>("POST", at`exports/${of.exportId}/copy`, { body: { name } })).exportId);
    } catch (error) {
      onClose();
      showProblem(error);
    }
  };
  return (
    <Question
      header="Copy this export"
      verb="Copy"
      busy={busy}
      isDisabled={!name.trim()}
      onClose={onClose}
      onYes={() => void copy()}
    >
      <FormField label="Name of the copy" description="The copy is a draft, and opens for editing.">
        <Input value={name} onChange={({ detail }) => setName(detail.value)} />
      </FormField>
    </Question>
  );
}

function DefinitionDialog({ of, onClose }: { of: Export; onClose: () => void }) {
  const [definition, setDefinition] = useState<Definition | null>(null);
  const [runs, setRuns] = useState<string[]>([]);
  useEffect(() => {
    call<Definition>("GET", at`exports/${of.exportId}/definition`).then(setDefinition, (error: unknown) => {
      onClose();
      showProblem(error);
    });
    if (of.status === "SCHEDULED") {
      call<{ items: string[] }>("GET", at`exports/${of.exportId}/preview-schedule`).then(
        ({ items }) => setRuns(items),
        showProblem,
      );
    }
  }, [of.exportId]);
  return (
    <Modal
      visible
      size="large"
      onDismiss={onClose}
      header="Definition"
      footer={
        <Box float="right">
          <Button variant="primary" onClick={onClose}>
            Close
          </Button>
        </Box>
      }
    >
      {definition && <Summary definition={definition} runs={runs} />}
    </Modal>
  );
}
