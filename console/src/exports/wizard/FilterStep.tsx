/** The conditions that records have to meet. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { Entity } from "../../api/types";
import { SelectField, TextField } from "../../common/fields";
import { OPERATORS, takesValue, type Operator, type TypedCondition } from "../conditions";
import type { StepProps } from "./draft";

const OPERATOR_OPTIONS = Object.entries(OPERATORS) as [Operator, string][];

export function FilterStep({ draft, change, entity }: StepProps & { entity: Entity | undefined }) {
  const { conditions } = draft;
  const names = (entity?.schema.fields ?? []).map(({ name }) => name);
  const edit = (index: number, changes: Partial<TypedCondition>) =>
    change({
      conditions: conditions.map((known, at) => (at === index ? { ...known, ...changes, given: undefined } : known)),
    });
  const remove = (index: number) => change({ conditions: conditions.filter((_, at) => at !== index) });
  const add = () => change({ conditions: [...conditions, { field: names[0] ?? "", op: "eq", text: "" }] });
  return (
    <Container>
      <SpaceBetween size="m">
        <Box>{conditions.length ? "All of these must hold." : "Without conditions, all records are exported."}</Box>
        {conditions.map((condition, index) => (
          <ColumnLayout key={index} columns={4}>
            <SelectField
              label="Field"
              value={condition.field}
              options={names.map((name) => [name, name])}
              onChange={(field) => edit(index, { field })}
            />
            <SelectField
              label="Condition"
              value={condition.op}
              options={OPERATOR_OPTIONS}
              onChange={(op) => edit(index, { op })}
            />
            {takesValue(condition.op) ? (
              <TextField label="Value" value={condition.text} onChange={(text) => edit(index, { text })} />
            ) : (
              <div />
            )}
            <Box padding={{ top: "xl" }}>
              <Button ariaLabel={`Remove condition ${index + 1}`} onClick={() => remove(index)}>
                Remove
              </Button>
            </Box>
          </ColumnLayout>
        ))}
        <Button iconName="add-plus" onClick={add}>
          Add condition
        </Button>
      </SpaceBetween>
    </Container>
  );
}
