/** Rejected rows and their corrections. */
import type { RejectedRow } from "../api/types";
import { counted, rowsInWords } from "../common/format";
import type { Rule } from "./ways";

export type Cells = Record<string, string>;
export type CellError = RejectedRow["errors"][number];

export type Row = RejectedRow & {
  /** Whether another row has its number, as in a file that was put together of several rejects files. */
  isRepeated?: boolean;
};

/** A row as it would be. */
export interface Edit {
  row: Row;
  /** The cells that differ from the file's, by label; none where only the number of cells is made good. */
  cells: Cells;
  /** The job that this correction, as it is, was sent with last. */
  sentWith?: string;
}

/** By row number. */
export type Edits = ReadonlyMap<number, Edit>;

/** So many rows one relaunch takes. */
export const MOST_CORRECTED = 5_000;

/** The file's columns as the API lists them. */
export interface Columns {
  labels: string[];
  fields: (string | null)[];
}

export function textOf(row: RejectedRow, label: string, edits: Edits): string {
  return edits.get(row.rowNumber)?.cells[label] ?? row.cells[label] ?? "";
}

export function hasExtraCells(row: RejectedRow): boolean {
  return row.errors.some(({ type }) => type === "extra-cell");
}

export function hasMissingCells(row: RejectedRow): boolean {
  return row.errors.some(({ type }) => type === "missing-cell");
}

/** Whether the row has more or fewer cells than the header: any correction of it makes that good. */
function hasWrongWidth(row: RejectedRow): boolean {
  return hasExtraCells(row) || hasMissingCells(row);
}

/** Rows whose cells are shown shortened are left as they are, and those that their number does not tell apart. */
export function isEditable(row: Row): boolean {
  return row.isWhole && !row.isRepeated;
}

/** Marks rows that have the number of another. */
export function withRepeated(rows: RejectedRow[]): Row[] {
  const [seen, repeated] = [new Set<number>(), new Set<number>()];
  for (const { rowNumber } of rows) (seen.has(rowNumber) ? repeated : seen).add(rowNumber);
  return repeated.size === 0
    ? rows
    : rows.map((row) => (repeated.has(row.rowNumber) ? { ...row, isRepeated: true } : row));
}

/** Without the corrections of these rows; the same if there are none. */
export function withoutRows(edits: Edits, isLeftOut: (edit: Edit) => boolean): Edits {
  const kept = [...edits].filter(([, edit]) => !isLeftOut(edit));
  return kept.length === edits.size ? edits : new Map(kept);
}

/** Corrections that were sent with a job; one that is changed afterwards no longer counts as sent. */
export function asSent(edits: Edits, jobId: string): Edits {
  return new Map([...edits].map(([rowNumber, edit]) => [rowNumber, { ...edit, sentWith: jobId }]));
}

/** With the correction that a row had before; undefined for none. */
export function withEdit(edits: Edits, rowNumber: number, edit: Edit | undefined): Edits {
  const next = new Map(edits);
  if (edit) next.set(rowNumber, edit);
  else next.delete(rowNumber);
  return next;
}

/** With these texts in cells of a row. Texts as in the file are no correction; without any, its width is made good. */
export function withCells(edits: Edits, row: Row, changes: Cells): Edits {
  const next = new Map(edits);
  put(next, row, changes);
  return next;
}

function put(edits: Map<number, Edit>, row: Row, changes: Cells): void {
  if (!isEditable(row) || (edits.size >= MOST_CORRECTED && !edits.has(row.rowNumber))) return;
  const changed = Object.entries(changes);
  if (changed.length && changed.every(([label, text]) => textOf(row, label, edits) === text)) return; // as it was sent
  const cells = { ...edits.get(row.rowNumber)?.cells, ...changes };
  for (const [label, text] of Object.entries(cells)) {
    if (text === (row.cells[label] ?? "")) delete cells[label];
  }
  if (Object.keys(cells).length || hasWrongWidth(row)) edits.set(row.rowNumber, { row, cells });
  else edits.delete(row.rowNumber);
}

/** All cells of a row as it would be: what the check takes. */
export function wholeRow({ row, cells }: Edit, labels: string[]): Cells {
  return Object.fromEntries(labels.map((label) => [label, cells[label] ?? row.cells[label] ?? ""]));
}

/**
 * What a relaunch takes: the changed cells; of a row with extra cells all, so that those are left out, and of one that
 * ends early the missing ones, too: as the row is shown, and was checked.
 */
export function corrections(edits: Edits, labels: string[]) {
  return [...edits.values()].map((edit) => ({ rowNumber: edit.row.rowNumber, cells: sentCells(edit, labels) }));
}

function sentCells(edit: Edit, labels: string[]): Cells {
  const { row, cells } = edit;
  if (hasExtraCells(row)) return wholeRow(edit, labels);
  if (!hasMissingCells(row)) return cells;
  const missing = labels.filter((label) => row.cells[label] === undefined);
  return { ...Object.fromEntries(missing.map((label) => [label, ""])), ...cells };
}

