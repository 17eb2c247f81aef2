/** The proposed fields of a file's entity, to edit, with the first rows as the service reads them. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Checkbox from "@cloudscape-design/components/checkbox";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";
import type { Problem } from "../api/problem";
import type { EntityDocument, Field, Inferred, Preview } from "../api/types";
import { StatusText } from "../common/StatusText";
import { formatCount, judgedInWords, rowsInWords } from "../common/format";
import { Name } from "../common/Name";
import { option } from "../common/options";
import { Pages } from "../common/Pages";
import { Values } from "../imports/PreviewColumns";
import {
  change,
  isRequired,
  keyOf,
  labelOf,
  leaveOut,
  NUMBER_FORMATS,
  numberFormat,
  rename,
  require,
  retype,
  setKey,
  TEXT_FORMATS,
  TYPES,
  type FieldType,
} from "./proposal";

const FIELDS_SHOWN = 50;

interface Props {
  definition: EntityDocument;
  inferred: Inferred;
  preview: Preview | null;
  isJudging: boolean;
  judgeError: Problem | null;
  disabled: boolean;
  onChange: (definition: EntityDocument) => void;
}

export function ProposalTable({ definition, inferred, preview, isJudging, judgeError, disabled, onChange }: Props) {
  const [page, setPage] = useState(1);
  const { fields } = definition.schema;
  const pages = Math.max(1, Math.ceil(fields.length / FIELDS_SHOWN));
  const first = (Math.min(page, pages) - 1) * FIELDS_SHOWN;
  const proposed = (field: Field) => {
    const index = inferred.fields.findIndex(({ label }) => label === labelOf(definition, field.name));
    const members = (inferred.definition as EntityDocument).schema.fields[index];
    return index < 0 ? undefined : { ...inferred.fields[index]!, members };
  };
  const problemsOf = (index: number) =>
    (judgeError?.members ?? [])
      .filter(({ pointer }) => `${pointer}/`.startsWith(`#/definition/schema/fields/${index}/`))
      .map(({ detail }) => detail);
  const items = fields.slice(first, first + FIELDS_SHOWN).map((field, at) => ({ field, index: first + at }));
  type Item = (typeof items)[number];

  return (
    <Table
      variant="embedded"
      wrapLines
      ariaLabels={{ tableLabel: "Proposed fields" }}
      trackBy={({ index }) => String(index)}
      header={
        <Header
          variant="h2"
          counter={`(${formatCount(fields.length)})`}
          description={<Verdict preview={preview} inferred={inferred} isJudging={isJudging} error={judgeError} />}
        >
          Fields
        </Header>
      }
      pagination={pages > 1 && <Pages page={Math.min(page, pages)} count={pages} onPage={setPage} />}
      items={items}
      columnDefinitions={[
        {
          id: "name",
          header: "Field",
          isRowHeader: true,
          minWidth: 190,
          cell: ({ field, index }: Item) => {
            const label = labelOf(definition, field.name);
            return (
              <FormField
                errorText={problemsOf(index).join("; ") || undefined}
                constraintText={label === field.name ? undefined : <Name>{`In the file: ${label}`}</Name>}
              >
                <Input
                  ariaLabel={`Name of the field for ${label}`}
                  value={field.name}
                  disabled={disabled}
                  onChange={({ detail }) => onChange(rename(definition, index, detail.value))}
                />
              </FormField>
            );
          },
        },
        {
          id: "type",
          header: "Type and format",
          minWidth: 170,
          cell: ({ field, index }: Item) => (
            <SpaceBetween size="xxs">
              <Select
                expandToViewport
                ariaLabel={`Type of ${field.name}`}
                disabled={disabled}
                options={TYPES.map(option)}
                selectedOption={option(field.type ?? "any")}
                onChange={({ detail }) => {
                  const type = detail.selectedOption.value as FieldType;
                  onChange(retype(definition, index, type, proposed(field)?.members));
                }}
              />
              <Format
                field={field}
                disabled={disabled}
                onChange={(members) => onChange(change(definition, index, members))}
              />
            </SpaceBetween>
          ),
        },
        {
          id: "rules",
          header: "Rules",
          minWidth: 150,
          cell: ({ field, index }: Item) => (
            <SpaceBetween size="xxs">
              <Checkbox
                ariaLabel={`${field.name} is of the key`}
                checked={keyOf(definition).includes(field.name)}
                disabled={disabled}
                onChange={({ detail }) => onChange(setKey(definition, field.name, detail.checked))}
              >
                Key
              </Checkbox>
              <Checkbox
                ariaLabel={`${field.name} is required`}
                checked={isRequired(field)}
                disabled={disabled}
                onChange={({ detail }) => onChange(require(definition, index, detail.checked))}
              >
                Required
              </Checkbox>
            </SpaceBetween>
          ),
        },
        {
          id: "why",
          header: "Why",
          minWidth: 180,
          cell: ({ field }: Item) => {
            const found = proposed(field);
            if (!found) return "–";
            const changed = found.type === (field.type ?? "any") ? "" : ` Proposed: ${found.type}.`;
            return (
              <Box variant="small">
                <Name>{`${found.why}.${changed}`}</Name>
                {found.values && (
                  <Box variant="small" display="block">
                    All values: <Name>{found.values.map((value) => `“${value}”`).join(", ")}</Name>
                  </Box>
                )}
              </Box>
            );
          },
        },
        {
          id: "values",
          header: "First values",
          minWidth: 160,
          cell: ({ field }: Item) => {
            const at = preview?.labels.indexOf(labelOf(definition, field.name)) ?? -1;
            if (preview && at >= 0) return <Values preview={preview} index={at} />;
            return (proposed(field)?.samples ?? []).map((sample, index) => (
              <div key={index}>
                <Name>{sample}</Name>
              </div>
            ));
          },
        },
        {
          id: "leave-out",
          header: "Leave out",
          width: 90,
          cell: ({ field, index }: Item) => (
            <Button
              variant="icon"
              iconName="remove"
              ariaLabel={`Leave out ${field.name}`}
              disabled={disabled || fields.length === 1}
              onClick={() => onChange(leaveOut(definition, index))}
            />
          ),
        },
      ]}
    />
  );
}

interface FormatProps {
  field: Field;
  disabled: boolean;
  onChange: (members: Partial<Field>) => void;
}

/** How the cells of a type are written, where there are several ways. */
function Format({ field, disabled, onChange }: FormatProps) {
  const ariaLabel = `Format of ${field.name}`;
  const format = field.format ?? "default";
  const asFormat = (value: string) => ({ format: value === "default" || value === "" ? undefined : value });
  switch (field.type) {
    case "string":
      return (
        <Select
          expandToViewport
          ariaLabel={ariaLabel}
          disabled={disabled}
          options={TEXT_FORMATS.map((value) => (value === "default" ? { value, label: "any text" } : option(value)))}
          selectedOption={format === "default" ? { value: "default", label: "any text" } : option(format)}
          onChange={({ detail }) => onChange(asFormat(detail.selectedOption.value!))}
        />
      );
    case "number": {
      const marks = numberFormat(field);
      return (
        <Select
          expandToViewport
          ariaLabel={ariaLabel}
          disabled={disabled}
          placeholder="as the JSON says"
          options={Object.keys(NUMBER_FORMATS).map(option)}
          selectedOption={marks === undefined ? null : option(marks)}
          onChange={({ detail }) =>
            onChange({
              decimalChar: undefined,
              groupChar: undefined,
              ...NUMBER_FORMATS[detail.selectedOption.value!],
            })
          }
        />
      );
    }
    case "boolean":
      return (
        <Box variant="small">
          <Name>{`${listed(field.trueValues, "true, 1")} / ${listed(field.falseValues, "false, 0")}`}</Name>
        </Box>
      );
    case "date":
    case "datetime":
    case "time":
      return (
        <Input
          ariaLabel={ariaLabel}
          placeholder="ISO 8601, or as %d/%m/%Y"
          value={format === "default" ? "" : format}
          disabled={disabled}
          onChange={({ detail }) => onChange(asFormat(detail.value))}
        />
      );
    default:
      return null;
  }
}

