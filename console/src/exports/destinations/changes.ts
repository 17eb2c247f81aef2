/** What becomes of a destination, or of a source's location, when a person changes it. */
import type { Destination } from "../../api/types";

/** Empty, these say that a name has none; unset, that it has the default. */
const EMPTY_HAS_A_MEANING = ["temporaryPrefix", "temporarySuffix"];

const OF_SERVERS = ["host", "directory", "secretId", "temporaryPrefix", "temporarySuffix", "temporaryFolder"] as const;
const isServer = (kind: Destination["kind"]) => kind === "sftp" || kind === "ftps";

/** A destination of another kind, with what fits both: not the port, which is another one for each kind of server. */
export function ofKind(old: Destination, kind: Destination["kind"]): Destination {
  if (kind === old.kind) return old;
  const { encryption, decryption } = old;
  const shared = isServer(kind) && isServer(old.kind) ? OF_SERVERS.map((name) => [name, old[name]] as const) : [];
  return withoutEmpty({ kind, ...Object.fromEntries(shared), encryption, decryption });
}

/** The API takes other empty fields for wrong values: they have to be absent. */
export function withoutEmpty(destination: Destination): Destination {
  const filled = Object.entries(destination).filter(
    ([name, value]) => value !== undefined && (value !== "" || EMPTY_HAS_A_MEANING.includes(name)),
  );
  return Object.fromEntries(filled) as unknown as Destination;
}
