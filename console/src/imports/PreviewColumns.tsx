import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Select, { type SelectProps } from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";
import type { ColumnProposal, Entity, Preview } from "../api/types";
import { StatusText } from "../common/StatusText";
import { formatCount, judgedInWords } from "../common/format";
import { Name } from "../common/Name";
import { selectedOption } from "../common/options";
import { Pages } from "../common/Pages";
import { useWidth } from "../common/useColumns";

const NO_FIELD: SelectProps.Option = { value: "", label: "– no field –" };
const COLUMNS_SHOWN = 50;
const VALUES_SHOWN = 5;
const ERRORS_SHOWN = 8;

interface Props {
  preview: Preview;
  entity: Entity;
  /** The field of each column. */
  mapping: (string | null)[];
  /** What the service proposes for each column. */
  proposals: ColumnProposal[];
  disabled: boolean;
  onMap: (index: number, field: string | null) => void;
}

/** The columns of the file, with their fields and first values. */
export function PreviewColumns({ preview, entity, mapping, proposals, disabled, onMap }: Props) {
  const [page, setPage] = useState(1);
  const isPhone = useWidth() === "phone";
  const { fields } = entity.schema;
  const options = [
    NO_FIELD,
    ...fields.map(({ name, title, type }) => ({ value: name, label: name, description: title ?? type })),
  ];
  const absent = fields.filter(({ name }) => !mapping.includes(name)).map(({ name }) => name);
  const pages = Math.ceil(preview.labels.length / COLUMNS_SHOWN);
  const first = (Math.min(page, pages) - 1) * COLUMNS_SHOWN;
  const bad = preview.rows.filter(({ errors }) => errors.length > 0);
  const ofRows = bad.flatMap(({ rowNumber, errors }) =>
    errors
      .filter(({ fieldNumber }) => !fieldNumber || fieldNumber > preview.labels.length)
      .map((error) => ({ rowNumber, ...error })),
  );
  return (
    <SpaceBetween size="s">
      {ofRows.length > 0 && (
        <Alert type="warning" header="Rows that would be rejected">
          <ul>
            {ofRows.slice(0, ERRORS_SHOWN).map(({ rowNumber, message }, index) => (
              <li key={index}>
                Row {formatCount(rowNumber)}: <bdi>{message}</bdi>
              </li>
            ))}
          </ul>
        </Alert>
      )}
      <Table
        variant="embedded"
        wrapLines
        ariaLabels={{ tableLabel: "Columns of the file" }}
        header={
          <Header
            variant="h3"
            counter={`(${formatCount(preview.labels.length)})`}
            description={
              preview.rows.length > 0 &&
              !preview.error &&
              `${judgedInWords(bad.length, preview.rows.length)} ` +
                "A dry run checks all rows, and finds repeated keys."
            }
          >
            Columns
          </Header>
        }
        pagination={pages > 1 && <Pages page={page} count={pages} onPage={setPage} />}
        items={preview.labels
          .slice(first, first + COLUMNS_SHOWN)
          .map((label, index) => ({ label, index: first + index }))}
        trackBy={({ index }) => String(index)}
        columnDefinitions={[
          {
            id: "label",
            header: isPhone ? "In the file, first values" : "In the file",
            isRowHeader: true,
            cell: ({ label, index }) => (
              <>
                {label ? <Name>{label}</Name> : <em>no name</em>}
                {isPhone && <Values preview={preview} index={index} />}
              </>
            ),
          },
          {
            id: "field",
            header: "Field",
            minWidth: isPhone ? 140 : 200,
            cell: ({ label, index }) => (
              <SpaceBetween size="xxs">
                <Select
                  expandToViewport
                  ariaLabel={`Field for the column ${label}`}
                  disabled={disabled}
                  filteringType={fields.length > 10 ? "auto" : "none"}
                  options={options}
                  selectedOption={selectedOption(options, mapping[index] ?? "")}
                  onChange={({ detail }) => onMap(index, detail.selectedOption.value || null)}
                />
                <Proposed
                  proposal={proposals[index]}
                  mapping={mapping}
                  index={index}
                  disabled={disabled}
                  onMap={(field) => onMap(index, field)}
                />
              </SpaceBetween>
            ),
          },
          { id: "values", header: "First values", cell: ({ index }) => <Values preview={preview} index={index} /> },
        ]}
        visibleColumns={isPhone ? ["label", "field"] : undefined}
        empty="The file has no columns."
      />
      {absent.length > 0 && (
        <Box variant="small">
          Fields without a column: <bdi>{absent.join(", ")}</bdi>
        </Box>
      )}
    </SpaceBetween>
  );
}

interface ProposedProps {
  proposal: ColumnProposal | undefined;
  mapping: (string | null)[];
  index: number;
  disabled: boolean;
  onMap: (field: string) => void;
}

/** Why the service has proposed the field of a column, or the fields that it may be. */
function Proposed({ proposal, mapping, index, disabled, onMap }: ProposedProps) {
  if (!proposal || proposal.isKnown) return null;
  const field = mapping[index];
  if (field !== null && field === proposal.field) {
    return (
      <Box variant="small">
        <Name>{`Proposed: it ${proposal.why}.`}</Name>
      </Box>
    );
  }
  const all = proposal.field === null ? proposal.choices : [{ field: proposal.field, why: proposal.why! }];
  const choices = all.filter((choice) => !mapping.includes(choice.field));
  if (field !== null || choices.length === 0) return null;
  return choices.map((choice) => (
    <Box key={choice.field} variant="small">
      <Button variant="inline-link" disabled={disabled} onClick={() => onMap(choice.field)}>
        Take {choice.field}
      </Button>
      <Name>{`? It ${choice.why}.`}</Name>
    </Box>
  ));
}

export function Values({ preview, index }: { preview: Preview; index: number }) {
  return (
    <SpaceBetween size="xxxs">
      {preview.rows.slice(0, VALUES_SHOWN).map(({ rowNumber, cells, errors }) => {
        const error = errors.find(({ fieldNumber }) => fieldNumber === index + 1);
        const text = cells[index] ? <Name>{cells[index]}</Name> : <em>empty</em>;
        return error ? (
          <StatusText key={rowNumber} type="warning">
            {text}: {error.message}
          </StatusText>
        ) : (
          <div key={rowNumber}>{text}</div>
        );
      })}
    </SpaceBetween>
  );
}
