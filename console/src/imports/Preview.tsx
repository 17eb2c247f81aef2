/** The preview of a file: what was detected, its columns and their fields, its first rows. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Pagination from "@cloudscape-design/components/pagination";
import Select, { type SelectProps } from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";
import type { Entity, Preview as FilePreview } from "../api/types";
import { formatCount } from "../common/format";
import { Name } from "../common/Name";
import { option, selectedOption } from "../common/options";

const AUTOMATIC: SelectProps.Option = { value: "", label: "Detect" };
const ENCODINGS = [AUTOMATIC, ...["utf-8", "cp1252", "iso-8859-15", "utf-16-le", "utf-16-be", "shift_jis"].map(option)];
const DELIMITERS = [
  AUTOMATIC,
  { value: ",", label: "Comma" },
  { value: ";", label: "Semicolon" },
  { value: "\t", label: "Tab" },
  { value: "|", label: "Bar" },
];
const NO_FIELD: SelectProps.Option = { value: "", label: "– no field –" };
const COLUMNS_SHOWN = 50;
const VALUES_SHOWN = 5;
const ERRORS_SHOWN = 8;

/** The user's choices instead of what was detected; empty strings keep what was detected. */
export interface Reading {
  encoding: string;
  delimiter: string;
  sheet: string;
}

interface Props {
  preview: FilePreview;
  entity: Entity;
  mapping: (string | null)[];
  reading: Reading;
  disabled: boolean;
  onMap: (index: number, field: string | null) => void;
  onReading: (reading: Reading) => void;
}

export function Preview({ preview, entity, mapping, reading, disabled, onMap, onReading }: Props) {
  return (
    <SpaceBetween size="m">
      <Detected preview={preview} reading={reading} disabled={disabled} onReading={onReading} />
      {preview.error && <WouldFail preview={preview} />}
      {preview.labels.length > 0 && (
        <Columns preview={preview} entity={entity} mapping={mapping} disabled={disabled} onMap={onMap} />
      )}
    </SpaceBetween>
  );
}

function Detected({
  preview,
  reading,
  disabled,
  onReading,
}: Pick<Props, "preview" | "reading" | "disabled" | "onReading">) {
  const found: Partial<NonNullable<FilePreview["detected"]>> = preview.detected ?? {};
  const encoding = typeof found.encoding === "string" ? found.encoding + (found.bom ? ", with mark" : "") : "";
  const delimiter = typeof found.delimiter === "string" ? found.delimiter : "";
  const delimiters = named(DELIMITERS, DELIMITERS.find(({ value }) => value === delimiter)?.label ?? delimiter);
  const facts = [
    typeof found.format === "string" && found.format,
    typeof found.compression === "string" && `compressed with ${found.compression}`,
    typeof found.headerRow === "number" ? `header in row ${found.headerRow}` : preview.detected && "no header row",
  ].filter(Boolean);
  return (
    <SpaceBetween size="xs">
      {facts.length > 0 && <Box variant="small">Detected: {facts.join(", ")}</Box>}
      {preview.sheets ? (
        <FormField label="Sheet">
          <Select
            options={preview.sheets.map(option)}
            selectedOption={option(
              reading.sheet || (typeof found.sheet === "string" ? found.sheet : preview.sheets[0]!),
            )}
            disabled={disabled}
            onChange={({ detail }) => onReading({ ...reading, sheet: detail.selectedOption.value ?? "" })}
          />
        </FormField>
      ) : (
        <ColumnLayout columns={2}>
          <FormField label="Encoding">
            <Select
              options={named(ENCODINGS, reading.encoding ? "" : encoding)}
              selectedOption={selectedOption(named(ENCODINGS, encoding), reading.encoding)}
              disabled={disabled}
              onChange={({ detail }) => onReading({ ...reading, encoding: detail.selectedOption.value ?? "" })}
            />
          </FormField>
          {found.format === undefined && (
            <FormField label="Delimiter">
              <Select
                options={reading.delimiter ? DELIMITERS : delimiters}
                selectedOption={selectedOption(delimiters, reading.delimiter)}
                disabled={disabled}
                onChange={({ detail }) => onReading({ ...reading, delimiter: detail.selectedOption.value ?? "" })}
              />
            </FormField>
          )}
        </ColumnLayout>
      )}
    </SpaceBetween>
  );
}

