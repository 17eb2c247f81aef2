/** Create or edit an export: steps that follow its type and data, then the summary of the draft that they made. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Textarea from "@cloudscape-design/components/textarea";
import Tiles from "@cloudscape-design/components/tiles";
import Wizard from "@cloudscape-design/components/wizard";
import { useEffect, useState, type ReactNode } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";
import { at, call, pages } from "../client";
import {
  EXPORT_TYPES,
  type Condition,
  type Definition,
  type Destination,
  type Entity,
  type Export,
  type ExportType,
  type Schedule,
} from "../contract";
import { Name, ZONE } from "../format";
import { isAdmin, may, useMe } from "../me";
import { ProblemText, say } from "../notices";
import { Problem } from "../problem";
import { useQuery } from "../query";
import { NextRuns } from "./NextRuns";
import { Summary } from "./Summary";
import { TestConnection } from "./TestConnection";
import {
  conditionValue,
  DAY_WORDS,
  DAYS,
  defaultFileName,
  definitionOf,
  fileNameAt,
  isIncremental,
  isPeriodic,
  NOT_EMPTY,
  OPS,
  TYPE_HELP,
  TYPE_WORDS,
} from "./words";

const SUMMARY = 6; // the last step
const DELIMITERS: [string, string][] = [",", ";", "\t", "|"].map((value, index) => [
  value,
  ["Comma", "Semicolon", "Tab", "Bar"][index]!,
]);
const ZONES: [string, string][] = [...new Set([ZONE, "UTC", ...Intl.supportedValuesOf("timeZone")])].map((zone) => [
  zone,
  zone,
]);

/** A condition as it is typed; `given`: as it was before anybody typed, which goes back to the API as it came. */
interface Typed {
  field: string;
  op: string;
  text: string;
  given?: Condition;
}

export default function ExportWizard() {
  const { exportId } = useParams();
  const [query] = useSearchParams();
  const [entities, setEntities] = useState<Entity[] | null>(null);
  const [start, setStart] = useState<Definition | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const me = useMe();
  useEffect(() => {
    const fail = (error: unknown) => setProblem(Problem.of(error));
    pages<Entity>("entities", {}, { wanted: 10_000 }).then(({ items }) => setEntities(items), fail);
    if (exportId) call<Export>("GET", at`exports/${exportId}`).then((found) => setStart(definitionOf(found)), fail);
    else setStart({ name: "", entity: query.get("entity") ?? "", type: "ONE_SHOT" });
  }, [exportId]);
  if (problem) {
    return (
      <Alert type="error" header={problem.title}>
        <ProblemText problem={problem} />
      </Alert>
    );
  }
  if (!entities || !start) return <Spinner size="large" />;
  return <Steps entities={entities.filter((entity) => may(me, "export", entity))} start={start} exportId={exportId} />;
}

