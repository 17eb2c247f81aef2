/** What is typed is kept in the tab until it is saved or given up, so that a reload loses nothing. */
import { useEffect, useRef, useState, type Dispatch, type SetStateAction } from "react";

/** Of what is kept. Raise it when drafts change their shape: older ones are dropped then, not misread. */
const VERSION = 2;
/** Of the keys of all that is typed and not saved: it goes when its person signs out. */
export const PREFIX = "waybill-form:";
const PRIVATE_KEY = /PRIVATE KEY|AGE-SECRET-KEY-/i;

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

/** What holds a private key, pasted into a wrong field, is not kept: what was kept before it stays. */
export function keepValue(storage: Pick<Storage, "setItem">, key: string, of: string, value: unknown): void {
  const text = JSON.stringify({ version: VERSION, of, value });
  if (PRIVATE_KEY.test(text)) return;
  try {
    storage.setItem(key, text);
  } catch {
    // a full or forbidden storage keeps nothing, and the form goes on
  }
}

/** Forgets what is kept of every form, as when its person signs out. */
export function forgetForms(storage: Pick<Storage, "length" | "key" | "removeItem">): void {
  try {
    const keys = Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? "");
    keys.filter((key) => key.startsWith(PREFIX)).forEach((key) => storage.removeItem(key));
  } catch {
    // a forbidden storage has kept nothing
  }
}

/** Lets the form of that key, on the next screen, begin with what was typed on this one. */
export function handOver(key: string, of: string, value: unknown): void {
  keepValue(sessionStorage, PREFIX + key, of, value);
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
  const name = PREFIX + key;
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
