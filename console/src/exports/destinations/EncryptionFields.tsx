/** Whom the file is encrypted for. */
import FormField from "@cloudscape-design/components/form-field";
import Textarea from "@cloudscape-design/components/textarea";
import { useState } from "react";
import { SelectField } from "../../common/fields";
import { ENCRYPTION_LABELS, type Encryption, keysIn } from "./encryption";

const HELP: Record<Encryption["kind"], string> = {
  age: "Public keys, which begin with age1, one on each line",
  openpgp: "Public keys as text, each with its lines BEGIN and END",
};
const KINDS = Object.entries(ENCRYPTION_LABELS) as [Encryption["kind"], string][];

interface Props {
  encryption: Encryption | undefined;
  change: (encryption: Encryption | undefined) => void;
}

export function EncryptionFields({ encryption, change }: Props) {
  const [text, setText] = useState(() => encryption?.recipients.join("\n") ?? "");
  return (
    <>
      <SelectField
        label="Encryption"
        value={encryption?.kind ?? "none"}
        options={[["none", "None"], ...KINDS]}
        onChange={(kind) => change(kind === "none" ? undefined : { kind, recipients: keysIn(text, kind) })}
      />
      {encryption && (
        <FormField label="Encrypted for" constraintText={HELP[encryption.kind]}>
          <Textarea
            rows={4}
            spellcheck={false}
            value={text}
            onChange={({ detail }) => {
              setText(detail.value);
              change({ ...encryption, recipients: keysIn(detail.value, encryption.kind) });
            }}
          />
        </FormField>
      )}
    </>
  );
}
