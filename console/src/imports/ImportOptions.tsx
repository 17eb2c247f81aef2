/** How a file is imported: mode, empty cells, bad rows; and dry run. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Checkbox from "@cloudscape-design/components/checkbox";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import FormField from "@cloudscape-design/components/form-field";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { Entity, Webhook } from "../api/types";
import { NumberField } from "../common/fields";
import { selectedOption } from "../common/options";
import { RecipientsField, WebhooksField } from "../common/Told";
import type { Effect } from "./effect";

const MODES = [
  { value: "upsert", label: "Add or replace", description: "Records with a known key are replaced as a whole" },
  { value: "insert", label: "Add only", description: "A row whose key exists is rejected" },
  { value: "merge", label: "Add or change", description: "Changes the file's columns; other fields stay as they are" },
  { value: "update", label: "Change only", description: "Changes the file's columns; unknown keys are rejected" },
  { value: "delete", label: "Delete", description: "Deletes the records whose keys are in the file" },
];
const NEED_A_KEY = ["merge", "update", "delete"];
const KEEP_FIELDS = ["merge", "update"];
const BLANKS = [
  { value: "clear", label: "Empty the field" },
  { value: "keep", label: "Leave the field as it is" },
];
const POLICIES = [
  { value: "skip", label: "Leave bad rows out", description: "They go to the rejects file, with the reasons" },
  { value: "abort", label: "Stop at bad rows", description: "What was imported until then stays" },
  { value: "all-or-nothing", label: "All or nothing", description: "Checks the whole file first; one bad row ends it" },
];

export function modeLabel(mode: string): string {
  return selectedOption(MODES, mode).label!;
}

export interface Settings {
  /** Null until somebody chooses: then it is the one that the file needs. */
  mode: string | null;
  blanks: string;
  onError: string;
  maxErrors: number;
  dryRun: boolean;
  /** Null until somebody chooses: then it is as the entity says. */
  keepPrevious: boolean | null;
  unescapeFormulas: boolean;
  rememberColumns: boolean;
  recipients: string[];
  webhooks: Webhook[];
}

export const DEFAULT_SETTINGS: Settings = {
  mode: null,
  blanks: "clear",
  onError: "skip",
  maxErrors: 1,
  dryRun: false,
  keepPrevious: null,
  unescapeFormulas: false,
  rememberColumns: false,
  recipients: [],
  webhooks: [],
};

/** Who is told of the end of the import. */
export function toldOf({ recipients, webhooks }: Settings): { recipients?: string[]; webhooks?: Webhook[] } {
  return { ...(recipients.length > 0 && { recipients }), ...(webhooks.length > 0 && { webhooks }) };
}

/** What an empty cell does, where the mode leaves that open. */
export function blanksOf(mode: string, { blanks }: Settings): { blanks?: string } {
  return KEEP_FIELDS.includes(mode) ? { blanks } : {};
}

interface Props {
  settings: Settings;
  disabled: boolean;
  change: (changes: Partial<Settings>) => void;
}

interface PolicyProps extends Props {
  mode: string;
  hasKey: boolean;
  /** Null while it is not known. */
  effect: Effect | null;
}

