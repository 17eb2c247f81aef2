/** The conditions of a filter: as the API has them, as people type them, and in words. */
import { formatJson } from "../common/format";
import type { Condition, Field } from "../api/types";

/** The API has one operator for empty and not empty, with a value. */
export const NOT_EMPTY = "notEmpty";
export const OPERATORS: Record<Condition["op"] | typeof NOT_EMPTY, string> = {
  eq: "is",
  ne: "is not",
  lt: "is less than",
  le: "is at most",
  gt: "is more than",
  ge: "is at least",
  in: "is one of (commas between)",
  between: "is between (comma between)",
  begins: "begins with",
  contains: "contains",
  empty: "is empty",
  notEmpty: "is not empty",
};
export type Operator = keyof typeof OPERATORS;

/** A condition as it is typed. `given` is the API's own, until somebody changes it: text would not always give it back. */
export interface TypedCondition {
  field: string;
  op: Operator;
  text: string;
  given?: Condition;
}

export const takesValue = (op: Operator) => op !== "empty" && op !== NOT_EMPTY;

export function typedCondition(given: Condition): TypedCondition {
  const { field, op, value } = given;
  if (op === "empty") return { field, op: value === false ? NOT_EMPTY : op, text: "", given };
  return { field, op, text: Array.isArray(value) ? value.join(",") : formatJson(value ?? ""), given };
}

export function conditionOf({ field, op, text, given }: TypedCondition, fields: Field[]): Condition {
  if (given) return given;
  const value = conditionValue(
    op,
    text,
    fields.find(({ name }) => name === field),
  );
  return { field, op: op === NOT_EMPTY ? "empty" : op, value };
}

/** The value that was typed, as its field's type has it; what is no number stays text, and the API refuses it. */
export function conditionValue(op: Operator, text: string, field: Field | undefined): unknown {
  if (!takesValue(op)) return op === "empty";
  const one = (part: string): unknown => {
    if (field?.type === "boolean") return part.trim().toLowerCase() === "true";
    const isNumber = field?.type === "integer" || field?.type === "number";
    return isNumber && part.trim() !== "" && Number.isFinite(Number(part)) ? Number(part) : part;
  };
  return op === "in" || op === "between" ? text.split(",").map((part) => one(part.trim())) : one(text);
}

/** `id is less than 5`. */
export function describeCondition({ field, op, value }: Condition): string {
  if (op === "empty") return `${field} ${OPERATORS[value === false ? NOT_EMPTY : "empty"]}`;
  return `${field} ${OPERATORS[op].replace(/ \(.*\)$/, "")} ${JSON.stringify(value)}`;
}
