/** Proposes what may stand at a place of a JSON text, by the API's own description of what it takes. */

/** A JSON Schema, as far as it is read here. */
export interface Schema {
  $ref?: string;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  type?: string;
  enum?: unknown[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
  description?: string;
}

export type Schemas = Record<string, Schema>;

export interface Proposal {
  name: string;
  description?: string;
  /** What is inserted at the caret, and where in it the caret then stands. */
  text: string;
  caret: number;
}

interface Container {
  isObject: boolean;
  /** The member whose value is open, or the position of it. */
  token: string | number;
  /** The members that the object has. */
  names: Set<string>;
  expects: "name" | "colon" | "value" | "comma";
}

/** The members that an object lacks, or the values that a member may have; none inside a text. */
export function proposals(schemas: Schemas, text: string, caret: number): Proposal[] {
  const { open, isInside } = containersAt(text, caret);
  const [top, here] = [open[0], open.at(-1)];
  if (isInside || !top || !here) return [];
  const root = top.names.has("fields") && !top.names.has("schema") ? "TableSchema" : "EntityRequest";
  const path = open.slice(0, -1).map(({ token }) => token);
  if (here.expects === "colon") return [];
  if (here.expects === "value") {
    const found = schemasAt(schemas, root, [...path, here.token]);
    return unique(found.flatMap(valuesOf)).map((value) => ({ name: value, text: value, caret: value.length }));
  }
  if (!here.isObject) return [];
  const members = schemasAt(schemas, root, path).flatMap((schema) => Object.entries(schema.properties ?? {}));
  return [...new Map(members)]
    .filter(([name]) => !here.names.has(name))
    .map(([name, schema]) => ({
      name,
      description: schema.description,
      ...inserted(text, caret, open, name, schemas, schema),
    }));
}

/** The objects and lists that are open at the caret, the outermost first. The text may be incomplete. */
function containersAt(text: string, caret: number): { open: Container[]; isInside: boolean } {
  const open: Container[] = [];
  let found: Container[] | null = null;
  let isInside = false;
  const look = () => (found ??= open.map((container) => ({ ...container })));
  const token = /"(?:[^"\\]|\\.)*"?|[{}[\]:,]|[^\s{}[\]:,"]+/g;
  for (const match of text.matchAll(token)) {
    const [word] = match;
    const end = match.index + word.length;
    if (match.index >= caret) look();
    else if (end > caret) {
      isInside = true; // of a text, or of a word
      look();
    }
    const here = open.at(-1);
    if (word === "{" || word === "[") {
      const isObject = word === "{";
      open.push({ isObject, token: isObject ? "" : 0, names: new Set(), expects: isObject ? "name" : "value" });
    } else if (word === "}" || word === "]") {
      open.pop();
      const outer = open.at(-1);
      if (outer) outer.expects = "comma";
    } else if (word === ":") {
      if (here) here.expects = "value";
    } else if (word === ",") {
      if (here) here.expects = here.isObject ? "name" : "value";
      if (here && !here.isObject) here.token = Number(here.token) + 1;
    } else if (here?.isObject && here.expects === "name" && word.startsWith('"')) {
      here.token = word.replace(/^"|"$/g, "");
      here.names.add(here.token); // copies share the set: members behind the caret count too
      here.expects = "colon";
    } else if (here) here.expects = "comma";
  }
  look();
  return { open: found!, isInside };
}

function schemasAt(schemas: Schemas, root: string, path: (string | number)[]): Schema[] {
  let found = parts(schemas, schemas[root] ?? {});
  for (const token of path) {
    const next = found.flatMap(({ properties, additionalProperties: others, items }) =>
      typeof token === "number" ? [items] : [properties?.[token] ?? (typeof others === "object" ? others : undefined)],
    );
    found = next.flatMap((schema) => (schema ? parts(schemas, schema) : []));
  }
  return found;
}

/** The schemas that it consists of, without references. */
function parts(schemas: Schemas, schema: Schema): Schema[] {
  if (schema.$ref) return parts(schemas, schemas[schema.$ref.split("/").at(-1)!] ?? {});
  const several = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  return [schema, ...several.flatMap((part) => parts(schemas, part))];
}

function valuesOf({ enum: words, type }: Schema): string[] {
  if (words) return words.map((word) => JSON.stringify(word));
  return type === "boolean" ? ["true", "false"] : [];
}

function unique(values: string[]): string[] {
  return [...new Set(values)];
}

/** The member with the beginning of its value, and the commas that are lacking around it. */
function inserted(text: string, caret: number, open: Container[], name: string, schemas: Schemas, schema: Schema) {
  const kinds = parts(schemas, schema).map(({ type, enum: words }) => type ?? (words && typeof words[0]));
  const [before, after] = beginningOf(kinds.find((kind) => kind && kind !== "null"));
  const comma = open.at(-1)!.expects === "comma" ? "," : "";
  const isOnLine = text.slice(text.lastIndexOf("\n", caret - 1) + 1, caret).trim() !== "";
  const head = `${comma}${isOnLine ? `\n${"  ".repeat(open.length)}` : ""}${JSON.stringify(name)}: ${before}`;
  const isFollowed = text.slice(caret).trimStart().startsWith('"');
  return { text: `${head}${after}${isFollowed ? "," : ""}`, caret: head.length };
}

function beginningOf(kind: string | undefined): [string, string] {
  if (kind === "string") return ['"', '"'];
  if (kind === "array") return ["[", "]"];
  if (kind === "object") return ["{", "}"];
  return ["", ""];
}
