/** What decrypts the files of a location. */
import ColumnLayout from "@cloudscape-design/components/column-layout";
import type { Destination } from "../api/types";
import { SelectField, TextField } from "../common/fields";
import { ENCRYPTION_LABELS } from "../exports/destinations/encryption";

type Decryption = NonNullable<Destination["decryption"]>;

const KINDS = Object.entries(ENCRYPTION_LABELS) as [Decryption["kind"], string][];

interface Props {
  decryption: Decryption | undefined;
  change: (decryption: Decryption | undefined) => void;
}

export function DecryptionFields({ decryption, change }: Props) {
  return (
    <ColumnLayout columns={2}>
      <SelectField
        label="Decryption"
        value={decryption?.kind ?? "none"}
        options={[["none", "None: files are not encrypted"], ...KINDS]}
        onChange={(kind) => change(kind === "none" ? undefined : { kind, secretId: decryption?.secretId ?? "" })}
      />
      {decryption && (
        <TextField
          label="Secret of the private key"
          value={decryption.secretId}
          help="Name of a secret that is for this host, or bucket, and entity"
          onChange={(secretId) => change({ ...decryption, secretId })}
        />
      )}
    </ColumnLayout>
  );
}
