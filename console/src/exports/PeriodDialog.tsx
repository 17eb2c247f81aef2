/** A run of an incremental export for a past period. */
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";
import { at, callOnce } from "../api/client";
import type { Export } from "../api/types";
import { ConfirmDialog } from "../common/ConfirmDialog";
import { Name } from "../common/Name";
import { ZONE } from "../common/Time";

interface Props {
  of: Export;
  onDone: () => Promise<void>;
  onClose: () => void;
}

export function PeriodDialog({ of, onDone, onClose }: Props) {
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const run = async () => {
    const body = { ...(from && { windowFrom: momentOf(from) }), windowTo: momentOf(to) };
    await callOnce(at`exports/${of.exportId}/run`, { body });
    await onDone();
  };
  const isWrong = (text: string) => text !== "" && momentOf(text) === undefined;
  return (
    <ConfirmDialog
      header="Run for a past period"
      confirmText="Run"
      isDisabled={momentOf(to) === undefined || isWrong(from)}
      onConfirm={run}
      onClose={onClose}
    >
      <SpaceBetween size="m">
        <div>
          Exports the records of <Name>{of.name}</Name> whose last change lies in the period. The next runs of the
          schedule begin where they would have begun.
        </div>
        <MomentField label="From" value={from} isWrong={isWrong(from)} onChange={setFrom} hint="the first record" />
        <MomentField label="To before" value={to} isWrong={isWrong(to)} onChange={setTo} />
      </SpaceBetween>
    </ConfirmDialog>
  );
}

function MomentField(props: {
  label: string;
  value: string;
  isWrong: boolean;
  hint?: string;
  onChange: (value: string) => void;
}) {
  const { label, value, isWrong, hint, onChange } = props;
  return (
    <FormField
      label={label}
      constraintText={`Such as 2026-01-31 09:30, in ${ZONE}${hint ? `; when empty: ${hint}` : ""}`}
      errorText={isWrong && "This is not a date and time"}
    >
      <Input value={value} onChange={({ detail }) => onChange(detail.value)} />
    </FormField>
  );
}

/** The moment that a text means in the reader's zone, for the API. */
function momentOf(text: string): string | undefined {
  const found = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)$/.exec(text.trim());
  const moment = found && new Date(`${found[1]}T${found[2]}`);
  return moment && !Number.isNaN(moment.getTime()) ? moment.toISOString() : undefined;
}
