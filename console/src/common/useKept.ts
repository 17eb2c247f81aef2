/** What is typed is kept in the tab until it is saved or given up, so that a reload loses nothing. */
import { useEffect, useRef, useState, type Dispatch, type SetStateAction } from "react";

/** Of what is kept. Raise it when drafts change their shape: older ones are dropped then, not misread. */
const VERSION = 1;

interface Kept<Value> {
  version: number;
  /** What the value was made from, such as the version of an export that is edited. */
  of: string;
  value: Value;
}

/** What was kept under a key, if it is of this version and was made from the same. */
export function keptValue<Value>(storage: Pick<Storage, "getItem">, key: string, of: string): Value | undefined {
  try {
    const kept = JSON.parse(storage.getItem(key) ?? "null") as Kept<Value> | null;
    return kept?.version === VERSION && kept.of === of ? kept.value : undefined;
  } catch {
    return undefined; // no storage, or not what we wrote
  }
}

export function keepValue(storage: Pick<Storage, "setItem">, key: string, of: string, value: unknown): void {
  try {
    storage.setItem(key, JSON.stringify({ version: VERSION, of, value }));
  } catch {
    // a full or forbidden storage keeps nothing, and the form goes on
  }
}

export interface Form<Value> {
  value: Value;
  change: Dispatch<SetStateAction<Value>>;
  /** Whether something was typed that is neither saved nor given up. */
  isChanged: () => boolean;
  /** It is saved, or given up: nothing is kept. */
  settle: () => void;
}

/**
 * The state of a form.
 * @param key of the form, the same after a reload; with the user's name, so that nobody gets what another has typed.
 * @param of what the initial value was made from.
 */
export function useKept<Value>(key: string, of: string, initial: () => Value): Form<Value> {
  const name = `waybill-form:${key}`;
  const [{ value, wasKept }, set] = useState(() => {
    const kept = keptValue<Value>(sessionStorage, name, of);
    return { value: kept ?? initial(), wasKept: kept !== undefined };
  });
  const isChanged = useRef(wasKept); // read when somebody leaves, which may be before the next rendering
  useEffect(() => {
    if (isChanged.current) keepValue(sessionStorage, name, of, value);
  }, [name, of, value]);
  return {
    value,
    change: (next) => {
      isChanged.current = true;
      set((old) => ({
        ...old,
        value: typeof next === "function" ? (next as (old: Value) => Value)(old.value) : next,
      }));
    },
    isChanged: () => isChanged.current,
    settle: () => {
      isChanged.current = false;
      sessionStorage.removeItem(name);
    },
  };
}