function Steps({ entities, start, exportId }: { entities: Entity[]; start: Definition; exportId: string | undefined }) {
  const navigate = useNavigate();
  const [query, setQuery] = useQuery();
  const [definition, setDefinition] = useState(start);
  const [conditions, setConditions] = useState<Typed[]>(() => (start.filter ?? []).map(typed));
  const [draftId, setDraftId] = useState(exportId);
  const [saved, setSaved] = useState(exportId ? start : null); // what the API has, while nothing else is typed
  const [runs, setRuns] = useState<string[]>([]);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const entity = entities.find(({ name }) => name === definition.entity);
  const change = (changes: Partial<Definition>) => {
    setDefinition((old) => ({ ...old, ...changes }));
    setSaved(null);
  };
  const lacks = !definition.name.trim() || !entity;
  // A link leads to any step that has what it needs; the summary is of a draft that is saved.
  const asked = Math.min(Math.max(Number(query.get("step") ?? 1) - 1 || 0, 0), SUMMARY);
  const step = lacks ? 0 : asked === SUMMARY && !saved ? SUMMARY - 1 : asked;
  useEffect(() => setProblem(null), [step]);
  const goTo = (index: number) => setQuery({ step: index ? String(index + 1) : null });
  const toExports = (tab: string) => void navigate(`/exports?tab=${tab}`);

  /** The API checks everything, drafts too: so the draft is saved before its summary is shown. */
  const save = async () => {
    const body: Definition = {
      ...definition,
      filter: conditions.map(
        ({ field, op, text, given }): Condition =>
          given ?? {
            field,
            op: (op === NOT_EMPTY ? "empty" : op) as Condition["op"],
            value: conditionValue(
              op,
              text,
              entity?.schema.fields.find(({ name }) => name === field),
            ),
          },
      ),
    };
    const made = draftId
      ? await call<Export>("PUT", at`exports/${draftId}`, { body })
      : await call<Export>("POST", "exports", { body });
    setDraftId(made.exportId);
    setSaved(definitionOf(made));
    // From here on the address is the draft's: a page that is loaded anew goes on with it.
    void navigate(`/exports/${made.exportId}/edit?step=${SUMMARY + 1}`);
  };
  useEffect(() => {
    if (step !== SUMMARY || !draftId) return;
    const control = new AbortController();
    const { signal } = control;
    call<{ items: string[] }>("GET", at`exports/${draftId}/preview-schedule`, { signal }).then(
      ({ items }) => setRuns(items),
      (error: unknown) => signal.aborted || setProblem(Problem.of(error)),
    );
    return () => control.abort();
  }, [step, draftId, saved]);
  const attempt = async (what: () => Promise<void>) => {
    setBusy(true);
    setProblem(null);
    try {
      await what();
    } catch (error) {
      setProblem(Problem.of(error));
    } finally {
      setBusy(false);
    }
  };

  const steps: { title: string; content: ReactNode; isOptional?: boolean }[] = [
    { title: "Data and type", content: <DataStep {...{ definition, change, entities }} /> },
    { title: "Fields", content: <FieldsStep {...{ definition, change, entity }} />, isOptional: true },
    {
      title: "Filter",
      content: (
        <FilterStep
          {...{ entity, conditions }}
          setConditions={(next) => {
            setConditions(next);
            setSaved(null);
          }}
        />
      ),
      isOptional: true,
    },
    { title: "Format and file name", content: <FormatStep {...{ definition, change }} />, isOptional: true },
    { title: "Schedule", content: <ScheduleStep {...{ definition, change }} /> },
    { title: "Destination and recipients", content: <DestinationStep {...{ definition, change }} /> },
    {
      title: "Summary",
      content: <Container>{saved && <Summary definition={saved} runs={runs} />}</Container>,
    },
  ];

  return (
    <Wizard
      i18nStrings={{
        stepNumberLabel: (number) => `Step ${number}`,
        collapsedStepsLabel: (number, count) => `Step ${number} of ${count}`,
        skipToButtonLabel: (target) => `Skip to ${target.title}`,
        navigationAriaLabel: "Steps",
        cancelButton: draftId ? "Keep as draft" : "Cancel",
        previousButton: "Previous",
        nextButton: "Next",
        optional: "optional",
      }}
      submitButtonText="Activate"
      isLoadingNextStep={busy}
      activeStepIndex={step}
      onNavigate={({ detail: { requestedStepIndex: wanted, reason } }) => {
        if (step === 0 && wanted > 0 && lacks) {
          const members = [
            ...(definition.name.trim() ? [] : [{ pointer: "#/name", detail: "is required" }]),
            ...(entity ? [] : [{ pointer: "#/entity", detail: "is required" }]),
          ];
          setProblem(new Problem(422, "Something is missing", "An export needs these:", members));
          return;
        }
        setProblem(null);
        if (wanted === SUMMARY && reason !== "previous") void attempt(save);
        else goTo(wanted);
      }}
      onCancel={() => toExports("DRAFT")}
      onSubmit={() =>
        void attempt(async () => {
          const { status, name } = await call<Export>("POST", at`exports/${draftId!}/activate`);
          say("The export was activated", <Name>{name}</Name>);
          toExports(status);
        })
      }
      steps={steps.map(({ content, ...each }) => ({
        ...each,
        content: (
          <SpaceBetween size="m">
            {problem && (
              <Alert type="error" header={problem.title}>
                <ProblemText problem={problem} />
              </Alert>
            )}
            {content}
          </SpaceBetween>
        ),
      }))}
    />
  );
}

function typed(given: Condition): Typed {
  const { field, op, value } = given;
  if (op === "empty") return { field, op: value === false ? NOT_EMPTY : op, text: "", given };
  return { field, op, text: Array.isArray(value) ? value.join(",") : String(value ?? ""), given };
}

