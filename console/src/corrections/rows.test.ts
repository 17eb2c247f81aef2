import { expect, test } from "vitest";
import type { RejectedRow } from "../api/types";
import {
  asSent,
  clipboardCells,
  clipboardText,
  corrections,
  errorsByLabel,
  frequent,
  isBad,
  MOST_CORRECTED,
  withBreaksOf,
  withCells,
  withEdit,
  withoutRows,
  withPasted,
  withRepeated,
  withRule,
  type Edits,
} from "./rows";
import { ruleOf, waysFor } from "./ways";

const DAY_FIRST = ruleOf(waysFor({ name: "joined", type: "date" })[0]!);
const NONE: Edits = new Map();
const LABELS = ["id", "joined", "land"];

function row(rowNumber: number, cells: Record<string, string>, type = "type-error"): RejectedRow {
  const error = { fieldNumber: 2, fieldName: "joined", type, cell: cells.joined ?? "", message: "not a date" };
  return { rowNumber, cells, isWhole: true, errors: [error] };
}

const ROWS = [2, 3, 4].map((number) => row(number, { id: `${number}`, joined: "31/12/24", land: "Belgie" }));

test("only what differs from the file is a correction", () => {
  const edited = withCells(NONE, ROWS[0]!, { joined: "2024-12-31", id: "2" });
  expect(corrections(edited, LABELS)).toEqual([{ rowNumber: 2, cells: { joined: "2024-12-31" } }]);
  expect(withCells(edited, ROWS[0]!, { joined: "31/12/24" }).size).toBe(0);
});

test("a correction of a row with extra cells names every column, so that those are left out", () => {
  const extra = row(9, { id: "9", joined: "2024-01-01", land: "BE" }, "extra-cell");
  expect(corrections(withCells(NONE, extra, {}), LABELS)).toEqual([{ rowNumber: 9, cells: extra.cells }]);
});

test("a correction of a row that ends early names the missing columns, so that it is sent as it was checked", () => {
  const short = row(9, { id: "9", joined: "31/12/24" }, "missing-cell");
  const dated = withCells(NONE, short, { joined: "2024-12-31" });
  expect(corrections(dated, LABELS)).toEqual([{ rowNumber: 9, cells: { joined: "2024-12-31", land: "" } }]);
  expect(corrections(withCells(NONE, short, {}), LABELS)).toEqual([{ rowNumber: 9, cells: { land: "" } }]);
});

test("texts that change nothing are no correction of a row with too many or too few cells", () => {
  for (const type of ["extra-cell", "missing-cell"]) {
    const wrong = row(9, { id: "9", joined: "2024-01-01" }, type);
    expect(withCells(NONE, wrong, { joined: "2024-01-01", land: "" }).size).toBe(0);
    const typed = withCells(NONE, wrong, { joined: "2024" });
    expect(withEdit(typed, 9, undefined).size).toBe(0); // given up
    expect(withEdit(NONE, 9, typed.get(9)).get(9)).toBe(typed.get(9));
  }
});

test.each([
  ["x\r\ny", "x\nzy", "x\r\nzy"],
  ["x\ry", "x\ny\n", "x\ry\r"],
  ["x\ny", "x\n\ny", "x\n\ny"],
  ["x", "x\ny", "x\ny"],
  ["x\r\ny\nz", "x\ny\nz!", "x\ny\nz!"],
])("line breaks stay of their kind: %j typed as %j", (text, typed, kept) => {
  expect(withBreaksOf(text, typed)).toBe(kept);
});

test("rows that are shown shortened are not changed", () => {
  expect(withCells(NONE, { ...ROWS[0]!, isWhole: false }, { joined: "x" }).size).toBe(0);
});

test.each([
  ["a", [["a"]]],
  [
    "a\tb\nc\td\n",
    [
      ["a", "b"],
      ["c", "d"],
    ],
  ],
  [
    "a\tb\r\nc\t",
    [
      ["a", "b"],
      ["c", ""],
    ],
  ],
  ['"a\n""b"""\tc', [['a\n"b"', "c"]]],
  ['6" pipe\tx', [['6" pipe', "x"]]],
  ["", [[""]]],
])("cells of the clipboard: %j", (text, cells) => {
  expect(clipboardCells(text).filter((row) => row.length)).toEqual(cells);
});

test.each([
  [[["Main St 1\n9000 Gent"]], '"Main St 1\n9000 Gent"'],
  [
    [
      ["a", "b"],
      ["c", ""],
    ],
    "a\tb\r\nc\t",
  ],
  [[['6"', "x\ty"]], '"6"""\t"x\ty"'],
])("cells are copied as spreadsheets copy them, and pasted as they were: %j", (cells, text) => {
  expect(clipboardText(cells)).toBe(text);
  expect(clipboardCells(text)).toEqual(cells);
});

