/** What a schema says about its fields, in plain words. */
import type { Field, TableSchema } from "../api/types";

export interface FieldInWords {
  name: string;
  /** Its type, with the format where that is not the usual one. */
  type: string;
  /** What its cells must be. */
  rules: string[];
  /** What becomes of its cells before they are read, in that order. */
  cleaning: string[];
  /** The entities whose records it names; with others, when the key has several fields. */
  references: string[];
}

const STEPS: [string, string][] = [
  ["trim", "white space at both ends is removed"],
  ["collapse", "white space inside becomes one space"],
  ["nfc", "letters and their marks are composed (NFC)"],
  ["upper", "letters become upper case"],
  ["lower", "letters become lower case"],
];
const SHOWN_VALUES = 5;

/** The fields of a schema, of which nothing is certain while somebody writes it. */
export function fieldsInWords(schema: unknown): FieldInWords[] {
  const { fields } = (schema ?? {}) as Partial<TableSchema>;
  if (!Array.isArray(fields)) return [];
  const known = fields.filter((field) => typeof (field as Partial<Field> | null)?.name === "string");
  const key = listed((schema as Partial<TableSchema>).primaryKey);
  return known.map((field) => ({
    name: field.name,
    type:
      field.format && field.format !== "default" ? `${field.type ?? "any"}, ${field.format}` : (field.type ?? "any"),
    rules: rulesOf(field, key),
    cleaning: cleaningOf(field),
    references: referencesOf(field.name, (schema as Partial<TableSchema>).foreignKeys),
  }));
}

function rulesOf(field: Field, key: string[]): string[] {
  const rules = [];
  if (key.includes(field.name)) rules.push(key.length > 1 ? "part of the key" : "the key");
  const { required, unique } = field.constraints ?? {};
  if (required) rules.push("required");
  if (unique) rules.push("each value once in a file");
  return rules;
}

function cleaningOf({ clean, values, default: fallback }: Field): string[] {
  const words = STEPS.filter(([step]) => Array.isArray(clean) && clean.includes(step as never)).map(
    ([, words]) => words,
  );
  const pairs = values && typeof values === "object" ? Object.entries(values) : [];
  words.push(...pairs.slice(0, SHOWN_VALUES).map(([cell, text]) => `“${cell}” is read as “${text}”`));
  if (pairs.length > SHOWN_VALUES) words.push(`and ${pairs.length - SHOWN_VALUES} other cells as other texts`);
  if (typeof fallback === "string") words.push(`a missing value is read as “${fallback}”`);
  return words;
}

function referencesOf(name: string, keys: unknown): string[] {
  if (!Array.isArray(keys)) return [];
  return (keys as NonNullable<TableSchema["foreignKeys"]>).flatMap((key) => {
    const fields = listed(key?.fields);
    if (!fields.includes(name)) return [];
    const others = fields.filter((field) => field !== name);
    const entity = key.reference?.resource ? key.reference.resource : "this entity";
    return [`must name a record of ${entity}${others.length > 0 ? `, with ${others.join(" and ")}` : ""}`];
  });
}

function listed(names: unknown): string[] {
  const list: unknown[] = Array.isArray(names) ? names : [names];
  return list.filter((name) => typeof name === "string");
}
