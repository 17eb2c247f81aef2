/** Who may do what with an entity, by groups; groups that do not exist are told. */
import Alert from "@cloudscape-design/components/alert";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import FormField from "@cloudscape-design/components/form-field";
import Multiselect from "@cloudscape-design/components/multiselect";
import { useQuery } from "@tanstack/react-query";
import { call } from "../api/client";
import type { EntityDocument, Groups, Right } from "../api/types";
import { option } from "../common/options";
import { unknownGroups } from "./proposal";

const RIGHTS: [Right, string][] = [
  ["view", "May view"],
  ["import", "May import"],
  ["export", "May export"],
];

/** The groups that permissions can name; an installation that cannot tell warns of none. */
function useGroups(enabled: boolean) {
  return useQuery({
    queryKey: ["groups"],
    queryFn: ({ signal }) => call<Groups>("GET", "groups", { signal }),
    staleTime: 60_000,
    enabled,
  }).data;
}

interface Props {
  definition: EntityDocument;
  disabled: boolean;
  onChange: (definition: EntityDocument) => void;
}

export function Permissions({ definition, disabled, onChange }: Props) {
  const groups = useGroups(true);
  const { permissions } = definition;
  const named = (right: Right): string[] => {
    const value: unknown = permissions?.[right];
    return Array.isArray(value) ? value.filter((group) => typeof group === "string") : [];
  };
  return (
    <ColumnLayout columns={3}>
      {RIGHTS.map(([right, label]) => {
        const chosen = named(right);
        const options = [...new Set([...(groups?.names ?? []), ...chosen])].filter((group) => group !== "admin");
        return (
          <FormField key={right} label={label}>
            <Multiselect
              placeholder="Only administrators"
              empty="No groups are known here: name them in the JSON."
              deselectAriaLabel={({ label }) => `Take ${label} away`}
              disabled={disabled}
              options={options.map(option)}
              selectedOptions={chosen.map(option)}
              onChange={({ detail }) => {
                const groups = detail.selectedOptions.map(({ value }) => value!);
                const others = { view: named("view"), import: named("import"), export: named("export") };
                onChange({ ...definition, permissions: { ...others, [right]: groups } });
              }}
            />
          </FormField>
        );
      })}
    </ColumnLayout>
  );
}

export function UnknownGroups({ definition, enabled }: { definition: EntityDocument | null; enabled: boolean }) {
  const groups = useGroups(enabled);
  const unknown = groups?.isComplete ? unknownGroups(definition, groups.names) : [];
  if (unknown.length === 0) return null;
  return (
    <Alert type="warning" header="Permissions name groups that do not exist">
      <bdi>{unknown.join(", ")}</bdi>: nobody has what is permitted to them. The groups are:{" "}
      <bdi>{groups!.names.join(", ")}</bdi>.
    </Alert>
  );
}
