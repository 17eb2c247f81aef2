/** Import from file: entity and file, mode and policy, preview, options, start. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import FileUpload from "@cloudscape-design/components/file-upload";
import FormField from "@cloudscape-design/components/form-field";
import Modal from "@cloudscape-design/components/modal";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState, type DragEvent } from "react";
import { isAbort, Problem } from "../api/problem";
import type { ColumnProposal, Entity } from "../api/types";
import { useEntities } from "../api/useEntities";
import { StatusText } from "../common/StatusText";
import { formatBytes } from "../common/format";
import { Name } from "../common/Name";
import { say } from "../common/notices";
import { option } from "../common/options";
import { ProblemAlert } from "../common/ProblemAlert";
import { Time } from "../common/Time";
import { TemplateButton } from "../entities/TemplateButton";
import { isRunning } from "../jobs/jobList";
import { useJob } from "../jobs/useJob";
import { may, useMe } from "../session/useMe";
import { chosen, droppedEntries, filesIn, inOrder } from "./chosenFiles";
import { primaryKey, proposedMapping, renamed } from "./columnMapping";
import { AS_DETECTED, readingOptions, type Reading } from "./Detected";
import { DryRun } from "./DryRun";
import { effectOf, hidesLacking, proposedMode } from "./effect";
import { FileList } from "./FileList";
import { importFiles, type Common, type FileState } from "./importFiles";
import {
  blanksOf,
  DEFAULT_SETTINGS,
  ImportOptions,
  ImportPolicy,
  keepPreviousOf,
  toldOf,
  type Settings,
} from "./ImportOptions";
import { Preview } from "./Preview";
import { startImport, type ReadOptions, type SentFile } from "./uploads";
import { usePreview } from "./usePreview";

const USED_UP = [404, 409, 410]; // the upload was imported already, or has expired

interface Props {
  entityName: string | null;
  onClose: (started: boolean) => void;
}

export default function ImportDialog({ entityName, onClose }: Props) {
  const me = useMe();
  const entities = useEntities();
  const queries = useQueryClient();
  const [name, setName] = useState(entityName ?? "");
  const [files, setFiles] = useState<File[]>([]);
  const [shown, setShown] = useState<File | null>(null);
  const file = shown ?? files[0] ?? null;
  const areSeveral = files.length > 1;
  const [states, setStates] = useState<ReadonlyMap<File, FileState>>(new Map());
  /** The fields that were chosen for the columns, by the labels of the file. */
  const [mappings, setMappings] = useState<ReadonlyMap<string, (string | null)[]>>(new Map());
  const [folderError, setFolderError] = useState<unknown>(null);
  const [reading, setReading] = useState<Reading>(AS_DETECTED);
  const [columns, setColumns] = useState<Columns>(NO_COLUMNS);
  const [settings, setSettings] = useState<Settings>(DEFAULT_SETTINGS);
  const changeSettings = (changes: Partial<Settings>) => setSettings((old) => ({ ...old, ...changes }));

  const open = (entities.data ?? []).filter((entity) => may(me, "import", entity));
  const isOnly = entityName === null && open.length === 1;
  const entity = open.find((known) => known.name === name) ?? (isOnly ? open[0] : undefined);
  const isRead = entity !== undefined && columns.labels.length > 0;
  const proposed = isRead ? proposedMode(columns.mapping, entity, columns.hidesLacking) : "upsert";
  const mode = settings.mode ?? proposed;
  const options = readOptions(mode, settings, reading, columns);
  const upload = usePreview(entity, file, options);
  const { preview } = upload;
  if (preview && entity && JSON.stringify(preview.labels) !== JSON.stringify(columns.labels)) {
    setColumns({
      labels: preview.labels,
      mapping: mappings.get(JSON.stringify(preview.labels)) ?? proposedMapping(preview.proposals),
      proposals: preview.proposals,
      hidesLacking: hidesLacking(preview),
    });
  }

  const sending = useRef<AbortController | null>(null);
  useEffect(() => () => sending.current?.abort(), []);
  const start = useMutation({
    mutationFn: async () => {
      const { signal } = (sending.current = new AbortController());
      const sent = await upload.sendWhole(signal);
      const { onError, dryRun, maxErrors } = settings;
      const keepPrevious = keepPreviousOf(settings, entity);
      const limit = onError === "abort" && { maxErrors };
      const rememberColumns = settings.rememberColumns && !dryRun && options.columns !== undefined;
      const body = { ...options, onError, ...limit, dryRun, keepPrevious, rememberColumns, ...toldOf(settings) };
      const job = await importOnce(sent, () => startImport(sent, body, signal));
      if (rememberColumns) await queries.invalidateQueries({ queryKey: ["entities"] });
      if (!dryRun) {
        say("The import is queued", <Name>{job.fileName}</Name>);
        onClose(true);
      }
      return job;
    },
  });
  /** Marks the upload as used if the API accepted it, or says that it cannot be imported. */
  const importOnce = async <Result,>(sent: SentFile, request: () => Promise<Result>): Promise<Result> => {
    try {
      const result = await request();
      upload.markUsed(sent);
      return result;
    } catch (error) {
      const { status, retryAfterMs } = Problem.of(error); // with a wait: the first attempt is still running
      if (USED_UP.includes(status) && !retryAfterMs) upload.markUsed(sent);
      throw error;
    }
  };

  const startAll = useMutation({
    mutationFn: async (entity: Entity) => {
      const { signal } = (sending.current = new AbortController());
      const { onError, dryRun, maxErrors, rememberColumns } = settings;
      const optionsOf = (mode: string, columns: Record<string, string>): ReadOptions => ({
        ...readOptions(mode, settings, reading, NO_COLUMNS),
        ...(Object.keys(columns).length > 0 && { columns }),
      });
      const common: Common = {
        entity,
        mode: settings.mode,
        reading: optionsOf,
        options: (mode, columns) => ({
          ...optionsOf(mode, columns),
          onError,
          ...(onError === "abort" && { maxErrors }),
          dryRun,
          keepPrevious: keepPreviousOf(settings, entity),
          ...toldOf(settings),
          rememberColumns: rememberColumns && !dryRun && Object.keys(columns).length > 0,
        }),
        mappingOf: (labels) => mappings.get(JSON.stringify(labels)),
      };
      const left = files.filter((file) => !isImported(states.get(file)));
      await importFiles(left, common, (file, state) => setStates((old) => new Map(old).set(file, state)), signal);
      if (rememberColumns) await queries.invalidateQueries({ queryKey: ["entities"] });
      if (dryRun) changeSettings({ dryRun: false }); // the next step is the import
    },
  });

  const started = start.data?.dryRun ? start.data : null;
  const followed = useJob(started?.jobId ?? null);
  const dryRun = followed.data?.value ?? started;
  const isDryRunning = dryRun !== null && isRunning(dryRun) && !followed.error;
  const [endedId, setEndedId] = useState("");
  if (dryRun && !isRunning(dryRun) && dryRun.jobId !== endedId) {
    setEndedId(dryRun.jobId);
    changeSettings({ dryRun: false }); // the next step is the import
  }

  const begin = (next: { name?: string; files?: File[] }) => {
    if (next.name !== undefined) setName(next.name);
    if (next.files !== undefined) {
      setFiles(next.files);
      setReading(AS_DETECTED);
      setFolderError(null);
    }
    setShown(null);
    setStates((old) => new Map([...old].filter(([file]) => next.name === undefined && next.files?.includes(file))));
    setMappings(new Map());
    setColumns(NO_COLUMNS);
    start.reset();
  };
  const isFolder = useRef(false);
  const dropFolder = (event: DragEvent) => {
    const entries = droppedEntries(event.dataTransfer);
    isFolder.current = entries !== null;
    if (!entries || isBusy) return;
    filesIn(entries)
      .then((found) => begin({ files: inOrder(found) }))
      .catch(setFolderError);
  };
  const map = (index: number, field: string | null) => {
    const mapping = replaced(columns.mapping, index, field);
    setColumns((old) => ({ ...old, mapping }));
    setMappings((old) => new Map(old).set(JSON.stringify(columns.labels), mapping));
  };

  const isSending = start.isPending || startAll.isPending;
  const isBusy = start.isPending || startAll.isPending || isDryRunning;
  const { keptUntil } = [...states.values()].find((state) => state.kind === "sending") ?? upload;
  const isAnyStarted = dryRun !== null || [...states.values()].some(({ kind }) => kind === "started");
  const isAllImported = areSeveral && files.every((file) => isImported(states.get(file)));
  const startError = isAbort(start.error) ? null : (start.error ?? followed.error);
  const end = useRef<HTMLDivElement>(null);
  const hasNews = dryRun !== null || startError !== null || upload.sent !== null;
  useEffect(() => {
    if (hasNews) end.current?.scrollIntoView({ block: "nearest" });
  }, [hasNews, isDryRunning]);

  return (
    <Modal
      visible
      size="max"
      header="Import from file"
      onDismiss={() => onClose(isAnyStarted)}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs" alignItems="center">
            {isSending && keptUntil && (
              <Box variant="small">
                What was sent is kept until <Time at={keptUntil} />. Choose the same file again to go on.
              </Box>
            )}
            <Button variant="link" onClick={() => (isSending ? sending.current?.abort() : onClose(isAnyStarted))}>
              {isSending ? "Stop sending" : "Close"}
            </Button>
            <Button
              variant="primary"
              disabled={!entity || !file || isAllImported}
              loading={isBusy}
              onClick={() => (areSeveral ? startAll.mutate(entity!) : start.mutate())}
            >
              {startLabel(settings.dryRun, files.filter((file) => !isImported(states.get(file))).length)}
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="l">
        {entities.data && open.length === 0 && (
          <Alert type="info" header="There is nothing to import into">
            No entity lets you import. Ask an administrator for the permission.
          </Alert>
        )}
        {entities.error && <ProblemAlert error={entities.error} />}
        <ColumnLayout columns={2}>
          <FormField label="Into the entity">
            <Select
              placeholder="Choose an entity"
              filteringType={open.length > 10 ? "auto" : "none"}
              statusType={entities.isPending ? "loading" : "finished"}
              loadingText="Reading the entities"
              empty="You cannot import into any entity."
              disabled={isBusy}
              options={open.map(({ name, title }) => ({
                value: name,
                label: name,
                description: title && title !== name ? title : undefined,
              }))}
              selectedOption={entity ? option(entity.name) : null}
              onChange={({ detail }) => begin({ name: detail.selectedOption.value ?? "" })}
            />
          </FormField>
          <div onDropCapture={dropFolder}>
            <FormField
              label="File"
              description="CSV, Excel or JSON Lines, also compressed. Drag files or a folder here, or choose one or several."
            >
              <FileUpload
                multiple
                tokenLimit={3}
                value={files}
                showFileSize
                onChange={({ detail }) => !isBusy && !isFolder.current && begin({ files: chosen(files, detail.value) })}
                i18nStrings={{
                  uploadButtonText: () => (file ? "Choose other files" : "Choose files"),
                  dropzoneText: () => "Drop the files here",
                  removeFileAriaLabel: (index) => `Remove file ${index + 1}`,
                  limitShowFewer: "Show fewer",
                  limitShowMore: "Show more",
                  errorIconAriaLabel: "Error",
                  warningIconAriaLabel: "Warning",
                }}
              />
            </FormField>
          </div>
        </ColumnLayout>
        {folderError !== null && <ProblemAlert error={folderError} />}
        {areSeveral && (
          <FileList
            files={files}
            shown={file}
            states={states}
            disabled={isBusy}
            onShow={(next) => {
              setShown(next);
              setColumns(NO_COLUMNS);
            }}
          />
        )}
        {entity && !file && <TemplateButton entity={entity.name} />}
        {file && !entity && entities.data && <Box>Choose an entity to see what the file would become in it.</Box>}
        {upload.error && <ProblemAlert error={upload.error} />}
        {upload.isBusy && upload.sent === null && !preview && (
          <StatusText type="loading">Reading the preview</StatusText>
        )}
        <ImportPolicy
          settings={settings}
          mode={mode}
          hasKey={entity === undefined || primaryKey(entity.schema).length > 0}
          effect={isRead ? effectOf(mode, settings.blanks, columns.mapping, entity) : null}
          disabled={isBusy}
          change={changeSettings}
        />
        {entity && preview && (
          <Preview
            preview={preview}
            entity={entity}
            mapping={columns.mapping}
            proposals={columns.proposals}
            reading={reading}
            disabled={isBusy}
            onMap={map}
            onReading={setReading}
          />
        )}
        <ImportOptions
          settings={settings}
          mode={mode}
          entity={entity}
          columns={options.columns}
          disabled={isBusy}
          change={changeSettings}
        />
        <div ref={end} />
        {upload.sent !== null && (
          <ProgressBar
            label="Sending the file"
            value={upload.size ? (100 * upload.sent) / upload.size : 100}
            additionalInfo={`${formatBytes(upload.sent)} of ${formatBytes(upload.size)}`}
          />
        )}
        {dryRun && <DryRun job={dryRun} />}
        {startError && <ProblemAlert error={startError} />}
      </SpaceBetween>
    </Modal>
  );
}

function isImported(state: FileState | undefined): boolean {
  return state?.kind === "started" && !state.job.dryRun;
}

function startLabel(dryRun: boolean, files: number): string {
  const what = dryRun ? "dry run" : "import";
  return files > 1 ? `Start ${files} ${what}s` : `Start ${what}`;
}

/** The columns of the file, and the field that each goes to. */
interface Columns {
  labels: string[];
  mapping: (string | null)[];
  proposals: ColumnProposal[];
  /** The file lacks fields that have a column nevertheless. */
  hidesLacking: boolean;
}

function replaced<Item>(items: Item[], index: number, item: Item): Item[] {
  return items.map((known, at) => (at === index ? item : known));
}

const NO_COLUMNS: Columns = { labels: [], mapping: [], proposals: [], hidesLacking: false };

function readOptions(
  mode: string,
  settings: Settings,
  reading: Reading,
  { labels, mapping, proposals }: Columns,
): ReadOptions {
  const columns = renamed(labels, mapping, proposals);
  return {
    mode,
    ...blanksOf(mode, settings),
    unescapeFormulas: settings.unescapeFormulas,
    ...readingOptions(reading),
    ...(Object.keys(columns).length > 0 && { columns }),
  };
}
