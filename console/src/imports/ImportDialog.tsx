/** Import from file: what, how it looks, how to import it, start. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import FileUpload from "@cloudscape-design/components/file-upload";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Modal from "@cloudscape-design/components/modal";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import Select, { type SelectProps } from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";
import { useEffect, useMemo, useRef, useState } from "react";
import { pages } from "../client";
import type { Entity } from "../contract";
import { bytes, Name } from "../format";
import { may, useMe } from "../me";
import { ProblemText, say } from "../notices";
import { Problem } from "../problem";
import { cellProblem, HEAD_BYTES, preview, primaryKey, proposeColumns, type Preview } from "./preview";
import { sendAndImport } from "./send";

const AUTOMATIC: SelectProps.Option = { value: "", label: "Detect" };
const ENCODINGS = [AUTOMATIC, ...["utf-8", "windows-1252", "iso-8859-15", "utf-16le", "utf-16be", "shift_jis"].map(option)];
const DELIMITERS = [
  AUTOMATIC,
  { value: ",", label: "Comma" },
  { value: ";", label: "Semicolon" },
  { value: "\t", label: "Tab" },
  { value: "|", label: "Bar" },
];
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
const NO_FIELD: SelectProps.Option = { value: "", label: "– no field –" };

function option(value: string): SelectProps.Option {
  return { value, label: value };
}
function chosen(options: SelectProps.Option[], value: string): SelectProps.Option {
  return options.find((known) => known.value === value) ?? options[0]!;
}

interface Props {
  entityName: string | null;
  onClose: (started: boolean) => void;
}

export default function ImportDialog({ entityName, onClose }: Props) {
  const me = useMe();
  const [entities, setEntities] = useState<Entity[] | null>(null);
  const [name, setName] = useState(entityName ?? "");
  const [file, setFile] = useState<File | null>(null);
  const [head, setHead] = useState<Uint8Array | null>(null);
  const [encoding, setEncoding] = useState("");
  const [delimiter, setDelimiter] = useState("");
  const [mapping, setMapping] = useState<(string | null)[]>([]);
  const [mode, setMode] = useState("upsert");
  const [onError, setOnError] = useState("skip");
  const [maxErrors, setMaxErrors] = useState("1");
  const [dryRun, setDryRun] = useState(false);
  const [unescapeFormulas, setUnescapeFormulas] = useState(false);
  const [sent, setSent] = useState<number | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const control = useRef<AbortController | null>(null);

  useEffect(() => {
    pages<Entity>("entities", {}, { wanted: 10_000 }).then(
      ({ items }) => setEntities(items),
      (error: unknown) => setProblem(Problem.of(error)),
    );
    return () => control.current?.abort();
  }, []);
  useEffect(() => {
    setHead(null);
    let current = true;
    file
      ?.slice(0, HEAD_BYTES)
      .arrayBuffer()
      .then(
        (buffer) => current && setHead(new Uint8Array(buffer)),
        () => current && setProblem(new Problem(-1, "The file cannot be read", "It was moved, changed or is a folder.")),
      );
    return () => {
      current = false;
    };
  }, [file]);

  const open = (entities ?? []).filter((entity) => may(me, "import", entity));
  const entity = open.find((known) => known.name === name);
  const seen = useMemo(
    () => (file && head ? preview(file.name, head, file.size <= HEAD_BYTES, { encoding, delimiter }) : null),
    [file, head, encoding, delimiter],
  );
  useEffect(() => {
    setMapping(seen && entity ? proposeColumns(seen.header, entity) : []);
  }, [seen, entity]);

  const hasKey = entity === undefined || primaryKey(entity.schema).length > 0;
  const busy = sent !== null;
  const start = async () => {
    if (!entity || !file) return;
    control.current = new AbortController();
    setProblem(null);
    setSent(0);
    try {
      const columns = renamed(seen, mapping, entity);
      const job = await sendAndImport(
        entity.name,
        file,
        {
          mode,
          onError,
          ...(onError === "abort" ? { maxErrors: Number(maxErrors) } : {}),
          dryRun,
          unescapeFormulas,
          ...(encoding ? { encoding } : {}),
          ...(delimiter ? { dialect: { ...entity.dialect, delimiter } } : {}),
          ...(columns ? { columns } : {}),
        },
        setSent,
        control.current.signal,
      );
      say(dryRun ? "The dry run has started" : "The import has started", <Name>{job.fileName}</Name>);
      onClose(true);
    } catch (error) {
      setSent(null);
      if (!control.current.signal.aborted) setProblem(Problem.of(error));
    }
  };

  return (
    <Modal
      visible
      size="max"
      header="Import from file"
      onDismiss={() => onClose(false)}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={() => (busy ? control.current?.abort() : onClose(false))}>
              {busy ? "Stop sending" : "Close"}
            </Button>
            <Button variant="primary" disabled={!entity || !file} loading={busy} onClick={() => void start()}>
              {dryRun ? "Start dry run" : "Start import"}
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="l">
        {problem && (
          <Alert type="error" header={problem.title}>
            <ProblemText problem={problem} />
          </Alert>
        )}
        {busy && file && (
          <ProgressBar
            label="Sending the file"
            value={file.size ? (100 * sent) / file.size : 100}
            additionalInfo={`${bytes(sent)} of ${bytes(file.size)}`}
          />
        )}
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
              options={open.map(({ name, title }) => ({ value: name, label: name, description: title && title !== name ? title : undefined }))}
              selectedOption={entity ? option(entity.name) : null}
              onChange={({ detail }) => setName(detail.selectedOption.value ?? "")}
            />
          </FormField>
          <FormField label="File" description="CSV, Excel or JSON Lines, also compressed. Drag it here, or choose it.">
            <FileUpload
              value={file ? [file] : []}
              showFileSize
              onChange={({ detail }) => {
                setFile(detail.value[0] ?? null);
                setEncoding("");
                setDelimiter("");
              }}
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
        {file && seen && (
          <Look
            seen={seen}
            entity={entity}
            mapping={mapping}
            onMap={(index, field) => setMapping((old) => old.map((known, at) => (at === index ? field : known)))}
            controls={
              <ColumnLayout columns={2}>
                <FormField label="Encoding">
                  <Select
                    options={named(ENCODINGS, seen.encoding + (seen.bom ? ", with mark" : ""))}
                    selectedOption={chosen(named(ENCODINGS, seen.encoding), encoding)}
                    disabled={busy}
                    onChange={({ detail }) => setEncoding(detail.selectedOption.value ?? "")}
                  />
                </FormField>
                <FormField label="Delimiter">
                  <Select
                    options={named(DELIMITERS, chosen(DELIMITERS, seen.delimiter).label ?? "")}
                    selectedOption={chosen(named(DELIMITERS, chosen(DELIMITERS, seen.delimiter).label ?? ""), delimiter)}
                    disabled={busy || seen.kind !== "csv"}
                    onChange={({ detail }) => setDelimiter(detail.selectedOption.value ?? "")}
                  />
                </FormField>
              </ColumnLayout>
            }
          />
        )}
        <ColumnLayout columns={2}>
          <FormField label="Mode" constraintText={hasKey ? undefined : "This entity has no key: each row is a new record."}>
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
              <Input type="number" value={maxErrors} disabled={busy} onChange={({ detail }) => setMaxErrors(detail.value)} />
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
      </SpaceBetween>
    </Modal>
  );
}

/** "Detect" says what was detected. */
function named(options: SelectProps.Option[], detected: string): SelectProps.Option[] {
  return options.map((known) => (known.value === "" && detected ? { ...known, label: `Detected: ${detected}` } : known));
}