/** Shows the detected value in the label of "Detect". */
function named(options: SelectProps.Option[], detected: string): SelectProps.Option[] {
  return options.map((known) =>
    known.value === "" && detected ? { ...known, label: `Detected: ${detected}` } : known,
  );
}

function WouldFail({ preview }: { preview: FilePreview }) {
  const { headerErrors } = preview;
  const { code, message, rowNumber } = preview.error!;
  if (code === "too-large") return <Alert type="info">{message}</Alert>;
  return headerErrors.length > 0 ? (
    <Alert type="warning" header="With this header the import would fail">
      <ul>
        {headerErrors.slice(0, ERRORS_SHOWN).map((error, index) => (
          <li key={index}>
            <bdi>{error.message}</bdi> ({error.type})
          </li>
        ))}
      </ul>
      {headerErrors.length > ERRORS_SHOWN && <div>and {formatCount(headerErrors.length - ERRORS_SHOWN)} more</div>}
      <div>
        Choose fields for the columns below, correct the file, or have the entity take other columns (fieldsMatch).
      </div>
    </Alert>
  ) : (
    <Alert type="warning" header={`The import would fail: ${code}`}>
      <bdi>{message}</bdi>
      {rowNumber !== null && ` Row ${formatCount(rowNumber)}.`}
    </Alert>
  );
}

function Columns({ preview, entity, mapping, disabled, onMap }: Omit<Props, "reading" | "onReading">) {
  const [page, setPage] = useState(1);
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
              `${bad.length ? `${bad.length} of the` : "None of the"} first ${preview.rows.length} rows would be rejected. ` +
                "A dry run checks all rows, and finds repeated keys."
            }
          >
            Columns
          </Header>
        }
        pagination={
          pages > 1 && (
            <Pagination
              currentPageIndex={page}
              pagesCount={pages}
              onChange={({ detail }) => setPage(detail.currentPageIndex)}
            />
          )
        }
        items={preview.labels
          .slice(first, first + COLUMNS_SHOWN)
          .map((label, index) => ({ label, index: first + index }))}
        trackBy={({ index }) => String(index)}
        columnDefinitions={[
          {
            id: "label",
            header: "In the file",
            isRowHeader: true,
            cell: ({ label }) => (label ? <Name>{label}</Name> : <em>no name</em>),
          },
          {
            id: "field",
            header: "Field",
            minWidth: 200,
            cell: ({ label, index }) => (
              <Select
                expandToViewport
                ariaLabel={`Field for the column ${label}`}
                disabled={disabled}
                filteringType={fields.length > 10 ? "auto" : "none"}
                options={options}
                selectedOption={selectedOption(options, mapping[index] ?? "")}
                onChange={({ detail }) => onMap(index, detail.selectedOption.value || null)}
              />
            ),
          },
          { id: "values", header: "First values", cell: ({ index }) => <Values preview={preview} index={index} /> },
        ]}
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

function Values({ preview, index }: { preview: FilePreview; index: number }) {
  return (
    <SpaceBetween size="xxxs">
      {preview.rows.slice(0, VALUES_SHOWN).map(({ rowNumber, cells, errors }) => {
        const error = errors.find(({ fieldNumber }) => fieldNumber === index + 1);
        const text = cells[index] ? <Name>{cells[index]}</Name> : <em>empty</em>;
        return error ? (
          <StatusIndicator key={rowNumber} type="warning">
            {text}: {error.message}
          </StatusIndicator>
        ) : (
          <div key={rowNumber}>{text}</div>
        );
      })}
    </SpaceBetween>
  );
}
