/** What an import does to records that exist, and the mode that a file needs. */
import type { Entity, Preview, TableSchema } from "../api/types";
import { primaryKey } from "./columnMapping";

type Described = Pick<Entity, "schema">;

const SHOWN_FIELDS = 5;
/** Entities of these take columns without a field. */
const MAY_HAVE_MORE = ["subset", "partial"];

/** The fields for which the file has no column. */
export function lackingFields(mapping: (string | null)[], { schema }: Described): string[] {
  return schema.fields.map(({ name }) => name).filter((name) => !mapping.includes(name));
}

/**
 * The mode for a file: `merge` where it lacks fields that a record need not have, so that records that exist keep them.
 * A column that may yet get one of these fields keeps the proposal back.
 */
export function proposedMode(mapping: (string | null)[], entity: Described, hidesLacking = false): "upsert" | "merge" {
  const { schema } = entity;
  const lacking = lackingFields(mapping, entity);
  const key = primaryKey(schema);
  const isOpen =
    mapping.includes(null) && ![schema.fieldsMatch].flat().some((match) => match && MAY_HAVE_MORE.includes(match));
  const mayLack = lacking.every((name) => !key.includes(name) && !isRequired(schema, name));
  if (key.length > 0 && hidesLacking) return "merge";
  return key.length > 0 && lacking.length > 0 && lacking.length < schema.fields.length && mayLack && !isOpen
    ? "merge"
    : "upsert";
}

/** Of JSON Lines, fields that no line names have columns where whole records are written; a warning tells. */
export function hidesLacking({ detected, warnings }: Pick<Preview, "detected" | "warnings">): boolean {
  return (detected?.format ?? "").startsWith("json") && warnings.some(({ code }) => code === "fields-cleared");
}

export interface Effect {
  text: string;
  /** Values or records that exist are lost. */
  loses: boolean;
}

/** What happens to records that exist, in one sentence. */
export function effectOf(mode: string, blanks: string, mapping: (string | null)[], entity: Described): Effect {
  if (primaryKey(entity.schema).length === 0) {
    return { text: "Each row becomes a new record; records that exist stay as they are.", loses: false };
  }
  const lacking = lackingFields(mapping, entity);
  const names = listed(lacking);
  const hasDefault = entity.schema.fields.some((field) => "default" in field);
  const empties = `an empty cell empties its field${hasDefault ? ", or writes its default" : ""}`;
  const cells = blanks === "keep" ? "an empty cell leaves its field as it is" : empties;
  const keeps = lacking.length > 0 ? `${names} ${lacking.length > 1 ? "stay" : "stays"} as before` : "";
  switch (mode) {
    case "insert":
      return { text: "Records that exist stay as they are: rows with their keys are rejected.", loses: false };
    case "delete":
      return { text: "The records whose keys are in the file will be deleted.", loses: true };
    case "merge":
    case "update": {
      const others =
        mode === "merge" ? "keys that are not known become new records" : "rows with unknown keys are rejected";
      return { text: `In records that exist, ${sentence([keeps, cells, others])}`, loses: false };
    }
    default:
      return lacking.length > 0
        ? { text: `${names} of records that exist will be emptied: the file has no columns for them.`, loses: true }
        : { text: `Records that exist are replaced: ${empties}.`, loses: false };
  }
}

function isRequired(schema: TableSchema, name: string): boolean {
  return schema.fields.find((field) => field.name === name)?.constraints?.required === true;
}

/** `a, b and c`; of many names the first ones. */
function listed(names: string[]): string {
  const shown = names.slice(0, SHOWN_FIELDS);
  const more = names.length - shown.length;
  if (more > 0) return `${shown.join(", ")} and ${more} more`;
  return shown.length > 1 ? `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}` : shown.join("");
}

function sentence(parts: string[]): string {
  return `${parts.filter((part) => part !== "").join("; ")}.`;
}