/** What the job has to be told about columns: nothing where names and memory of the entity suffice. */
function renamed(seen: Preview | null, mapping: (string | null)[], entity: Entity): Record<string, string> | undefined {
  const columns: Record<string, string> = {};
  seen?.header.forEach((label, index) => {
    const field = mapping[index];
    if (field && field !== (entity.columns?.[label] ?? label)) columns[label] = field;
  });
  return Object.keys(columns).length ? columns : undefined;
}

interface LookProps {
  seen: Preview;
  entity: Entity | undefined;
  mapping: (string | null)[];
  onMap: (index: number, field: string | null) => void;
  controls: React.ReactNode;
}

/** The columns of the file, what they become, and their first values. */
function Look({ seen, entity, mapping, onMap, controls }: LookProps) {
  if (seen.kind === "workbook" || seen.kind === "archive") {
    return (
      <Alert type="info" header={seen.kind === "workbook" ? "A workbook" : "A compressed file"}>
        Sheet, header and columns are detected when the import starts, and then stand in the list. A dry run shows what would
        become of each row.
      </Alert>
    );
  }
  const fields = entity?.schema.fields ?? [];
  const left = fields.filter(({ name }) => !mapping.includes(name));
  const key = entity ? primaryKey(entity.schema) : [];
  // How far a header may differ (Table Schema, `fieldsMatch`).
  const match = [entity?.schema.fieldsMatch ?? "exact"].flat()[0]!;
  const mustHaveAll = ["exact", "equal", "subset"].includes(match);
  const lacking = left.filter((field) => mustHaveAll || key.includes(field.name) || field.constraints?.required === true);
  const extra = ["exact", "equal", "superset"].includes(match) ? seen.header.filter((_, index) => !mapping[index]) : [];
  const options = [NO_FIELD, ...fields.map(({ name, title, type }) => ({ value: name, label: name, description: title ?? type }))];
  return (
    <SpaceBetween size="m">
      {controls}
      {lacking.length > 0 && (
        <Alert type="warning" header="Columns are missing">
          The file has no column for {lacking.map(({ name }) => name).join(", ")}, which the entity asks for.
        </Alert>
      )}
      {entity && extra.length > 0 && (
        <Alert type="warning" header="Columns without a field">
          The entity takes no other columns: with <bdi>{extra.join(", ")}</bdi> in it, the import would fail.
        </Alert>
      )}
      <Table
        variant="embedded"
        wrapLines
        header={
          <Header
            variant="h3"
            counter={`(${seen.header.length})`}
            description={`The first ${seen.rows.length} rows, as the browser reads them. The import itself has the last word.`}
          >
            Columns
          </Header>
        }
        items={seen.header.map((label, index) => ({ label, index }))}
        trackBy={({ index }) => String(index)}
        columnDefinitions={[
          {
            id: "label",
            header: "In the file",
            isRowHeader: true,
            cell: ({ label }) => (label ? <Name>{label}</Name> : <em>no name</em>),
          },
          {
            id: "field",
            header: "Field",
            minWidth: 200,
            cell: ({ label, index }) =>
              entity ? (
                <Select
                  expandToViewport
                  ariaLabel={`Field for the column ${label}`}
                  options={options}
                  selectedOption={chosen(options, mapping[index] ?? "")}
                  onChange={({ detail }) => onMap(index, detail.selectedOption.value || null)}
                />
              ) : (
                "Choose an entity"
              ),
          },
          {
            id: "values",
            header: "First values",
            cell: ({ index }) => {
              const field = fields.find(({ name }) => name === mapping[index]);
              return <Values seen={seen} index={index} check={(cell) => field && entity && cellProblem(cell, field, entity.schema)} />;
            },
          },
        ]}
        empty="The file has no columns."
      />
      {entity && left.length > lacking.length && (
        <Box variant="small">
          Fields without a column: {left.filter((field) => !lacking.includes(field)).map(({ name }) => name).join(", ")}
        </Box>
      )}
    </SpaceBetween>
  );
}

function Values({ seen, index, check }: { seen: Preview; index: number; check: (cell: string) => string | null | undefined }) {
  return (
    <SpaceBetween size="xxxs">
      {seen.rows.slice(0, 5).map((row, at) => {
        const cell = row[index] ?? "";
        const problem = check(cell);
        const text = cell === "" ? <em>empty</em> : <Name>{cell}</Name>;
        return problem ? (
          <StatusIndicator key={at} type="warning">
            {text} {problem}
          </StatusIndicator>
        ) : (
          <div key={at}>{text}</div>
        );
      })}
    </SpaceBetween>
  );
}
