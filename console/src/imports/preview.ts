/** What a browser can say about a file before it is sent. A first look only: the import itself has the last word. */
import type { Entity, Field, TableSchema } from "../contract";

export const HEAD_BYTES = 256 * 1024;
export const SHOWN_ROWS = 8;
const LOOKED_AT_ROWS = 30;
const DELIMITERS = [",", ";", "\t", "|"];

export type Kind = "csv" | "json-lines" | "workbook" | "archive";

export interface Preview {
  kind: Kind;
  encoding: string;
  bom: boolean;
  delimiter: string;
  header: string[];
  rows: string[][];
  /** Rows end where the head of the file was cut off. */
  isWhole: boolean;
}

export function kindOf(name: string, head: Uint8Array): Kind {
  const lower = name.toLowerCase();
  const isZip = head[0] === 0x50 && head[1] === 0x4b;
  if (/\.(xlsx|xlsm|xls)$/.test(lower)) return "workbook";
  if (isZip || (head[0] === 0x1f && head[1] === 0x8b) || /\.(gz|zip)$/.test(lower)) return "archive";
  return /\.(jsonl|ndjson)$/.test(lower) ? "json-lines" : "csv";
}

/** Read the head of a text file; `encoding` and `delimiter` override what would be detected. */
export function preview(
  name: string,
  head: Uint8Array,
  isWhole: boolean,
  chosen: { encoding?: string; delimiter?: string } = {},
): Preview {
  const kind = kindOf(name, head);
  const none = { kind, encoding: "", bom: false, delimiter: "", header: [], rows: [], isWhole };
  if (kind === "workbook" || kind === "archive") return none;
  const detected = detectEncoding(head, isWhole);
  const encoding = chosen.encoding || detected.encoding;
  const text = new TextDecoder(encoding).decode(head); // drops a byte order mark
  if (kind === "json-lines") return { ...none, ...detected, encoding, ...jsonLines(text, isWhole) };
  const delimiter = chosen.delimiter || detectDelimiter(text);
  const records = parse(text, delimiter, SHOWN_ROWS + 1, isWhole);
  return { kind, bom: detected.bom, encoding, delimiter, header: records[0] ?? [], rows: records.slice(1), isWhole };
}

function detectEncoding(head: Uint8Array, isWhole: boolean): { encoding: string; bom: boolean } {
  if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) return { encoding: "utf-8", bom: true };
  if (head[0] === 0xff && head[1] === 0xfe) return { encoding: "utf-16le", bom: true };
  if (head[0] === 0xfe && head[1] === 0xff) return { encoding: "utf-16be", bom: true };
  try {
    // A head may end within a character: `stream` forgives that.
    new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: !isWhole });
    return { encoding: "utf-8", bom: false };
  } catch {
    return { encoding: "windows-1252", bom: false };
  }
}

/** The one that gives the most rows as many cells as the first row has. */
function detectDelimiter(text: string): string {
  const score = (delimiter: string) => {
    const records = parse(text, delimiter, LOOKED_AT_ROWS, false);
    const width = records[0]?.length ?? 1;
    if (width < 2) return 0;
    const alike = records.filter((record) => record.length === width).length;
    return (alike / records.length) * 100 + Math.min(width, 50) / 100;
  };
  return DELIMITERS.reduce((best, delimiter) => (score(delimiter) > score(best) ? delimiter : best), ",");
}

/** The first records of a CSV text (RFC 4180). A last record that was cut off is left out. */
export function parse(text: string, delimiter: string, most: number, isWhole: boolean): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let cell = "";
  let quoted = false;
  for (let i = 0; i < text.length && records.length < most; i++) {
    const character = text[i]!;
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[i + 1] === '"') cell += text[++i];
      else quoted = false;
    } else if (character === '"' && cell === "") quoted = true;
    else if (character === delimiter) {
      record.push(cell);
      cell = "";
    } else if (character === "\n" || character === "\r") {
      if (character === "\r" && text[i + 1] === "\n") i++;
      records.push([...record, cell]);
      record = [];
      cell = "";
    } else cell += character;
  }
  if (records.length < most && isWhole && (cell || record.length)) records.push([...record, cell]);
  return records;
}

function jsonLines(text: string, isWhole: boolean): { header: string[]; rows: string[][] } {
  const lines = text.split(/\r?\n/);
  if (!isWhole) lines.pop();
  const objects = lines
    .filter((line) => line.trim())
    .slice(0, SHOWN_ROWS)
    .map((line): Record<string, unknown> => {
      try {
        const value: unknown = JSON.parse(line);
        return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
      } catch {
        return {};
      }
    });
  const header = [...new Set(objects.flatMap(Object.keys))];
  const asText = (value: unknown) =>
    value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
  return { header, rows: objects.map((object) => header.map((name) => asText(object[name]))) };
}

/** Which field each column goes to: as the entity remembers it, by name, else by a name that is much the same. */
export function proposeColumns(header: string[], entity: Entity): (string | null)[] {
  const names = entity.schema.fields.map(({ name }) => name);
  const plain = (name: string) => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  const taken = new Set<string>();
  const take = (name: string | undefined) => {
    if (name === undefined || taken.has(name) || !names.includes(name)) return null;
    taken.add(name);
    return name;
  };
  const sure = header.map((label) => take(entity.columns?.[label]) ?? take(label));
  return header.map((label, index) => sure[index] ?? take(names.find((name) => plain(name) === plain(label))));
}

export function primaryKey(schema: TableSchema): string[] {
  return schema.primaryKey === undefined ? [] : [schema.primaryKey].flat();
}

/** What is wrong with a cell as far as a first look can tell, or null. */
export function cellProblem(cell: string, field: Field, schema: TableSchema): string | null {
  const missing = (schema.missingValues ?? [""]).map((value) => (typeof value === "string" ? value : value.value));
  const constraints = field.constraints ?? {};
  if (missing.includes(cell)) {
    const isRequired = constraints.required === true || primaryKey(schema).includes(field.name);
    return isRequired ? "is required" : null;
  }
  const isNumber = field.type === "number" || field.type === "integer";
  if (field.type === "integer" && !/^[+-]?[0-9]+$/.test(cell.trim())) return "is not an integer";
  if (field.type === "number" && !/^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/.test(cell.trim())) {
    return "decimalChar" in field || "groupChar" in field || "bareNumber" in field ? null : "is not a number";
  }
  if (field.type === "boolean") {
    const words = [
      ...(field.trueValues ?? ["true", "True", "TRUE", "1"]),
      ...(field.falseValues ?? ["false", "False", "FALSE", "0"]),
    ];
    if (!words.includes(cell)) return `is none of ${words.join(", ")}`;
  }
  if (field.type === "date" && [undefined, "default"].includes(field.format) && !/^\d{4}-\d\d-\d\d$/.test(cell)) {
    return "is not a date such as 2026-01-31";
  }
  if (field.format === "email" && !/^[^\s@]+@[^\s@]+$/.test(cell)) return "is not an e-mail address";
  const { minimum, maximum, minLength, maxLength } = constraints as Record<string, number | undefined>;
  if (isNumber && minimum !== undefined && Number(cell) < Number(minimum)) return `is less than ${minimum}`;
  if (isNumber && maximum !== undefined && Number(cell) > Number(maximum)) return `is more than ${maximum}`;
  if (maxLength !== undefined && [...cell].length > maxLength) return `is longer than ${maxLength}`;
  if (minLength !== undefined && [...cell].length < minLength) return `is shorter than ${minLength}`;
  return null;
}
