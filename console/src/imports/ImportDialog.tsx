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
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { isAbort, Problem } from "../api/problem";
import type { ColumnProposal } from "../api/types";
import { useEntities } from "../api/useEntities";
import { formatBytes } from "../common/format";
import { Name } from "../common/Name";
import { say } from "../common/notices";
import { option } from "../common/options";
import { ProblemAlert } from "../common/ProblemAlert";
import { TemplateButton } from "../entities/TemplateButton";
import { isRunning } from "../jobs/jobList";
import { useJob } from "../jobs/useJob";
import { may, useMe } from "../session/useMe";
import { primaryKey, proposedMapping, renamed } from "./columnMapping";
import { AS_DETECTED, readingOptions, type Reading } from "./Detected";
import { DryRun } from "./DryRun";
import { effectOf, hidesLacking, proposedMode } from "./effect";
import {
  blanksOf,
  DEFAULT_SETTINGS,
  ImportOptions,
  ImportPolicy,
  keepPreviousOf,
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
  const [file, setFile] = useState<File | null>(null);
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
      mapping: proposedMapping(preview.proposals),
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
      const limit = onError === "abort" && { maxErrors: Number(maxErrors) };
      const rememberColumns = settings.rememberColumns && !dryRun && options.columns !== undefined;
      const body = { ...options, onError, ...limit, dryRun, keepPrevious, rememberColumns };
      const job = await importOnce(sent, () => startImport(sent, body, signal));
      if (rememberColumns) await queries.invalidateQueries({ queryKey: ["entities"] });
      if (!dryRun) {
        say("The import has started", <Name>{job.fileName}</Name>);
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

  const started = start.data?.dryRun ? start.data : null;
  const followed = useJob(started?.jobId ?? null);
  const dryRun = followed.data?.value ?? started;
  const isDryRunning = dryRun !== null && isRunning(dryRun) && !followed.error;
  const [endedId, setEndedId] = useState("");
  if (dryRun && !isRunning(dryRun) && dryRun.jobId !== endedId) {
    setEndedId(dryRun.jobId);
    changeSettings({ dryRun: false }); // the next step is the import
  }

  const begin = (next: { name?: string; file?: File | null }) => {
    if (next.name !== undefined) setName(next.name);
    if (next.file !== undefined) {
      setFile(next.file);
      setReading(AS_DETECTED);
    }
    setColumns(NO_COLUMNS);
    start.reset();
  };

  const isBusy = start.isPending || isDryRunning;
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
      onDismiss={() => onClose(dryRun !== null)}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button
              variant="link"
              onClick={() => (start.isPending ? sending.current?.abort() : onClose(dryRun !== null))}
            >
              {start.isPending ? "Stop sending" : "Close"}
            </Button>
            <Button variant="primary" disabled={!entity || !file} loading={isBusy} onClick={() => start.mutate()}>
              {settings.dryRun ? "Start dry run" : "Start import"}
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
          <FormField label="File" description="CSV, Excel or JSON Lines, also compressed. Drag it here, or choose it.">
            <FileUpload
              value={file ? [file] : []}
              showFileSize
              onChange={({ detail }) => !isBusy && begin({ file: detail.value[0] ?? null })}
              i18nStrings={{
                uploadButtonText: () => (file ? "Choose another file" : "Choose file"),
                dropzoneText: () => "Drop the file here",
                removeFileAriaLabel: () => "Remove the file",
                limitShowFewer: "Show fewer",
                limitShowMore: "Show more",
                errorIconAriaLabel: "Error",
                warningIconAriaLabel: "Warning",
              }}
            />
          </FormField>
        </ColumnLayout>
        {entity && !file && <TemplateButton entity={entity.name} />}
        {file && !entity && entities.data && <Box>Choose an entity to see what the file would become in it.</Box>}
        {upload.error && <ProblemAlert error={upload.error} />}
        {upload.isBusy && upload.sent === null && !preview && (
          <StatusIndicator type="loading">Reading the preview</StatusIndicator>
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
            onMap={(index, field) => setColumns((old) => ({ ...old, mapping: replaced(old.mapping, index, field) }))}
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
