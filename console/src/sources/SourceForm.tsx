/** Creates or edits a source, with a test of its location that lists what would be fetched. */
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import Form from "@cloudscape-design/components/form";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "react-router";
import { at, call, callOnce } from "../api/client";
import type { Destination, Entity, Source, SourceTest } from "../api/types";
import { useEntities } from "../api/useEntities";
import { StatusText } from "../common/StatusText";
import { SelectField, TextField } from "../common/fields";
import { RecipientsField, WebhooksField } from "../common/Told";
import { formatBytes } from "../common/format";
import { Leaving } from "../common/Leaving";
import { Name } from "../common/Name";
import { say } from "../common/notices";
import { ProblemAlert } from "../common/ProblemAlert";
import { Time } from "../common/Time";
import { useKept } from "../common/useKept";
import { DESTINATIONS } from "../exports/destinations";
import { ofKind, withoutEmpty } from "../exports/destinations/changes";
import { FAILURE_LABELS } from "../exports/destinations/failures";
import type { DestinationKind } from "../exports/destinations/kind";
import { newDraft } from "../exports/wizard/draft";
import { ScheduleStep } from "../exports/wizard/ScheduleStep";
import { DEFAULT_SETTINGS, ImportPolicy, type Settings } from "../imports/ImportOptions";
import { may, useMe } from "../session/useMe";
import { bodyOf, draftOf, type Draft } from "./draft";
import { patternWarning } from "./pattern";
import { useSourceToEdit } from "./useSources";
import { DecryptionFields } from "./DecryptionFields";

const KINDS = (Object.entries(DESTINATIONS) as [Destination["kind"], DestinationKind][]).filter(
  ([, kind]) => kind.isDelivery,
);
const AFTER = [
  ["leave", "Stays there"],
  ["delete", "Is deleted"],
  ["move", "Is moved"],
] as const;
const ORDER = [
  ["name", "By name"],
  ["modified", "By time, oldest first"],
] as const;

export default function SourceForm() {
  const { sourceId } = useParams();
  const me = useMe();
  const entities = useEntities();
  const edited = useSourceToEdit(sourceId ?? null);
  const error = entities.error ?? edited.error;
  if (error) return <ProblemAlert error={error} />;
  if (!entities.data || (sourceId && !edited.data)) return <Spinner size="large" />;
  return <Fields entities={entities.data.filter((entity) => may(me, "import", entity))} edited={edited.data} />;
}

function newSource(entity: string): Draft {
  return {
    name: "",
    entity,
    location: { kind: "s3" },
    pattern: "*.csv",
    schedule: { every: "PT1H", timezone: "UTC" },
    after: "leave",
    moveTo: null,
    order: "name",
    recipients: [],
    webhooks: [],
  };
}

function settingsOf(options: Source["options"] | undefined): Settings {
  const { mode, blanks, onError, maxErrors } = options ?? {};
  return {
    ...DEFAULT_SETTINGS,
    mode: mode ?? "upsert",
    blanks: blanks ?? DEFAULT_SETTINGS.blanks,
    onError: onError ?? DEFAULT_SETTINGS.onError,
    maxErrors: maxErrors ?? DEFAULT_SETTINGS.maxErrors,
  };
}

