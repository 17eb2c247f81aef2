/** Counts and keys of records in words. */
import type { Condition, RecordCount } from "../api/types";
import { formatCount, formatJson } from "../common/format";

/** `1,234`, `about 1,000,000`, `at least 20,000,000`. */
export function countInWords({ count, precision }: RecordCount): string {
  if (precision === "exact") return formatCount(count);
  const digits = Math.max(0, Math.floor(Math.log10(Math.max(1, count))) - 2); // three digits are known
  const rounded = Math.round(count / 10 ** digits) * 10 ** digits;
  return `${precision === "approximate" ? "about" : "at least"} ${formatCount(rounded)}`;
}

/** A value of a record, as a line of text. */
export function valueInWords(value: unknown): string {
  return value === null || value === undefined ? "–" : formatJson(value);
}

/** The key of a search from what was typed for each field of the key; null while one of them is missing. */
export function searchedKey(texts: string[]): string | null {
  if (texts.length === 0 || texts.some((text) => !text.trim())) return null;
  return texts.length === 1 ? texts[0]! : JSON.stringify(texts);
}

/** What was typed for each field of a key. */
export function keyTexts(key: string | null, fields: number): string[] {
  const none = Array<string>(fields).fill("");
  if (key === null) return none;
  if (fields === 1) return [key];
  const texts = parsed(key);
  return Array.isArray(texts) && texts.length === fields ? texts.map(String) : none;
}

/** The conditions of an address, which may be anything. */
export function conditionsOf(text: string | null): Condition[] {
  const found = text === null ? [] : parsed(text);
  return Array.isArray(found) ? (found as Condition[]) : [];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
