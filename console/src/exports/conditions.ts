/** The conditions of a filter, converted between the API's form, typed text and a readable line. */
import { formatJson } from "../common/format";
import type { Condition, Field } from "../api/types";

/** Only in the console: the API has one operator, `empty`, with the value true or false. */
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

/** A condition as text. `given` is the API's condition until the user changes it: text cannot express every value. */
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

/** Converts text to a value of the field's type. Text that is not a number stays text, which the API refuses. */
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
