/** What becomes of a destination, or of a source's location, when a person changes it. */
import type { Destination } from "../../api/types";

/** Empty, these say that a name has none; unset, that it has the default. */
const EMPTY_HAS_A_MEANING = ["temporaryPrefix", "temporarySuffix"];

/** The API takes other empty fields for wrong values: they have to be absent. */
export function withoutEmpty(destination: Destination): Destination {
  const filled = Object.entries(destination).filter(
    ([name, value]) => value !== undefined && (value !== "" || EMPTY_HAS_A_MEANING.includes(name)),
  );
  return Object.fromEntries(filled) as unknown as Destination;
}
