/** The names of the files that a source fetches. */
import type { SourceDefinition } from "../api/types";

/** What encrypted files are usually called, when a pattern would not find them. */
export function patternWarning({
  location,
  pattern,
}: Pick<SourceDefinition, "location" | "pattern">): string | undefined {
  if (!location.decryption || /(\*|\.(age|pgp|gpg|asc))$/i.test(pattern)) return undefined;
  const ends = location.decryption.kind === "age" ? ".age" : ".pgp, .gpg or .asc";
  return `The names of encrypted files usually end with ${ends}, which ${pattern} does not find`;
}