function Fields({ entities, edited }: { entities: Entity[]; edited: Source | undefined }) {
  const navigate = useNavigate();
  const me = useMe();
  const of = edited ? `${edited.sourceId}.${edited.version}` : "";
  const form = useKept(`${me.name}/sources/${edited?.sourceId ?? "new"}`, of, () => ({
    draft: edited ? draftOf(edited) : newSource(entities[0]?.name ?? ""),
    settings: settingsOf(edited?.options),
  }));
  const { draft, settings } = form.value;
  const change = (changes: Partial<Draft>) =>
    form.change(({ draft, settings }) => ({ draft: { ...draft, ...changes }, settings }));
  const entity = entities.find(({ name }) => name === draft.entity);
  const mode = settings.mode ?? "upsert";
  const { Fields: LocationFields } = DESTINATIONS[draft.location.kind];
  const save = useMutation({
    mutationFn: async () => {
      const body = bodyOf(draft, settings, edited?.options);
      const made = edited
        ? await call<Source>("PUT", at`sources/${edited.sourceId}`, { body })
        : await callOnce<Source>("sources", { body });
      form.settle();
      say("The source was saved as a draft: activate it to run on its schedule", <Name>{made.name}</Name>);
      await navigate("/sources");
    },
  });
  return (
    <Form
      header={<Header variant="h1">{edited ? "Edit source" : "Create source"}</Header>}
      actions={
        <SpaceBetween direction="horizontal" size="xs">
          <Button variant="link" onClick={() => void navigate("/sources")}>
            Cancel
          </Button>
          <Button variant="primary" loading={save.isPending} onClick={() => save.mutate()}>
            Save draft
          </Button>
        </SpaceBetween>
      }
    >
      <Leaving form={form} />
      <SpaceBetween size="m">
        <Container header={<Header variant="h2">What is imported</Header>}>
          <SpaceBetween size="m">
            <ColumnLayout columns={2}>
              <TextField label="Name" value={draft.name} onChange={(name) => change({ name })} />
              <SelectField
                label="Entity"
                value={draft.entity}
                options={entities.map(({ name, title }) => [name, title || name] as const)}
                onChange={(name) => change({ entity: name })}
              />
            </ColumnLayout>
            <ImportPolicy
              settings={settings}
              mode={mode}
              hasKey={Boolean(entity?.schema.primaryKey?.length)}
              effect={null}
              disabled={false}
              change={(changes) =>
                form.change(({ draft, settings }) => ({ draft, settings: { ...settings, ...changes } }))
              }
            />
          </SpaceBetween>
        </Container>
        <Container header={<Header variant="h2">Where files are</Header>}>
          <SpaceBetween size="m">
            <SelectField
              label="Location"
              value={draft.location.kind}
              options={KINDS.map(([kind, { label }]) => [kind, label] as const)}
              onChange={(kind) => change({ location: ofKind(draft.location, kind) })}
            />
            <LocationFields
              destination={draft.location}
              change={(changes) => change({ location: withoutEmpty({ ...draft.location, ...changes }) })}
            />
            <DecryptionFields
              decryption={draft.location.decryption}
              change={(decryption) => change({ location: withoutEmpty({ ...draft.location, decryption }) })}
            />
            <ColumnLayout columns={2}>
              <TextField
                label="Files"
                value={draft.pattern}
                help="Such as orders_*.csv; * and ? stand for other characters"
                warning={patternWarning(draft)}
                onChange={(pattern) => change({ pattern })}
              />
              <SelectField label="Order" value={draft.order} options={ORDER} onChange={(order) => change({ order })} />
              <SelectField
                label="A file that is imported"
                value={draft.after}
                options={AFTER}
                onChange={(after) => change({ after })}
              />
              {draft.after === "move" && (
                <TextField
                  label="Moved to"
                  value={draft.moveTo ?? ""}
                  help="A directory, or a prefix in the bucket"
                  onChange={(moveTo) => change({ moveTo })}
                />
              )}
            </ColumnLayout>
            <TestLocation draft={draft} />
          </SpaceBetween>
        </Container>
        <ScheduleStep
          draft={{ ...newDraft(draft.entity), type: "PERIODIC_FULL", schedule: draft.schedule }}
          change={({ schedule }) => schedule && change({ schedule })}
        />
        <Container>
          <SpaceBetween size="m">
            <RecipientsField
              label="Recipients"
              help="E-mail addresses with commas between: get the report of each import, and are told once when the location cannot be read, and when the source pauses"
              recipients={draft.recipients}
              onChange={(recipients) => change({ recipients })}
            />
            <WebhooksField
              entity={draft.entity}
              webhooks={draft.webhooks}
              onChange={(webhooks) => change({ webhooks })}
            />
          </SpaceBetween>
        </Container>
        {save.error && <ProblemAlert error={save.error} />}
      </SpaceBetween>
    </Form>
  );
}

function TestLocation({ draft: { entity, location, pattern, order } }: { draft: Draft }) {
  const body = { entity, location, pattern, order };
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: ["test-source", body], // a result is of exactly these settings
    queryFn: ({ signal }) => call<SourceTest>("POST", "sources/test", { body, signal }),
    enabled: false,
    gcTime: 0,
  });
  return (
    <SpaceBetween size="s">
      <Button loading={isFetching} loadingText="Testing the location" onClick={() => void refetch()}>
        Test and list files
      </Button>
      <div role="status">
        {isFetching && <StatusText type="loading">Testing: this takes up to 25 seconds</StatusText>}
        {!isFetching && error && <ProblemAlert error={error} />}
        {!isFetching && !error && data && <Result test={data} />}
      </div>
    </SpaceBetween>
  );
}

function Result({ test: { ok, code, detail, files } }: { test: SourceTest }) {
  return (
    <Alert
      type={ok ? "success" : "error"}
      header={ok ? "The location can be read" : code ? FAILURE_LABELS[code] : "The location cannot be read"}
    >
      <Name>{detail}</Name>
      {files.length > 0 && (
        <ul>
          {files.map(({ name, sizeBytes, modified }) => (
            <li key={name}>
              <Name>{name}</Name>, {formatBytes(sizeBytes)}, <Time at={modified} />
            </li>
          ))}
        </ul>
      )}
    </Alert>
  );
}
