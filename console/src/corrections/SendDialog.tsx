/** Starts an import of the corrected rows. */
import Alert from "@cloudscape-design/components/alert";
import FormField from "@cloudscape-design/components/form-field";
import RadioGroup from "@cloudscape-design/components/radio-group";
import { useState } from "react";
import { at, callOnce } from "../api/client";
import type { Job } from "../api/types";
import { ConfirmDialog } from "../common/ConfirmDialog";
import { rowsInWords } from "../common/format";
import { corrections, type Edits } from "./rows";
import type { Verdicts } from "./useVerdicts";

/** What a corrected row does to the record of its key, by the mode. */
const EFFECTS: Record<NonNullable<Job["mode"]>, string> = {
  upsert: "A record with the key of such a row is replaced, even if a later row of the file wrote it.",
  insert: "Such a row is rejected if there is a record with its key.",
  merge: "A record with the key of such a row gets its values, even if a later row of the file wrote it.",
  update: "A record with the key of such a row gets its values, even if a later row of the file wrote it.",
  delete: "A record with the key of such a row is deleted, even if a later row of the file wrote it.",
};

interface Props {
  job: Job;
  labels: string[];
  edits: Edits;
  verdicts: Verdicts;
  /** With the ID of the new job. */
  onSent: (childId: string) => void;
  onClose: () => void;
}

export function SendDialog({ job, labels, edits, verdicts, onSent, onClose }: Props) {
  const [only, setOnly] = useState<"corrected" | "all">("corrected");
  const [key] = useState(() => crypto.randomUUID());
  const { rejected, unprocessed } = job.counts;
  const others = Math.max(0, rejected + unprocessed - edits.size);
  const send = async () => {
    const body = { corrections: corrections(edits, labels), only };
    const child = await callOnce<Job>(at`jobs/${job.jobId}/relaunch`, { body, key: `${key}-${only}` });
    onSent(child.jobId);
  };
  return (
    <ConfirmDialog
      header="Import the corrected rows?"
      confirmText={
        only === "all" ? `Import ${rowsInWords(rejected + unprocessed)}` : `Import ${rowsInWords(edits.size)}`
      }
      onConfirm={send}
      onClose={onClose}
    >
      <div>
        A new import of <b>{rowsInWords(edits.size)}</b> into {job.entity} starts, in the mode <b>{job.mode}</b>.{" "}
        {EFFECTS[job.mode]}
      </div>
      {verdicts.bad > 0 && (
        <Alert type="warning">
          {rowsInWords(verdicts.bad)} would be rejected again, because of errors that are left.
        </Alert>
      )}
      {verdicts.pending > 0 && <Alert type="info">Still checking {rowsInWords(verdicts.pending)}.</Alert>}
      {others > 0 && (
        <FormField
          label={
            others === 1
              ? "The other row that was not imported"
              : `The other ${rowsInWords(others)} that were not imported`
          }
        >
          <RadioGroup
            value={only}
            onChange={({ detail }) => setOnly(detail.value as typeof only)}
            items={[
              { value: "corrected", label: "Leave them", description: "They can be corrected and imported later." },
              {
                value: "all",
                label: "Import them too, as they are",
                description: "Those that still break a rule are rejected again.",
              },
            ]}
          />
        </FormField>
      )}
    </ConfirmDialog>
  );
}
