/** Changes a column of all rows that the filter shows. */
import Alert from "@cloudscape-design/components/alert";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import Spinner from "@cloudscape-design/components/spinner";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { READ_ONCE } from "../api/queryClient";
import { ConfirmDialog } from "../common/ConfirmDialog";
import { SelectField } from "../common/fields";
import { rowsInWords } from "../common/format";
import { ProblemAlert } from "../common/ProblemAlert";
import {
  decimalPoint,
  exactly,
  fitsAll,
  frequent,
  inside,
  isoDate,
  MOST_CORRECTED,
  withoutSpace,
  withRule,
  type Edits,
  type Rule,
} from "./rows";
import type { RejectedRows } from "./useRejectedRows";

const WAYS = [
  ["exactly", "One value by another"],
  ["inside", "A part of the text"],
  ["day", "Dates, day first: 31/12/24 → 2024-12-31"],
  ["month", "Dates, month first: 12/31/24 → 2024-12-31"],
  ["point", "Decimal comma: 1.234,5 → 1234.5"],
  ["space", "Space around the text: left out"],
] as const;
type Way = (typeof WAYS)[number][0];
const RULES = { day: isoDate("day"), month: isoDate("month"), point: decimalPoint, space: withoutSpace };
const OFFERED = 200;

/** The first way that fits all values; where none does, one value is replaced by another. */
function proposedWay(values: string[]): Way {
  const fitting = (Object.keys(RULES) as (keyof typeof RULES)[]).find((way) => fitsAll(values, RULES[way]));
  return fitting ?? "exactly";
}

interface Props {
  list: RejectedRows;
  label: string;
  edits: Edits;
  /** What the filter shows, in words. */
  which: string;
  onReplace: (edits: Edits) => void;
  onClose: () => void;
}

export function ReplaceDialog({ list, label: proposed, edits, which, onReplace, onClose }: Props) {
  const [chosenLabel, setLabel] = useState<string | null>(null);
  const label = chosenLabel ?? proposed; // which may change until the summary of errors was read
  const [chosenWay, setWay] = useState<Way | null>(null);
  const [from, setFrom] = useState<string | null>(null);
  const [to, setTo] = useState("");
  const read = useQuery({
    ...READ_ONCE,
    queryKey: ["corrections", "all", which],
    queryFn: () => list.readUpTo(MOST_CORRECTED),
  });
  const rows = read.data ?? [];
  const values = frequent(rows, label, edits).slice(0, OFFERED);
  const way = chosenWay ?? proposedWay(values.map(([value]) => value));
  const text = from ?? (way === "exactly" ? (values[0]?.[0] ?? "") : "");
  const rules: Record<Way, Rule> = {
    exactly: exactly(text, to),
    inside: inside(text, to),
    ...RULES,
  };
  const [changed, count] = withRule(edits, rows, label, rules[way]);
  const isTyped = way === "exactly" || way === "inside";
  return (
    <ConfirmDialog
      header="Replace in all rows"
      confirmText={`Replace in ${rowsInWords(count)}`}
      isDisabled={count === 0}
      onConfirm={async () => {
        onReplace(changed);
        onClose();
        return Promise.resolve();
      }}
      onClose={onClose}
    >
      {read.isPending && (
        <div>
          <Spinner /> Reading the rows
        </div>
      )}
      {read.error && <ProblemAlert error={read.error} />}
      <div>{which}</div>
      <SelectField
        label="Column"
        value={label}
        options={list.labels.map((each) => [each, each] as const)}
        onChange={setLabel}
      />
      <SelectField label="What to replace" value={way} options={WAYS} onChange={setWay} />
      {way === "exactly" && (
        <FormField label="Value">
          <Select
            filteringType="auto"
            options={values.map(([value, times]) => ({
              value,
              label: value || "(empty)",
              tags: [rowsInWords(times)],
            }))}
            selectedOption={{ value: text, label: text || "(empty)" }}
            onChange={({ detail }) => setFrom(detail.selectedOption.value ?? "")}
          />
        </FormField>
      )}
      {way === "inside" && (
        <FormField label="Part">
          <Input value={text} onChange={({ detail }) => setFrom(detail.value)} />
        </FormField>
      )}
      {isTyped && (
        <FormField label="By">
          <Input autoFocus={way === "exactly"} value={to} onChange={({ detail }) => setTo(detail.value)} />
        </FormField>
      )}
      {(list.hasMore || changed.size >= MOST_CORRECTED) && !read.isPending && (
        <Alert type="info">
          At most {rowsInWords(MOST_CORRECTED)} are corrected at once: import these, then go on with the others.
        </Alert>
      )}
    </ConfirmDialog>
  );
}