interface StepProps {
  definition: Definition;
  change: (changes: Partial<Definition>) => void;
}

function Choice(props: {
  label: string;
  value: string;
  options: [string, string][];
  onChange: (value: string) => void;
}) {
  const options = props.options.map(([value, label]) => ({ value, label }));
  return (
    <FormField label={props.label}>
      <Select
        filteringType={options.length > 12 ? "auto" : "none"}
        options={options}
        placeholder="Choose"
        selectedOption={options.find(({ value }) => value === props.value) ?? null}
        onChange={({ detail }) => props.onChange(detail.selectedOption.value ?? "")}
      />
    </FormField>
  );
}

function Text(props: { label: string; value: string | undefined; onChange: (value: string) => void; help?: string }) {
  return (
    <FormField label={props.label} constraintText={props.help}>
      <Input value={props.value ?? ""} onChange={({ detail }) => props.onChange(detail.value)} />
    </FormField>
  );
}

function DataStep({ definition, change, entities }: StepProps & { entities: Entity[] }) {
  const me = useMe();
  const isBackOffice = isAdmin(me) || me.groups.includes("backoffice");
  const types = EXPORT_TYPES.filter((type) => isBackOffice || !type.includes("CUSTOM"));
  return (
    <Container>
      <SpaceBetween size="m">
        <Text label="Name" value={definition.name} onChange={(name) => change({ name })} />
        <Choice
          label="Entity"
          value={definition.entity}
          options={entities.map(({ name, title }) => [name, title && title !== name ? `${name}: ${title}` : name])}
          onChange={(entity) => change({ entity, fields: null })}
        />
        <FormField label="Type">
          <Tiles
            value={definition.type}
            items={types.map((value) => ({ value, label: TYPE_WORDS[value], description: TYPE_HELP[value] }))}
            onChange={({ detail }) => {
              const type = detail.value as ExportType;
              const wasPeriodic = isPeriodic(definition.type);
              change({
                type,
                includeDeleted: isIncremental(type) && definition.includeDeleted,
                ...(wasPeriodic === isPeriodic(type)
                  ? {}
                  : {
                      schedule: isPeriodic(type) ? { time: "02:30", timezone: ZONE, days: DAYS } : null,
                      destination: { kind: isPeriodic(type) ? "s3" : "download" },
                    }),
              });
            }}
          />
        </FormField>
      </SpaceBetween>
    </Container>
  );
}

function FieldsStep({ definition, change, entity }: StepProps & { entity: Entity | undefined }) {
  const all = entity?.schema.fields.map(({ name }) => name) ?? [];
  const chosen = definition.fields ?? all;
  const set = (fields: string[]) => change({ fields: fields.join("\n") === all.join("\n") ? null : fields });
  const move = (from: number, to: number) => {
    const next = [...chosen];
    next.splice(to, 0, ...next.splice(from, 1));
    set(next);
  };
  return (
    <Container>
      <SpaceBetween size="xs">
        <Box>The columns of the file, in their order.</Box>
        {[...chosen, ...all.filter((name) => !chosen.includes(name))].map((name) => {
          const index = chosen.indexOf(name);
          return (
            <SpaceBetween key={name} direction="horizontal" size="xs" alignItems="center">
              <Button
                variant="icon"
                iconName="angle-up"
                ariaLabel={`Move ${name} up`}
                disabled={index < 1}
                onClick={() => move(index, index - 1)}
              />
              <Button
                variant="icon"
                iconName="angle-down"
                ariaLabel={`Move ${name} down`}
                disabled={index < 0 || index === chosen.length - 1}
                onClick={() => move(index, index + 1)}
              />
              <Checkbox
                checked={index >= 0}
                onChange={({ detail }) =>
                  set(detail.checked ? [...chosen, name] : chosen.filter((known) => known !== name))
                }
              >
                <Name>{name}</Name>
              </Checkbox>
            </SpaceBetween>
          );
        })}
      </SpaceBetween>
    </Container>
  );
}

interface FilterProps {
  entity: Entity | undefined;
  conditions: Typed[];
  setConditions: (conditions: Typed[]) => void;
}

