/** All fields of one record. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import TextFilter from "@cloudscape-design/components/text-filter";
import Toggle from "@cloudscape-design/components/toggle";
import { useState } from "react";
import type { Entity } from "../api/types";
import { formatCount } from "../common/format";
import { Name } from "../common/Name";
import { primaryKey } from "../imports/columnMapping";
import { valueInWords } from "./recordWords";
import type { Row } from "./useRecords";

const SEARCHABLE = 12;

export function RecordDialog({ entity, row, onClose }: { entity: Entity; row: Row; onClose: () => void }) {
  const [search, setSearch] = useState("");
  const [hidesEmpty, setHidesEmpty] = useState(false);
  const keys = primaryKey(entity.schema);
  const { fields } = entity.schema;
  const wanted = search.toLocaleLowerCase();
  const shown = fields.filter(
    ({ name, title }) =>
      [name, title, valueInWords(row[name])].some((text) => text?.toLocaleLowerCase().includes(wanted)) &&
      !(hidesEmpty && (row[name] ?? "") === ""),
  );
  return (
    <Modal
      visible
      size="large"
      header={
        keys.length ? (
          <Name>{keys.map((name) => valueInWords(row[name])).join(" · ")}</Name>
        ) : (
          `Record of ${entity.name}`
        )
      }
      onDismiss={onClose}
      footer={
        <Box float="right">
          <Button variant="primary" onClick={onClose}>
            Close
          </Button>
        </Box>
      }
    >
      <SpaceBetween size="m">
        {fields.length > SEARCHABLE && (
          <SpaceBetween size="m" direction="horizontal" alignItems="center">
            <TextFilter
              filteringText={search}
              filteringPlaceholder="Field or value"
              filteringAriaLabel="Search fields"
              countText={`${formatCount(shown.length)} of ${formatCount(fields.length)} fields`}
              onChange={({ detail }) => setSearch(detail.filteringText)}
            />
            <Toggle checked={hidesEmpty} onChange={({ detail }) => setHidesEmpty(detail.checked)}>
              Hide empty fields
            </Toggle>
          </SpaceBetween>
        )}
        <Table
          variant="embedded"
          wrapLines
          items={shown}
          trackBy="name"
          ariaLabels={{ tableLabel: "Fields of the record" }}
          columnDefinitions={[
            {
              id: "field",
              header: "Field",
              isRowHeader: true,
              width: "35%",
              cell: ({ name, title }) => (
                <>
                  <Name>{name}</Name>
                  {title && title !== name && (
                    <Box variant="small" display="block">
                      <Name>{title}</Name>
                    </Box>
                  )}
                </>
              ),
            },
            { id: "value", header: "Value", cell: ({ name }) => <Value value={row[name]} /> },
          ]}
          empty={<Box textAlign="center">No field matches.</Box>}
        />
      </SpaceBetween>
    </Modal>
  );
}

function Value({ value }: { value: unknown }) {
  if (typeof value === "object" && value !== null) return <Name>{JSON.stringify(value, null, 1)}</Name>;
  return <Name>{valueInWords(value)}</Name>;
}
