/** The columns of a table that a window has room for. */
import { useSyncExternalStore } from "react";

const PHONE = matchMedia("(max-width: 600px)");
const NARROW = matchMedia("(max-width: 1000px)");

function subscribe(listener: () => void): () => void {
  for (const query of [PHONE, NARROW]) query.addEventListener("change", listener);
  return () => {
    for (const query of [PHONE, NARROW]) query.removeEventListener("change", listener);
  };
}

export type Width = "phone" | "narrow" | "wide";

export function useWidth(): Width {
  return useSyncExternalStore(subscribe, () => (PHONE.matches ? "phone" : NARROW.matches ? "narrow" : "wide"));
}

/**
 * @param columns - all of them, shown in a wide window.
 * @param fewer - the ids of those in a narrower one, in their order there; `wide` where not all are shown in a wide one.
 */
export function useColumns<Column extends { id?: string }>(
  columns: readonly Column[],
  fewer: Record<Exclude<Width, "wide">, string[]> & { wide?: string[] },
): Column[] {
  const width = useWidth();
  return fewer[width] === undefined
    ? [...columns]
    : fewer[width].flatMap((wanted) => columns.filter(({ id }) => id === wanted));
}