function FilterStep({ entity, conditions, setConditions }: FilterProps) {
  const names: [string, string][] = (entity?.schema.fields ?? []).map(({ name }) => [name, name]);
  const set = (index: number, changes: Partial<Typed>) =>
    setConditions(conditions.map((known, at) => (at === index ? { ...known, ...changes, given: undefined } : known)));
  return (
    <Container>
      <SpaceBetween size="m">
        <Box>{conditions.length ? "All of these must hold." : "Without conditions, all records are exported."}</Box>
        {conditions.map((condition, index) => (
          <ColumnLayout key={index} columns={4}>
            <Choice label="Field" value={condition.field} options={names} onChange={(field) => set(index, { field })} />
            <Choice
              label="Condition"
              value={condition.op}
              options={Object.entries(OPS)}
              onChange={(op) => set(index, { op })}
            />
            {condition.op === "empty" || condition.op === NOT_EMPTY ? (
              <div />
            ) : (
              <Text label="Value" value={condition.text} onChange={(text) => set(index, { text })} />
            )}
            <Box padding={{ top: "xl" }}>
              <Button
                ariaLabel={`Remove condition ${index + 1}`}
                onClick={() => setConditions(conditions.filter((_, at) => at !== index))}
              >
                Remove
              </Button>
            </Box>
          </ColumnLayout>
        ))}
        <Button
          iconName="add-plus"
          onClick={() => setConditions([...conditions, { field: names[0]?.[0] ?? "", op: "eq", text: "" }])}
        >
          Add condition
        </Button>
      </SpaceBetween>
    </Container>
  );
}

function FormatStep({ definition, change }: StepProps) {
  const format = definition.format ?? "csv";
  const pattern = definition.fileName ?? defaultFileName(definition);
  return (
    <Container>
      <SpaceBetween size="m">
        <ColumnLayout columns={3}>
          <Choice
            label="Format"
            value={format}
            options={[
              ["csv", "CSV"],
              ["xlsx", "Excel (XLSX)"],
              ["jsonl", "JSON Lines"],
            ]}
            onChange={(value) => change({ format: value as Definition["format"], dialect: {}, fileName: undefined })}
          />
          <Choice
            label="Compression"
            value={definition.compression ?? "none"}
            options={[
              ["none", "None"],
              ["gzip", "gzip"],
              ["zip", "zip"],
            ]}
            onChange={(value) => change({ compression: value as Definition["compression"], fileName: undefined })}
          />
          {format === "csv" && (
            <Choice
              label="Delimiter"
              value={String(definition.dialect?.delimiter ?? ",")}
              options={DELIMITERS}
              onChange={(delimiter) => change({ dialect: { ...definition.dialect, delimiter } })}
            />
          )}
        </ColumnLayout>
        <FormField
          label="File name"
          constraintText="$yyyyMMdd, $HHmm and the like become the date and time of the run."
          description={
            <>
              Now it would be <Name>{fileNameAt(pattern, new Date(), definition.schedule?.timezone)}</Name>
            </>
          }
        >
          <Input value={pattern} onChange={({ detail }) => change({ fileName: detail.value })} />
        </FormField>
        <Checkbox
          checked={definition.escapeFormulas ?? true}
          description="Puts ' before texts that a spreadsheet would run"
          onChange={({ detail }) => change({ escapeFormulas: detail.checked })}
        >
          Formula guard
        </Checkbox>
        {isIncremental(definition.type) && (
          <Checkbox
            checked={definition.includeDeleted ?? false}
            description="A last column _deleted tells what is gone"
            onChange={({ detail }) => change({ includeDeleted: detail.checked })}
          >
            Include deletions
          </Checkbox>
        )}
      </SpaceBetween>
    </Container>
  );
}

