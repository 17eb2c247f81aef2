/** Finds a record by its key, and filters the records. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import TokenGroup from "@cloudscape-design/components/token-group";
import { useState } from "react";
import type { Condition, Entity } from "../api/types";
import { Conditions } from "../exports/Conditions";
import { conditionOf, describeCondition, typedCondition } from "../exports/conditions";
import { primaryKey } from "../imports/columnMapping";
import { keyTexts, searchedKey } from "./recordWords";
import type { Search } from "./useRecords";

interface Props {
  entity: Entity;
  search: Search;
  change: (changes: Partial<Search>) => void;
}

export function RecordSearch({ entity, search, change }: Props) {
  const [filtering, setFiltering] = useState(false);
  const { conditions } = search;
  return (
    <SpaceBetween size="xs">
      <div className="tools">
        <KeySearch entity={entity} search={search} change={change} />
        <Button iconName="filter" onClick={() => setFiltering(true)}>
          Filter
        </Button>
      </div>
      {conditions.length > 0 && (
        <TokenGroup
          limit={5}
          items={conditions.map((condition) => ({
            label: describeCondition(condition),
            dismissLabel: `Remove: ${describeCondition(condition)}`,
          }))}
          onDismiss={({ detail }) => change({ conditions: conditions.filter((_, at) => at !== detail.itemIndex) })}
        />
      )}
      {filtering && (
        <FilterDialog
          entity={entity}
          conditions={conditions}
          onClose={() => setFiltering(false)}
          onDone={(conditions) => {
            change({ conditions });
            setFiltering(false);
          }}
        />
      )}
    </SpaceBetween>
  );
}

function KeySearch({ entity, search, change }: Props) {
  const names = primaryKey(entity.schema);
  const [texts, setTexts] = useState(() => keyTexts(search.key, names.length));
  const [known, setKnown] = useState(search.key);
  const key = searchedKey(texts);
  if (search.key !== known) {
    setKnown(search.key);
    if (search.key !== key) setTexts(keyTexts(search.key, names.length)); // by the back button, or a link
  }
  if (names.length === 0) return null;
  return (
    <form
      className="tools"
      onSubmit={(event) => {
        event.preventDefault();
        change({ key });
      }}
    >
      {names.map((name, index) => (
        <FormField key={name} label={name}>
          <Input
            type="search"
            clearAriaLabel="Clear"
            placeholder="Find by key"
            value={texts[index] ?? ""}
            onChange={({ detail: { value } }) => {
              setTexts(texts.map((text, at) => (at === index ? value : text)));
              if (!value && search.key !== null) change({ key: null });
            }}
          />
        </FormField>
      ))}
      <Button formAction="submit" iconName="search" disabled={key === null}>
        Find
      </Button>
    </form>
  );
}

interface FilterProps {
  entity: Entity;
  conditions: Condition[];
  onDone: (conditions: Condition[]) => void;
  onClose: () => void;
}

function FilterDialog({ entity, conditions, onDone, onClose }: FilterProps) {
  const { fields } = entity.schema;
  const [typed, setTyped] = useState(() =>
    conditions.length ? conditions.map(typedCondition) : [{ field: fields[0]!.name, op: "eq" as const, text: "" }],
  );
  return (
    <Modal
      visible
      size="large"
      header="Filter the records"
      onDismiss={onClose}
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" onClick={() => onDone(typed.map((each) => conditionOf(each, fields)))}>
              Apply
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <Box>All of these must hold. The records are read one after the other to find those that match.</Box>
        <Conditions conditions={typed} names={fields.map(({ name }) => name)} change={setTyped} />
      </SpaceBetween>
    </Modal>
  );
}
