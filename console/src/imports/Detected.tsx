import Box from "@cloudscape-design/components/box";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import FormField from "@cloudscape-design/components/form-field";
import Multiselect from "@cloudscape-design/components/multiselect";
import Select, { type SelectProps } from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { Preview } from "../api/types";
import { StatusText } from "../common/StatusText";
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

/** The user's choices instead of what was detected; empty strings keep what was detected. */
export interface Reading {
  encoding: string;
  delimiter: string;
  /** In the order of the import. */
  sheets: string[];
  /** The path of a file in a zip file. */
  entry: string;
}

export const AS_DETECTED: Reading = { encoding: "", delimiter: "", sheets: [], entry: "" };

/** The options of the API for these choices. */
export function readingOptions({ encoding, delimiter, sheets, entry }: Reading): {
  encoding?: string;
  dialect?: Record<string, unknown>;
} {
  const dialect = {
    ...(delimiter && { delimiter }),
    ...(sheets.length > 0 && { sheetName: sheets.length === 1 ? sheets[0] : sheets }),
    ...(entry && { entry }),
  };
  return { ...(encoding && { encoding }), ...(Object.keys(dialect).length > 0 && { dialect }) };
}

interface Props {
  preview: Pick<Preview, "detected" | "warnings" | "sheets" | "entries">;
  reading: Reading;
  disabled: boolean;
  onReading: (reading: Reading) => void;
}

/** How the API would read the file, and the choices to read it differently. */
export function Detected({ preview, reading, disabled, onReading }: Props) {
  const found: Partial<NonNullable<Preview["detected"]>> = preview.detected ?? {};
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
      {preview.warnings.map(({ code, message }) => (
        <StatusText key={code} type="warning" wrapText>
          {message}
        </StatusText>
      ))}
      {preview.entries && (
        <FormField label="File in the archive">
          <Select
            placeholder="Choose one of its files"
            filteringType={preview.entries.length > 10 ? "auto" : "none"}
            options={preview.entries.map(option)}
            selectedOption={reading.entry ? option(reading.entry) : null}
            disabled={disabled}
            onChange={({ detail }) => onReading({ ...reading, sheets: [], entry: detail.selectedOption.value ?? "" })}
          />
        </FormField>
      )}
      {preview.sheets ? (
        <FormField
          label={preview.sheets.length > 1 ? "Sheets" : "Sheet"}
          constraintText={
            preview.sheets.length > 1 ? "Rows of several sheets are imported one sheet after the other." : undefined
          }
        >
          <Multiselect
            placeholder={typeof found.sheet === "string" ? `Detected: ${found.sheet}` : "Choose sheets"}
            deselectAriaLabel={({ label }) => `Leave out ${label}`}
            options={preview.sheets.map(option)}
            selectedOptions={reading.sheets.map(option)}
            disabled={disabled || preview.sheets.length === 1}
            onChange={({ detail }) =>
              onReading({ ...reading, sheets: detail.selectedOptions.map(({ value }) => value!) })
            }
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
