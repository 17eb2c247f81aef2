/** Which columns of an entity a user sees, and how many rows: kept in this browser. */
import { useState } from "react";

/** So many columns are shown until the user chooses: a row of hundreds is neither read nor drawn quickly. */
export const SHOWN_AT_FIRST = 20;
export const PAGE_SIZES = [20, 50, 100];

export interface Preferences {
  pageSize: number;
  wrapLines: boolean;
  /** All fields in the order of their columns; null: as the schema has them, the first ones visible. */
  columns: { id: string; visible: boolean }[] | null;
}

const DEFAULTS: Preferences = { pageSize: 50, wrapLines: false, columns: null };

export function usePreferences(entity: string): [Preferences, (preferences: Preferences) => void] {
  const [preferences, setPreferences] = useState(() => stored(entity));
  return [
    preferences,
    (changed) => {
      setPreferences(changed);
      localStorage.setItem(place(entity), JSON.stringify(changed));
    },
  ];
}

const place = (entity: string) => `waybill.columns.${entity}`;

function stored(entity: string): Preferences {
  try {
    const known = JSON.parse(localStorage.getItem(place(entity)) ?? "{}") as Partial<Preferences>;
    const pageSize = PAGE_SIZES.find((size) => size === known.pageSize) ?? DEFAULTS.pageSize;
    return { ...DEFAULTS, ...known, pageSize, columns: Array.isArray(known.columns) ? known.columns : null };
  } catch {
    return DEFAULTS;
  }
}

/** The columns of the fields as they are now: the schema may have changed since the user chose. The key comes first. */
export function columnsOf(fields: string[], keys: string[], { columns }: Pick<Preferences, "columns">) {
  const inOrder = [...keys, ...fields.filter((field) => !keys.includes(field))];
  const known = (columns ?? []).filter(({ id }) => inOrder.includes(id));
  const chosen = new Set(known.map(({ id }) => id));
  const others = inOrder
    .filter((id) => !chosen.has(id))
    .map((id) => ({ id, visible: columns === null && inOrder.indexOf(id) < SHOWN_AT_FIRST }));
  const all = [...known, ...others].map(({ id, visible }) => ({ id, visible: visible || keys.includes(id) }));
  return [...all.filter(({ id }) => keys.includes(id)), ...all.filter(({ id }) => !keys.includes(id))];
}