/** The words of a boolean, of which nothing is certain while somebody writes the JSON. */
function listed(words: unknown, usual: string): string {
  return Array.isArray(words) ? words.join(", ") : usual;
}

interface VerdictProps {
  preview: Preview | null;
  inferred: Inferred;
  isJudging: boolean;
  error: Problem | null;
}

function Verdict({ preview, inferred, isJudging, error }: VerdictProps) {
  const seen = `Proposed from ${inferred.isWhole ? (inferred.rows === 1 ? "" : "all ") : "the first "}${rowsInWords(inferred.rows)}. `;
  if (error?.status === 429) {
    return <StatusText type="pending">{seen}The service judges again in a moment.</StatusText>;
  }
  if (error) {
    return (
      <StatusText type="warning" wrapText>
        {seen}The rows cannot be judged by this definition: {error.members[0]?.detail ?? error.detail}
      </StatusText>
    );
  }
  if (isJudging || !preview) return <StatusText type="loading">{seen}Judging the first rows</StatusText>;
  if (preview.error) {
    return (
      <StatusText type="warning" wrapText>
        {seen}With this definition the import would fail: {preview.error.message}
      </StatusText>
    );
  }
  const bad = preview.rows.filter(({ errors }) => errors.length > 0).length;
  return (
    <StatusText type={bad ? "warning" : "success"} wrapText>
      {seen}
      {judgedInWords(bad, preview.rows.length)}
    </StatusText>
  );
}
