/** Conditions that records have to meet, each with its field, operator and value. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { SelectField, TextField } from "../common/fields";
import { OPERATORS, takesValue, type Operator, type TypedCondition } from "./conditions";

const EMPTY = "No value: to find records without one, choose “is empty”.";
const OPERATOR_OPTIONS = Object.entries(OPERATORS) as [Operator, string][];

interface Props {
  conditions: TypedCondition[];
  /** Of the fields. */
  names: string[];
  change: (conditions: TypedCondition[]) => void;
}

export function Conditions({ conditions, names, change }: Props) {
  const edit = (index: number, changes: Partial<TypedCondition>) =>
    change(conditions.map((known, at) => (at === index ? { ...known, ...changes, given: undefined } : known)));
  const remove = (index: number) => change(conditions.filter((_, at) => at !== index));
  const add = () => change([...conditions, { field: names[0] ?? "", op: "eq", text: "" }]);
  return (
    <SpaceBetween size="m">
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
            <TextField
              label="Value"
              value={condition.text}
              warning={condition.text === "" ? EMPTY : undefined}
              onChange={(text) => edit(index, { text })}
            />
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
  );
}
