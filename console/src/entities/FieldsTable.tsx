/** The fields of a schema in plain words, also while it is being written. */
import Box from "@cloudscape-design/components/box";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Table from "@cloudscape-design/components/table";
import { Name } from "../common/Name";
import { fieldsInWords, type FieldInWords } from "./fieldWords";

export function FieldsTable({ schema }: { schema: unknown }) {
  const fields = fieldsInWords(schema);
  if (fields.length === 0) return null;
  return (
    <ExpandableSection headerText="Fields in words" defaultExpanded>
      <Table
        variant="embedded"
        wrapLines
        items={fields}
        ariaLabels={{ tableLabel: "Fields in words" }}
        columnDefinitions={[
          { id: "name", header: "Field", isRowHeader: true, cell: (field: FieldInWords) => <Name>{field.name}</Name> },
          { id: "type", header: "Type", cell: ({ type }: FieldInWords) => <Name>{type}</Name> },
          {
            id: "rules",
            header: "Rules",
            cell: ({ rules, references }: FieldInWords) => <Words words={[...rules, ...references]} />,
          },
          {
            id: "cleaning",
            header: "Before a cell is read",
            cell: ({ cleaning }: FieldInWords) => <Words words={cleaning} />,
          },
        ]}
      />
    </ExpandableSection>
  );
}

function Words({ words }: { words: string[] }) {
  if (words.length === 0) return "–";
  return words.map((word, index) => (
    <Box key={index} variant="div">
      <Name>{word}</Name>
    </Box>
  ));
}