/** The errors of each column; those of the whole row under the empty label. */
export function errorsByLabel(errors: CellError[], { labels, fields }: Columns): Map<string, CellError[]> {
  const found = new Map<string, CellError[]>();
  for (const error of errors) {
    const byName = error.fieldName === null ? -1 : fields.indexOf(error.fieldName);
    const label = labels[byName >= 0 ? byName : (error.fieldNumber ?? 0) - 1] ?? "";
    found.set(label, [...(found.get(label) ?? []), error]);
  }
  return found;
}

/** Whether a cell has an error as it is now; one that was changed and is not judged yet is taken to have none. */
export function isBad(
  row: Row,
  label: string,
  edits: Edits,
  judged: CellError[] | undefined,
  columns: Columns,
): boolean {
  const edit = edits.get(row.rowNumber);
  const errors = edit ? (judged ?? (edit.cells[label] === undefined ? row.errors : [])) : row.errors;
  return errorsByLabel(errors, columns).has(label);
}

/** Labels of the primary key, in its order. */
export function keyLabels(primaryKey: readonly string[], { labels, fields }: Columns): string[] {
  return primaryKey.map((name) => labels[fields.indexOf(name)]).filter((label) => label !== undefined);
}

/** What was typed in place of a text, with line breaks as that has them: a browser's text field knows only one kind. */
export function withBreaksOf(text: string, typed: string): string {
  const kinds = new Set(text.match(/\r\n|\r|\n/g));
  const [kind] = kinds.size === 1 ? kinds : ["\n"];
  return typed.replaceAll("\n", kind!);
}

/** A text for the clipboard as spreadsheets put it there: cells with a tab, a line break or a quote are in quotes. */
export function clipboardText(cells: string[][]): string {
  const quoted = (cell: string) => (/[\t\r\n"]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return cells.map((row) => row.map(quoted).join("\t")).join("\r\n");
}

/** The cells of a text that a spreadsheet put on the clipboard: tabs between cells, quotes around cells with breaks. */
export function clipboardCells(text: string): string[][] {
  const rows: string[][] = [[]];
  const cell = /(?:"((?:[^"]|"")*)"(?=[\t\r\n]|$)|([^\t\r\n]*))(\t|\r\n|\r|\n|$)/gy;
  for (let found = cell.exec(text); found; found = cell.exec(text)) {
    rows.at(-1)!.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? "");
    if (found[3] === "" || cell.lastIndex === text.length) break;
    if (found[3] !== "\t") rows.push([]);
  }
  if (text.endsWith("\t")) rows.at(-1)!.push("");
  return rows;
}

/** Where pasted cells go: the rows from the active one on, the labels from the active one on. */
export interface Target {
  rows: Row[];
  labels: string[];
}

/** With cells from the clipboard, from the first row and label on, and what of them did not fit, in words. */
export function withPasted(edits: Edits, { rows, labels }: Target, pasted: string[][]): [Edits, string | null] {
  const next = new Map(edits);
  let [closed, tooMany] = [0, 0];
  pasted.slice(0, rows.length).forEach((texts, index) => {
    const row = rows[index]!;
    const changes: Cells = {};
    texts.slice(0, labels.length).forEach((text, column) => (changes[labels[column]!] = text));
    put(next, row, changes);
    if (!isEditable(row)) closed++;
    else if (labels.some((label) => changes[label] !== undefined && textOf(row, label, next) !== changes[label]))
      tooMany++;
  });
  let below = Math.max(0, pasted.length - rows.length);
  if (rows.length >= MOST_CORRECTED) [below, tooMany] = [0, tooMany + below];
  const beside = Math.max(0, ...pasted.map((texts) => texts.length)) - labels.length;
  const left = [
    below > 0 && `${rowsInWords(below)} below the last row`,
    beside > 0 && `${counted(beside, "column")} beside the last column`,
    closed > 0 && `${rowsInWords(closed)} that cannot be corrected here`,
    tooMany > 0 && `${rowsInWords(tooMany)} beyond the ${rowsInWords(MOST_CORRECTED)} that one import takes`,
  ].filter((each) => each !== false);
  return [next, left.length ? `Left out of what was pasted: ${left.join(", ")}.` : null];
}

/** With a rule applied to a column of rows, and how many rows it changes; no more rows than one relaunch takes. */
export function withRule(edits: Edits, rows: Row[], label: string, rule: Rule): [Edits, number] {
  const next = new Map(edits);
  let changed = 0;
  for (const row of rows) {
    const to = rule(textOf(row, label, edits));
    if (to === null) continue;
    put(next, row, { [label]: to });
    if (textOf(row, label, next) === to) changed++;
  }
  return [next, changed];
}

/** The texts of a column with their number of rows, most frequent first. */
export function frequent(rows: Row[], label: string, edits: Edits): [string, number][] {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const text = textOf(row, label, edits);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return [...counts].sort(([, one], [, other]) => other - one);
}