export function ImportPolicy({ settings, mode, hasKey, effect, disabled, change }: PolicyProps) {
  return (
    <SpaceBetween size="s">
      <ColumnLayout columns={2}>
        <FormField
          label="Mode"
          constraintText={hasKey ? undefined : "This entity has no key: each row is a new record."}
        >
          <Select
            options={MODES.map((known) => ({ ...known, disabled: !hasKey && NEED_A_KEY.includes(known.value) }))}
            selectedOption={selectedOption(MODES, mode)}
            disabled={disabled}
            onChange={({ detail }) => change({ mode: detail.selectedOption.value! })}
          />
        </FormField>
        {KEEP_FIELDS.includes(mode) && (
          <FormField label="Empty cells">
            <Select
              options={BLANKS}
              selectedOption={selectedOption(BLANKS, settings.blanks)}
              disabled={disabled}
              onChange={({ detail }) => change({ blanks: detail.selectedOption.value! })}
            />
          </FormField>
        )}
        <FormField label="Rows with errors">
          <Select
            options={POLICIES}
            selectedOption={selectedOption(POLICIES, settings.onError)}
            disabled={disabled}
            onChange={({ detail }) => change({ onError: detail.selectedOption.value! })}
          />
        </FormField>
        {settings.onError === "abort" && (
          <NumberField
            label="Stop after this many bad rows"
            value={settings.maxErrors}
            disabled={disabled}
            onChange={(maxErrors) => change({ maxErrors })}
          />
        )}
      </ColumnLayout>
      {effect &&
        (effect.loses ? (
          <Alert type="warning">
            <bdi>{effect.text}</bdi>
          </Alert>
        ) : (
          <Box color="text-body-secondary">
            <bdi>{effect.text}</bdi>
          </Box>
        ))}
    </SpaceBetween>
  );
}

/** Whether the import keeps what its records were. One that only adds needs nothing kept. */
export function keepPreviousOf({ keepPrevious }: Settings, entity: Entity | undefined): boolean {
  return canKeep(entity) && (keepPrevious ?? entity?.keepPrevious ?? false);
}

function canKeep(entity: Entity | undefined): boolean {
  return !entity?.target;
}

interface OptionsProps extends Props {
  mode: string;
  entity: Entity | undefined;
  /** Header names of the file whose fields were chosen or proposed. */
  columns: Record<string, string> | undefined;
}

export function ImportOptions({ settings, mode, entity, columns, disabled, change }: OptionsProps) {
  return (
    <SpaceBetween size="xs">
      <Checkbox
        checked={settings.dryRun}
        disabled={disabled}
        description="Checks every row and writes nothing"
        onChange={({ detail }) => change({ dryRun: detail.checked })}
      >
        Dry run
      </Checkbox>
      <Checkbox
        checked={(mode === "insert" && canKeep(entity)) || keepPreviousOf(settings, entity)}
        disabled={disabled || mode === "insert" || !canKeep(entity)}
        description={
          !canKeep(entity)
            ? "Not for records in a table of somebody else"
            : mode === "insert"
              ? "An import that only adds can be undone anyway"
              : "Keeps what each record was, as long as the job's files. Takes longer, and costs about a read unit a row"
        }
        onChange={({ detail }) => change({ keepPrevious: detail.checked })}
      >
        Can be undone
      </Checkbox>
      <Checkbox
        checked={settings.unescapeFormulas}
        disabled={disabled}
        description="For files that an export guarded against formulas"
        onChange={({ detail }) => change({ unescapeFormulas: detail.checked })}
      >
        Remove the formula guard ( ' )
      </Checkbox>
      {columns && (
        <Checkbox
          checked={settings.rememberColumns}
          disabled={disabled || settings.dryRun}
          description={
            <>
              Later imports into <bdi>{entity?.name}</bdi> read these headers so, whoever starts them:{" "}
              <bdi>
                {Object.entries(columns)
                  .map(([label, field]) => `${label} → ${field}`)
                  .join(", ")}
              </bdi>
            </>
          }
          onChange={({ detail }) => change({ rememberColumns: detail.checked })}
        >
          Remember for this entity
        </Checkbox>
      )}
      <ExpandableSection headerText="Tell somebody when it ends">
        <SpaceBetween size="m">
          <RecipientsField
            label="Mail the report to"
            help="E-mail addresses with commas between"
            recipients={settings.recipients}
            onChange={(recipients) => change({ recipients })}
          />
          <WebhooksField
            entity={entity?.name ?? ""}
            webhooks={settings.webhooks}
            onChange={(webhooks) => change({ webhooks })}
          />
        </SpaceBetween>
      </ExpandableSection>
    </SpaceBetween>
  );
}
