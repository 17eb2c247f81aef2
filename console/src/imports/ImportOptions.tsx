/** How a file is imported: mode, bad rows, dry run. */
import Checkbox from "@cloudscape-design/components/checkbox";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { selectedOption } from "../common/options";

const MODES = [
  { value: "upsert", label: "Add or replace", description: "Records with a known key are replaced as a whole" },
  { value: "insert", label: "Add only", description: "A row whose key exists is rejected" },
  { value: "update", label: "Change only", description: "Changes the file's columns; unknown keys are rejected" },
  { value: "delete", label: "Delete", description: "Deletes the records whose keys are in the file" },
];
const NEED_A_KEY = ["update", "delete"];
const POLICIES = [
  { value: "skip", label: "Leave bad rows out", description: "They go to the rejects file, with the reasons" },
  { value: "abort", label: "Stop at bad rows", description: "What was imported until then stays" },
  { value: "all-or-nothing", label: "All or nothing", description: "Checks the whole file first; one bad row ends it" },
];

export interface Settings {
  mode: string;
  onError: string;
  maxErrors: string;
  dryRun: boolean;
  unescapeFormulas: boolean;
}

export const DEFAULT_SETTINGS: Settings = {
  mode: "upsert",
  onError: "skip",
  maxErrors: "1",
  dryRun: false,
  unescapeFormulas: false,
};

interface Props {
  settings: Settings;
  hasKey: boolean;
  disabled: boolean;
  change: (changes: Partial<Settings>) => void;
}

export function ImportOptions({ settings, hasKey, disabled, change }: Props) {
  return (
    <SpaceBetween size="l">
      <ColumnLayout columns={2}>
        <FormField
          label="Mode"
          constraintText={hasKey ? undefined : "This entity has no key: each row is a new record."}
        >
          <Select
            options={MODES.map((known) => ({ ...known, disabled: !hasKey && NEED_A_KEY.includes(known.value) }))}
            selectedOption={selectedOption(MODES, settings.mode)}
            disabled={disabled}
            onChange={({ detail }) => change({ mode: detail.selectedOption.value! })}
          />
        </FormField>
        <FormField label="Rows with errors">
          <Select
            options={POLICIES}
            selectedOption={selectedOption(POLICIES, settings.onError)}
            disabled={disabled}
            onChange={({ detail }) => change({ onError: detail.selectedOption.value! })}
          />
        </FormField>
        {settings.onError === "abort" && (
          <FormField label="Stop after this many bad rows">
            <Input
              type="number"
              value={settings.maxErrors}
              disabled={disabled}
              onChange={({ detail }) => change({ maxErrors: detail.value })}
            />
          </FormField>
        )}
      </ColumnLayout>
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
          checked={settings.unescapeFormulas}
          disabled={disabled}
          description="For files that an export guarded against formulas"
          onChange={({ detail }) => change({ unescapeFormulas: detail.checked })}
        >
          Remove the formula guard ( ' )
        </Checkbox>
      </SpaceBetween>
    </SpaceBetween>
  );
}
