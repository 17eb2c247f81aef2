/** Keys as people paste them, and what a definition says of them. */
import type { Destination } from "../../api/types";

export type Encryption = NonNullable<Destination["encryption"]>;

export const ENCRYPTION_LABELS: Record<Encryption["kind"], string> = { age: "age", openpgp: "OpenPGP" };

/** The keys of a text: of age one on each line, of OpenPGP one block after the other. */
export function keysIn(text: string, kind: Encryption["kind"]): string[] {
  const parts = kind === "age" ? text.split("\n") : text.split(/(?=-----BEGIN )/);
  return parts.map((part) => part.trim()).filter(Boolean);
}

/** With what tells whose the keys are: the ends of a key of age, the comments that a key of OpenPGP brings along. */
export function describeEncryption(encryption: Encryption | undefined): string {
  if (!encryption) return "None";
  const { kind, recipients } = encryption;
  if (kind === "age") return `age, for ${recipients.map(shortened).join(", ")}`;
  const keys = recipients.length === 1 ? "1 key" : `${recipients.length} keys`;
  const comments = recipients.flatMap((key) =>
    [...key.matchAll(/^Comment: *(.+)$/gm)].map((found) => found[1]!.trim()),
  );
  return `OpenPGP, for ${keys}${comments.length ? ` (${comments.join("; ")})` : ""}`;
}

function shortened(key: string): string {
  return key.length > 30 ? `${key.slice(0, 12)}…${key.slice(-8)}` : key;
}
