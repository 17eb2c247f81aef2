/** The format of the file and its name. */
import Checkbox from "@cloudscape-design/components/checkbox";
import ColumnLayout from "@cloudscape-design/components/column-layout";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";
import { SelectField } from "../../common/fields";
import { Name } from "../../common/Name";
import { Notes } from "../../common/Notes";
import { defaultFileName, fileNameAt } from "../fileName";
import { changesOfCompression, changesOfFormat } from "../format";
import { FORMATS, isIncremental } from "../labels";
import { SplitField } from "../SplitField";
import type { StepProps } from "./draft";

const COMPRESSIONS = [
  ["none", "None"],
  ["gzip", "gzip"],
  ["zip", "zip"],
] as const;
const DELIMITERS = [
  [",", "Comma"],
  [";", "Semicolon"],
  ["\t", "Tab"],
  ["|", "Bar"],
] as const;

export function FormatStep({ draft, change }: StepProps) {
  const [now] = useState(() => new Date());
  const [notes, setNotes] = useState<string[]>([]);
  const format = draft.format ?? "csv";
  const pattern = draft.fileName ?? defaultFileName(draft);
  return (
    <Container>
      <SpaceBetween size="m">
        <ColumnLayout columns={3}>
          <SelectField
            label="Format"
            value={format}
            options={FORMATS}
            onChange={(value) => {
              const { changes, notes } = changesOfFormat(draft, value);
              setNotes(notes);
              change(changes);
            }}
          />
          {format !== "parquet" && (
            <SelectField
              label="Compression"
              value={draft.compression ?? "none"}
              options={COMPRESSIONS}
              onChange={(compression) => change(changesOfCompression(draft, compression))}
            />
          )}
          {format === "csv" && (
            <SelectField<string>
              label="Delimiter"
              value={String(draft.dialect?.delimiter ?? ",")}
              options={DELIMITERS}
              onChange={(delimiter) => change({ dialect: { ...draft.dialect, delimiter } })}
            />
          )}
        </ColumnLayout>
        <Notes notes={notes} />
        <FormField
          label="File name"
          constraintText="$yyyyMMdd, $HHmm and the like become the date and time of the run."
          description={
            <>
              Now it would be <Name>{fileNameAt(pattern, now, draft.schedule?.timezone)}</Name>
            </>
          }
        >
          <Input value={pattern} onChange={({ detail }) => change({ fileName: detail.value })} />
        </FormField>
        <SplitField draft={draft} change={change} />
        {format !== "parquet" && (
          <Checkbox
            checked={draft.escapeFormulas ?? true}
            description="Puts ' before texts that a spreadsheet would run as a formula"
            onChange={({ detail }) => change({ escapeFormulas: detail.checked })}
          >
            Formula guard
          </Checkbox>
        )}
        {isIncremental(draft.type) && (
          <Checkbox
            checked={draft.includeDeleted ?? false}
            description="Adds a last column, _deleted, that marks deleted records"
            onChange={({ detail }) => change({ includeDeleted: detail.checked })}
          >
            Include deletions
          </Checkbox>
        )}
      </SpaceBetween>
    </Container>
  );
}
