/** Keys as people paste them, and what a definition says of them. */
import type { Destination } from "../../api/types";

export type Encryption = NonNullable<Destination["encryption"]>;

export const ENCRYPTION_LABELS: Record<Encryption["kind"], string> = { age: "age", openpgp: "OpenPGP" };

/** The keys of a text: of age one on each line, of OpenPGP one block after the other. */
export function keysIn(text: string, kind: Encryption["kind"]): string[] {
  const parts = kind === "age" ? text.split("\n") : text.split(/(?=-----BEGIN )/);
  return parts.map((part) => part.trim()).filter(Boolean);
}

export function describeEncryption({ kind, recipients }: Encryption): string {
  const keys = recipients.length === 1 ? "1 key" : `${recipients.length} keys`;
  return kind === "age" ? `age, for ${recipients.join(", ")}` : `${ENCRYPTION_LABELS[kind]}, for ${keys}`;
}
