/** Import from file: what, how it looks, how to import it, start. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import FileUpload from "@cloudscape-design/components/file-upload";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Modal from "@cloudscape-design/components/modal";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useEffect, useRef, useState } from "react";
import { pages } from "../client";
import type { Entity, Job } from "../contract";
import { bytes, Name } from "../format";
import { isRunning } from "../jobs";
import { may, useMe } from "../me";
import { ProblemText, say } from "../notices";
import { Problem } from "../problem";
import { primaryKey, proposeColumns, renamed } from "./columns";
import { DryRun } from "./DryRun";
import { chosen, LookAt, option, type Reading } from "./LookAt";
import { startImport, type ReadOptions } from "./send";
import { useLook } from "./useLook";

const AS_DETECTED: Reading = { encoding: "", delimiter: "", sheet: "" };
const MODES = [
  { value: "upsert", label: "Add or replace", description: "Records with a known key are replaced as a whole" },
  { value: "insert", label: "Add only", description: "A row whose key exists is rejected" },
  { value: "update", label: "Change only", description: "Changes the file's columns; unknown keys are rejected" },
  { value: "delete", label: "Delete", description: "Deletes the records whose keys are in the file" },
];
const POLICIES = [
  { value: "skip", label: "Leave bad rows out", description: "They go to the rejects file, with the reasons" },
  { value: "abort", label: "Stop at bad rows", description: "What was imported until then stays" },
  { value: "all-or-nothing", label: "All or nothing", description: "Checks the whole file first; one bad row ends it" },
];
interface Props {
  entityName: string | null;
  onClose: (started: boolean) => void;
}

export default function ImportDialog({ entityName, onClose }: Props) {
  const me = useMe();
  const [entities, setEntities] = useState<Entity[] | null>(null);
  const [name, setName] = useState(entityName ?? "");
  const [file, setFile] = useState<File | null>(null);
  const [reading, setReading] = useState<Reading>(AS_DETECTED);
  const [mapping, setMapping] = useState<(string | null)[]>([]);
  const [mode, setMode] = useState("upsert");
  const [onError, setOnError] = useState("skip");
  const [maxErrors, setMaxErrors] = useState("1");
  const [dryRun, setDryRun] = useState(false);
  const [unescapeFormulas, setUnescapeFormulas] = useState(false);
  const [starting, setStarting] = useState(false);
  const [tried, setTried] = useState<Job | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const control = useRef<AbortController | null>(null);

  useEffect(() => {
    pages<Entity>("entities", {}, { wanted: 10_000 }).then(
      ({ items }) => setEntities(items),
      (error: unknown) => setProblem(Problem.of(error)),
    );
    return () => control.current?.abort();
  }, []);

  const open = (entities ?? []).filter((entity) => may(me, "import", entity));
  const entity =
    open.find((known) => known.name === name) ?? (entityName === null && open.length === 1 ? open[0] : undefined);
  const [labels, setLabels] = useState<string[]>([]);
  const options: ReadOptions = {
    mode,
    unescapeFormulas,
    ...(reading.encoding ? { encoding: reading.encoding } : {}),
    ...(reading.delimiter ? { dialect: { delimiter: reading.delimiter } } : {}),
    ...(reading.sheet ? { dialect: { sheetName: reading.sheet } } : {}),
  };
  const columns = entity ? renamed(labels, mapping, entity) : {};
  if (Object.keys(columns).length) options.columns = columns;
  const look = useLook(entity, file, options);
  const { seen } = look;
  useEffect(() => {
    if (!seen || !entity || JSON.stringify(seen.labels) === JSON.stringify(labels)) return;
    setLabels(seen.labels);
    setMapping(proposeColumns(seen.labels, entity));
  }, [seen, entity]);
  const begin = (next: { name?: string; file?: File | null }) => {
    if (next.name !== undefined) setName(next.name);
    if (next.file !== undefined) {
      setFile(next.file);
      setReading(AS_DETECTED);
    }
    setLabels([]);
    setMapping([]);
    setTried(null);
    setProblem(null);
  };

  const hasKey = entity === undefined || primaryKey(entity.schema).length > 0;
  const isTrying = tried !== null && isRunning(tried);
  const busy = starting || isTrying;
  const foot = useRef<HTMLDivElement>(null);
  const hasNews = tried !== null || problem !== null || look.sent !== null;
  useEffect(() => {
    if (hasNews) foot.current?.scrollIntoView({ block: "nearest" });
  }, [hasNews, isTrying]);
  const start = async () => {
    const { signal } = (control.current = new AbortController());
    setProblem(null);
    setTried(null);
    setStarting(true);
    try {
      const sending = await look.whole(signal);
      const aborting = onError === "abort" ? { maxErrors: Number(maxErrors) } : {};
      const job = await startImport(sending, { ...options, onError, ...aborting, dryRun }, signal);
      look.forget();
      if (dryRun) setTried(job);
      else {
        say("The import has started", <Name>{job.fileName}</Name>);
        onClose(true);
      }
    } catch (error) {
      const found = Problem.of(error);
      if (found.status === 409 || found.status === 404 || found.status === 410) look.forget();
      if (!signal.aborted) setProblem(found);
    } finally {
      setStarting(false);
    }
  };

  return (
    <Modal
      visible
      size="max"
      header="Import from file"
      onDismiss={() => onClose(tried !== null)}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={() => (starting ? control.current?.abort() : onClose(tried !== null))}>
              {starting ? "Stop sending" : "Close"}
            </Button>
            <Button variant="primary" disabled={!entity || !file} loading={busy} onClick={() => void start()}>
              {dryRun ? "Start dry run" : "Start import"}
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="l">
        {entities && open.length === 0 && (
          <Alert type="info" header="There is nothing to import into">
            No entity lets you import. Ask an administrator for the permission.
          </Alert>
        )}
        <ColumnLayout columns={2}>
          <FormField label="Into the entity">
            <Select
              placeholder="Choose an entity"
              filteringType={open.length > 10 ? "auto" : "none"}
              statusType={entities ? "finished" : "loading"}
              loadingText="Reading the entities"
              empty="There is none that you may import into"
              disabled={busy}
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
              onChange={({ detail }) => !busy && begin({ file: detail.value[0] ?? null })}
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
        {file && !entity && entities && <Box>Choose an entity to see what the file would become in it.</Box>}
        {look.problem && (
          <Alert type="error" header={look.problem.title}>
            <ProblemText problem={look.problem} />
          </Alert>
        )}
        {look.busy && look.sent === null && !seen && (
          <StatusIndicator type="loading">Looking at the file</StatusIndicator>
        )}
        {entity && seen && (
          <LookAt
            seen={seen}
            entity={entity}
            mapping={mapping}
            reading={reading}
            disabled={busy}
            onMap={(index, field) => setMapping((old) => old.map((known, at) => (at === index ? field : known)))}
            onReading={setReading}
          />
        )}
        <ColumnLayout columns={2}>
          <FormField
            label="Mode"
            constraintText={hasKey ? undefined : "This entity has no key: each row is a new record."}
          >
            <Select
              options={MODES.map((known) => ({
                ...known,
                disabled: !hasKey && (known.value === "update" || known.value === "delete"),
              }))}
              selectedOption={chosen(MODES, mode)}
              disabled={busy}
              onChange={({ detail }) => setMode(detail.selectedOption.value!)}
            />
          </FormField>
          <FormField label="Rows with errors">
            <Select
              options={POLICIES}
              selectedOption={chosen(POLICIES, onError)}
              disabled={busy}
              onChange={({ detail }) => setOnError(detail.selectedOption.value!)}
            />
          </FormField>
          {onError === "abort" && (
            <FormField label="Stop after this many bad rows">
              <Input
                type="number"
                value={maxErrors}
                disabled={busy}
                onChange={({ detail }) => setMaxErrors(detail.value)}
              />
            </FormField>
          )}
        </ColumnLayout>
        <SpaceBetween size="xs">
          <Checkbox
            checked={dryRun}
            disabled={busy}
            description="Checks every row and writes nothing"
            onChange={({ detail }) => setDryRun(detail.checked)}
          >
            Dry run
          </Checkbox>
          <Checkbox
            checked={unescapeFormulas}
            disabled={busy}
            description="For files that an export guarded against formulas"
            onChange={({ detail }) => setUnescapeFormulas(detail.checked)}
          >
            Take the formula guard ( ' ) off again
          </Checkbox>
        </SpaceBetween>
        <div ref={foot} />
        {look.sent !== null && (
          <ProgressBar
            label="Sending the file"
            value={look.size ? (100 * look.sent) / look.size : 100}
            additionalInfo={`${bytes(look.sent)} of ${bytes(look.size)}`}
          />
        )}
        {tried && (
          <DryRun
            key={tried.jobId}
            started={tried}
            onProblem={(found) => {
              setTried(null);
              setProblem(found);
            }}
            onEnd={(job) => {
              setTried(job);
              setDryRun(false);
            }}
          />
        )}
        {problem && (
          <Alert type="error" header={problem.title}>
            <ProblemText problem={problem} />
          </Alert>
        )}
      </SpaceBetween>
    </Modal>
  );
}
