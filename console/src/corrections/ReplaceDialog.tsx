/** Changes a column of all rows that the filter shows. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Checkbox from "@cloudscape-design/components/checkbox";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Select from "@cloudscape-design/components/select";
import Spinner from "@cloudscape-design/components/spinner";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { READ_ONCE } from "../api/queryClient";
import type { Field } from "../api/types";
import { ConfirmDialog } from "../common/ConfirmDialog";
import { SelectField } from "../common/fields";
import { counted, formatCount, rowsInWords } from "../common/format";
import { ProblemAlert } from "../common/ProblemAlert";
import { frequent, isBad, isEditable, MOST_CORRECTED, withRule, type Edits } from "./rows";
import type { RejectedRows } from "./useRejectedRows";
import type { Verdicts } from "./useVerdicts";
import { exactly, inside, proposal, ruleOf, waysFor, type Rule, type Way } from "./ways";

const TYPED = [
  ["exactly", "One value by another"],
  ["inside", "A part of the text"],
] as const;
type Choice = (typeof TYPED)[number][0] | Way["id"];
const NO_CHANGE: Rule = () => null;
const OFFERED = 200;
const SHOWN_CHANGES = 3;

interface Props {
  list: RejectedRows;
  label: string;
  /** The entity's fields; undefined while they are not known. */
  entityFields: Field[] | undefined;
  edits: Edits;
  verdicts: Verdicts;
  /** What the filter shows, in words. */
  which: string;
  onReplace: (edits: Edits) => void;
  onClose: () => void;
}

export function ReplaceDialog({
  list,
  label: proposed,
  entityFields,
  edits,
  verdicts,
  which,
  onReplace,
  onClose,
}: Props) {
  const [chosenLabel, setLabel] = useState<string | null>(null);
  const label = chosenLabel ?? proposed; // which may change until the summary of errors was read
  const [chosen, setChoice] = useState<Choice | null>(null);
  const [alsoGood, setAlsoGood] = useState(false);
  const [from, setFrom] = useState<string | null>(null);
  const [to, setTo] = useState("");
  const read = useQuery({
    ...READ_ONCE,
    queryKey: ["corrections", "all", list.jobId, which],
    queryFn: () => list.readUpTo(MOST_CORRECTED),
  });
  const { labels, fields } = list;
  const rows = useMemo(() => (read.data ?? []).filter(isEditable), [read.data]);
  const bad = rows.filter((row) => isBad(row, label, edits, verdicts.errorsOf(row.rowNumber), { labels, fields }));
  const meant = alsoGood ? rows : bad;
  const values = frequent(meant, label, edits);

  const ways = waysFor(entityFields?.find(({ name }) => name === fields[labels.indexOf(label)]));
  const badTexts = frequent(bad, label, edits).map(([value]) => value);
  const { way, doubt } = proposal(badTexts, ways);
  const choice = chosen ?? way?.id ?? null;
  const chosenWay = ways.find(({ id }) => id === choice);
  const isTyped = choice === "exactly" || choice === "inside";
  const text = from ?? (choice === "exactly" ? (values[0]?.[0] ?? "") : "");
  const typedRule = choice === "exactly" ? exactly(text, to) : choice === "inside" ? inside(text, to) : NO_CHANGE;
  const rule = chosenWay ? ruleOf(chosenWay) : typedRule;
  const [changed, count] = withRule(edits, meant, label, rule);
  const changes = values.flatMap(([value]) => {
    const next = rule(value);
    return next === null || next === value ? [] : [[value, next] as const];
  });
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
        options={labels.map((each) => [each, each] as const)}
        onChange={(next) => {
          setLabel(next);
          setChoice(null);
          setFrom(null);
        }}
      />
      {verdicts.pending > 0 && <div>Still checking {rowsInWords(verdicts.pending)}.</div>}
      {!read.isPending && bad.length === 0 && <div>No cell of {label} has an error.</div>}
      {rows.length > bad.length && (
        <Checkbox checked={alsoGood} onChange={({ detail }) => setAlsoGood(detail.checked)}>
          Also {counted(rows.length - bad.length, "cell")} without an error
        </Checkbox>
      )}
      <SelectField<Choice | "">
        label="What to replace"
        value={choice ?? ""}
        options={[...TYPED, ...ways.map(({ id, label }) => [id, label] as const)]}
        onChange={(next) => setChoice(next || null)}
      />
      {choice === "exactly" && (
        <FormField label="Value">
          <Select
            filteringType="auto"
            options={values.slice(0, OFFERED).map(([value, times]) => ({
              value,
              label: value || "(empty)",
              tags: [rowsInWords(times)],
            }))}
            selectedOption={{ value: text, label: text || "(empty)" }}
            onChange={({ detail }) => setFrom(detail.selectedOption.value ?? "")}
          />
        </FormField>
      )}
      {choice === "inside" && (
        <FormField label="Part">
          <Input value={text} onChange={({ detail }) => setFrom(detail.value)} />
        </FormField>
      )}
      {isTyped && (
        <FormField label="By">
          <Input autoFocus={choice === "exactly"} value={to} onChange={({ detail }) => setTo(detail.value)} />
        </FormField>
      )}
      {doubt && chosenWay?.id !== "space" && !isTyped && (
        <Alert type="warning">
          Every value with an error can be read in more than one way: {doubt}. Choose what is meant in this file.
        </Alert>
      )}
      {changes.length > 0 && (
        <div>
          <Box variant="awsui-key-label">What changes</Box>
          {changes.slice(0, SHOWN_CHANGES).map(([before, after]) => (
            <div key={before}>
              <bdi>{before || "(empty)"}</bdi> → <bdi>{after || "(empty)"}</bdi>
            </div>
          ))}
          {changes.length > SHOWN_CHANGES && <div>and {counted(changes.length - SHOWN_CHANGES, "other value")}</div>}
        </div>
      )}
      {choice && count < meant.length && changed.size < MOST_CORRECTED && (
        <div>
          {meant.length - count === 1 ? "1 cell stays" : `${formatCount(meant.length - count)} cells stay`} as is.
        </div>
      )}
      {(list.hasMore || changed.size >= MOST_CORRECTED) && !read.isPending && (
        <Alert type="info">
          At most {rowsInWords(MOST_CORRECTED)} are corrected at once: import these, then go on with the others.
        </Alert>
      )}
    </ConfirmDialog>
  );
}