function ScheduleStep({ definition, change }: StepProps) {
  const schedule = definition.schedule ?? null;
  const set = (changes: Partial<Schedule>) => change({ schedule: { ...schedule, ...changes } });
  if (!isPeriodic(definition.type)) {
    return (
      <Container>
        <SpaceBetween size="m">
          <Choice
            label="When"
            value={schedule ? "at" : "now"}
            options={[
              ["now", "As soon as it is activated"],
              ["at", "At a date and time"],
            ]}
            onChange={(when) => change({ schedule: when === "at" ? { at: "", timezone: ZONE } : null })}
          />
          {schedule && (
            <ColumnLayout columns={2}>
              <Text
                label="Date and time"
                value={schedule.at}
                help="Such as 2026-01-31T09:30"
                onChange={(at) => set({ at })}
              />
              <Choice
                label="Time zone"
                value={schedule.timezone ?? ZONE}
                options={ZONES}
                onChange={(timezone) => set({ timezone })}
              />
            </ColumnLayout>
          )}
          {schedule && <NextRuns type={definition.type} schedule={schedule} />}
        </SpaceBetween>
      </Container>
    );
  }
  const days = schedule?.days ?? DAYS;
  return (
    <Container>
      <SpaceBetween size="m">
        <ColumnLayout columns={2}>
          <Text label="Time" value={schedule?.time} help="Such as 02:30" onChange={(time) => set({ time })} />
          <Choice
            label="Time zone"
            value={schedule?.timezone ?? "UTC"}
            options={ZONES}
            onChange={(timezone) => set({ timezone })}
          />
        </ColumnLayout>
        <FormField label="Days">
          <SpaceBetween direction="horizontal" size="m">
            {DAYS.map((day) => (
              <Checkbox
                key={day}
                checked={days.includes(day)}
                onChange={({ detail }) =>
                  set({ days: DAYS.filter((known) => (known === day ? detail.checked : days.includes(known))) })
                }
              >
                {DAY_WORDS[day]}
              </Checkbox>
            ))}
          </SpaceBetween>
        </FormField>
        <NextRuns type={definition.type} schedule={schedule} />
        <Box variant="small">
          A time that the clock skips in spring runs at the next valid minute; one that it shows twice in autumn runs
          once.
        </Box>
      </SpaceBetween>
    </Container>
  );
}

const KINDS: [string, string][] = [
  ["download", "Download"],
  ["s3", "Transfer box or another bucket"],
  ["sftp", "SFTP server"],
  ["ftps", "FTPS server"],
];

function DestinationStep({ definition, change }: StepProps) {
  const destination: Destination = definition.destination ?? { kind: "download" };
  const { kind } = destination;
  const set = (changes: Partial<Destination>) =>
    change({
      destination: Object.fromEntries(
        Object.entries({ ...destination, ...changes }).filter(([, value]) => value !== "" && value !== undefined),
      ) as unknown as Destination,
    });
  return (
    <Container>
      <SpaceBetween size="m">
        <Choice
          label="Destination"
          value={kind}
          options={KINDS.filter(([value]) => value !== "download" || !isPeriodic(definition.type))}
          onChange={(value) => change({ destination: { kind: value as Destination["kind"] } })}
        />
        {kind === "s3" && (
          <ColumnLayout columns={2}>
            <Text
              label="Bucket"
              value={destination.bucket}
              help="Empty for the transfer box"
              onChange={(bucket) => set({ bucket })}
            />
            <Text label="Prefix" value={destination.prefix} onChange={(prefix) => set({ prefix })} />
          </ColumnLayout>
        )}
        {(kind === "sftp" || kind === "ftps") && (
          <ColumnLayout columns={2}>
            <Text label="Host" value={destination.host} onChange={(host) => set({ host })} />
            <Text
              label="Port"
              value={destination.port?.toString()}
              help="Empty for the usual one"
              onChange={(port) => set({ port: port ? Number(port) : undefined })}
            />
            <Text label="Directory" value={destination.directory} onChange={(directory) => set({ directory })} />
            <Text
              label="Secret"
              value={destination.secretId}
              help="Name of the secret with the credentials"
              onChange={(secretId) => set({ secretId })}
            />
            {kind === "sftp" && (
              <Text label="Host key" value={destination.hostKey} onChange={(hostKey) => set({ hostKey })} />
            )}
            {kind === "ftps" && (
              <FormField label="CA certificate" constraintText="PEM; empty for public certificates">
                <Textarea
                  value={destination.caCertificate ?? ""}
                  onChange={({ detail }) => set({ caCertificate: detail.value })}
                />
              </FormField>
            )}
          </ColumnLayout>
        )}
        {kind !== "download" && <TestConnection entity={definition.entity} destination={destination} />}
        <Text
          label="Recipients of the report"
          value={definition.recipients?.join(", ")}
          help="E-mail addresses with commas between"
          onChange={(text) => change({ recipients: text ? text.split(",").map((each) => each.trim()) : [] })}
        />
      </SpaceBetween>
    </Container>
  );
}
