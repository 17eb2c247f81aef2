/** Edits the definition of an entity that is made from a file. */
import type { EntityDocument, Field } from "../api/types";

/** The members of a field that say how its cells are read as a value; they go with its type. */
const COMMON = ["name", "title", "description", "constraints", "clean", "values", "default"];
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

export type FieldType = NonNullable<Field["type"]>;
export const TYPES = (
  "string integer number boolean date datetime time year yearmonth duration " + "list object array geopoint geojson any"
).split(" ") as FieldType[];
export const TEXT_FORMATS = ["default", "email", "uri", "uuid", "binary"];
/** How numbers are written, by their marks for decimals and thousands. */
export const NUMBER_FORMATS: Record<string, Partial<Field>> = {
  "1234.5": {},
  "1,234.5": { groupChar: "," },
  "1234,5": { decimalChar: "," },
  "1.234,5": { groupChar: ".", decimalChar: "," },
};

export function isName(name: string): boolean {
  return NAME.test(name);
}

/** A name for the entity of a file: `Kunden 2026.csv.gz` becomes `Kunden-2026`. */
export function nameFromFile(fileName: string): string {
  const stem = fileName.replace(/(\.[A-Za-z]{2,7})?(\.[A-Za-z0-9]{2,7})$/, "");
  const plain = stem.normalize("NFKD").replace(/\p{M}/gu, "");
  return plain
    .replace(/[^A-Za-z0-9_.-]+/g, "-")
    .replace(/^[^A-Za-z0-9]+|-+$/g, "")
    .slice(0, 64);
}

/** The definition in a text: a bare Table Schema becomes an entity without other settings. Null while it is none. */
export function definitionIn(text: string): EntityDocument | null {
  try {
    const document = JSON.parse(text) as unknown;
    if (typeof document !== "object" || document === null) return null;
    const whole = ("fields" in document ? { schema: document } : document) as EntityDocument;
    return Array.isArray((whole.schema as Partial<EntityDocument["schema"]> | undefined)?.fields) ? whole : null;
  } catch {
    return null;
  }
}

/** The label of a field in the file: header names that differ from field names are in `columns`. */
export function labelOf({ columns }: EntityDocument, name: string): string {
  return Object.entries(columns ?? {}).find(([, field]) => field === name)?.[0] ?? name;
}

/** Gives a field another name; the file's label goes on to mean it. */
export function rename(definition: EntityDocument, index: number, name: string): EntityDocument {
  const { schema } = definition;
  const old = schema.fields[index]!.name;
  const label = labelOf(definition, old);
  const others = without(definition.columns ?? {}, label);
  const columns = label === name ? others : { ...others, [label]: name };
  const members = Object.entries(schema).map(([member, value]) =>
    ["primaryKey", "uniqueKeys"].includes(member) ? [member, replaced(value, old, name)] : [member, value],
  );
  const renamed = { ...(Object.fromEntries(members) as typeof schema) };
  renamed.fields = schema.fields.map((field, at) => (at === index ? { ...field, name } : field));
  return { ...without(definition, "columns"), schema: renamed, ...(Object.keys(columns).length > 0 && { columns }) };
}

function replaced(value: unknown, old: string, name: string): unknown {
  if (Array.isArray(value)) return value.map((each) => replaced(each, old, name));
  return value === old ? name : value;
}

/** Gives a field other members; those that are undefined are taken away. */
export function change(definition: EntityDocument, index: number, members: Partial<Field>): EntityDocument {
  const fields = definition.schema.fields.map((field, at) =>
    at === index ? (JSON.parse(JSON.stringify({ ...field, ...members })) as Field) : field,
  );
  return { ...definition, schema: { ...definition.schema, fields } };
}

/**
 * Gives a field another type: what belongs to the old type goes.
 * @param proposed - the field as it was proposed: with its type come its formats.
 */
export function retype(
  definition: EntityDocument,
  index: number,
  type: FieldType,
  proposed: Partial<Field> | undefined,
): EntityDocument {
  const old = definition.schema.fields[index]!;
  const gone = Object.keys(old).filter((member) => !COMMON.includes(member));
  const reading = proposed?.type === type ? without(proposed, "name", "title", "constraints") : { type };
  return change(definition, index, { ...Object.fromEntries(gone.map((member) => [member, undefined])), ...reading });
}

/** How the numbers of a field are written; undefined where no entry of `NUMBER_FORMATS` says it. */
export function numberFormat({ decimalChar = ".", groupChar = "" }: Field): string | undefined {
  return Object.entries(NUMBER_FORMATS).find(
    ([, marks]) => (marks.decimalChar ?? ".") === decimalChar && (marks.groupChar ?? "") === groupChar,
  )?.[0];
}

export function isRequired({ constraints }: Field): boolean {
  return constraints?.required === true;
}

export function require(definition: EntityDocument, index: number, required: boolean): EntityDocument {
  const others = without(definition.schema.fields[index]!.constraints ?? {}, "required");
  const constraints = required ? { ...others, required: true } : others;
  return change(definition, index, { constraints: Object.keys(constraints).length > 0 ? constraints : undefined });
}

export function keyOf({ schema }: EntityDocument): string[] {
  return schema.primaryKey === undefined ? [] : [schema.primaryKey].flat();
}

/** Puts a field into the key or takes it out; the key has the order of the fields. */
export function setKey(definition: EntityDocument, name: string, isKey: boolean): EntityDocument {
  const wanted = [...keyOf(definition).filter((field) => field !== name), ...(isKey ? [name] : [])];
  const key = definition.schema.fields.map((field) => field.name).filter((field) => wanted.includes(field));
  const schema = without(definition.schema, "primaryKey");
  return { ...definition, schema: key.length > 0 ? { ...schema, primaryKey: key } : schema };
}

/** Leaves a column of the file out: the entity then takes files with other columns, too. */
export function leaveOut(definition: EntityDocument, index: number): EntityDocument {
  const name = definition.schema.fields[index]!.name;
  const { schema } = setKey(definition, name, false);
  const columns = Object.fromEntries(Object.entries(definition.columns ?? {}).filter(([, field]) => field !== name));
  const fields = schema.fields.filter((_, at) => at !== index);
  return {
    ...without(definition, "columns"),
    schema: { ...schema, fields, fieldsMatch: "subset" },
    ...(Object.keys(columns).length > 0 && { columns }),
  };
}

/** The groups in permissions that do not exist. */
export function unknownGroups(definition: EntityDocument | null, known: string[]): string[] {
  const lists: unknown[] = Object.values(definition?.permissions ?? {});
  const named = lists.flatMap((groups) => (Array.isArray(groups) ? (groups as unknown[]) : []));
  return [...new Set(named)].filter((group) => typeof group === "string" && !known.includes(group)) as string[];
}

function without<Whole extends object>(whole: Whole, ...members: string[]): Whole {
  return Object.fromEntries(Object.entries(whole).filter(([member]) => !members.includes(member))) as Whole;
}
