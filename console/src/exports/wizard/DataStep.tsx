/** Name, entity and type. */
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Tiles from "@cloudscape-design/components/tiles";
import { useState } from "react";
import { EXPORT_TYPES, type Entity, type ExportType } from "../../api/types";
import { SelectField, TextField } from "../../common/fields";
import { Notes } from "../../common/Notes";
import { isAdmin, useMe } from "../../session/useMe";
import { TYPE_DESCRIPTIONS, TYPE_LABELS } from "../labels";
import { changesOfType, type StepProps } from "./draft";

export function DataStep({ draft, change, entities }: StepProps & { entities: Entity[] }) {
  const me = useMe();
  const [opened] = useState(draft);
  const { notes } = changesOfType(opened, draft.type);
  const isBackOffice = isAdmin(me) || me.groups.includes("backoffice");
  const types = EXPORT_TYPES.filter((type) => isBackOffice || !type.includes("CUSTOM"));
  return (
    <Container>
      <SpaceBetween size="m">
        <TextField label="Name" value={draft.name} onChange={(name) => change({ name })} />
        <SelectField
          label="Entity"
          value={draft.entity}
          options={entities.map(({ name, title }) => [name, title && title !== name ? `${name}: ${title}` : name])}
          onChange={(entity) => change({ entity, fields: null })}
        />
        <FormField label="Type">
          <Tiles
            value={draft.type}
            items={types.map((value) => ({ value, label: TYPE_LABELS[value], description: TYPE_DESCRIPTIONS[value] }))}
            onChange={({ detail }) => change(changesOfType(opened, detail.value as ExportType).changes)}
          />
        </FormField>
        <Notes notes={notes} />
      </SpaceBetween>
    </Container>
  );
}