test("cells are pasted from a cell on, and what does not fit is told", () => {
  const target = { rows: ROWS.slice(1), labels: ["joined", "land"] };
  const [pasted, leftOut] = withPasted(NONE, target, [["a", "b", "c"], ["d"], ["e"]]);
  expect(corrections(pasted, LABELS)).toEqual([
    { rowNumber: 3, cells: { joined: "a", land: "b" } },
    { rowNumber: 4, cells: { joined: "d" } },
  ]);
  expect(leftOut).toBe("Left out of what was pasted: 1 row below the last row, 1 column beside the last column.");
  expect(withPasted(NONE, target, [["a"]])[1]).toBeNull();
});

test("pasted rows that one relaunch does not take, or that cannot be corrected, are told", () => {
  const many = Array.from({ length: MOST_CORRECTED + 10 }, (_, index) => row(index + 2, { joined: "31/12/24" }));
  const lines = many.map(() => ["2024-12-31"]);
  const [pasted, leftOut] = withPasted(NONE, { rows: many, labels: ["joined"] }, lines);
  expect([pasted.size, leftOut]).toEqual([
    MOST_CORRECTED,
    "Left out of what was pasted: 10 rows beyond the 5,000 rows that one import takes.",
  ]);
  const read = { rows: many.slice(0, MOST_CORRECTED), labels: ["joined"] };
  expect(withPasted(NONE, read, lines)[1]).toBe(leftOut);
  const long = { rows: [{ ...ROWS[0]!, isWhole: false }], labels: ["joined"] };
  expect(withPasted(NONE, long, [["x"]])[1]).toBe("Left out of what was pasted: 1 row that cannot be corrected here.");
});

test("rows with one number are marked, and not corrected", () => {
  const rows = withRepeated([...ROWS, row(3, { id: "33" })]);
  expect(rows.map(({ isRepeated }) => isRepeated ?? false)).toEqual([false, true, false, true]);
  expect(rows[0]).toBe(ROWS[0]);
  expect(withCells(NONE, rows[1]!, { joined: "x" }).size).toBe(0);
  expect(withRepeated(ROWS)).toBe(ROWS);
});

test("what was sent is known as sent until it is changed", () => {
  const edited = withCells(withCells(NONE, ROWS[0]!, { joined: "a" }), ROWS[1]!, { joined: "b" });
  const sent = asSent(edited, "job-1");
  expect(sent.get(2)!.cells).toBe(edited.get(2)!.cells); // so that it is not judged again
  expect(withCells(sent, ROWS[0]!, { joined: "a" }).get(2)).toBe(sent.get(2)); // the same text again
  const changed = withCells(sent, ROWS[1]!, { joined: "c" });
  expect([...withoutRows(changed, ({ sentWith }) => sentWith === "job-1").keys()]).toEqual([3]);
  expect(corrections(sent, LABELS)).toEqual(corrections(edited, LABELS));
});

test("a rule changes a column of all rows, also of those that are edited", () => {
  const edited = withCells(NONE, ROWS[0]!, { land: "BE" });
  const [next, count] = withRule(edited, ROWS, "joined", DAY_FIRST);
  expect(count).toBe(3);
  expect(next.get(2)!.cells).toEqual({ land: "BE", joined: "2024-12-31" });
  expect(frequent(ROWS, "joined", next)).toEqual([["2024-12-31", 3]]);
});

test("a rule stops at what one relaunch takes", () => {
  const many = Array.from({ length: MOST_CORRECTED + 10 }, (_, index) => row(index + 2, { joined: "31/12/24" }));
  const [next, count] = withRule(NONE, many, "joined", DAY_FIRST);
  expect([next.size, count]).toEqual([MOST_CORRECTED, MOST_CORRECTED]);
});

test("errors stand at their columns, by the name of the field first", () => {
  const columns = { labels: ["Key", "Date"], fields: ["id", "joined"] };
  const errors = [
    { fieldNumber: 5, fieldName: "joined", type: "type-error", cell: "x", message: "" },
    { fieldNumber: 1, fieldName: null, type: "constraint-error", cell: "x", message: "" },
    { fieldNumber: null, fieldName: null, type: "blank-row", cell: null, message: "" },
  ];
  const found = errorsByLabel(errors as never, columns);
  expect([...found].map(([label, each]) => [label, each.length])).toEqual([
    ["Date", 1],
    ["Key", 1],
    ["", 1],
  ]);
});

test("a cell is bad by what was found last", () => {
  const columns = { labels: LABELS, fields: LABELS };
  const bad = (label: string, edits: Edits, judged?: RejectedRow["errors"]) =>
    isBad(ROWS[0]!, label, edits, judged, columns);
  expect([bad("joined", NONE), bad("land", NONE)]).toEqual([true, false]);
  const dated = withCells(NONE, ROWS[0]!, { joined: "2024-12-31" });
  expect([bad("joined", dated), bad("joined", dated, []), bad("joined", dated, ROWS[0]!.errors)]).toEqual([
    false,
    false,
    true,
  ]);
  expect(bad("joined", withCells(NONE, ROWS[0]!, { land: "BE" }))).toBe(true); // not judged yet, and not changed
});
