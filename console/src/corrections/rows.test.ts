import { expect, test } from "vitest";
import type { RejectedRow } from "../api/types";
import {
  clipboardCells,
  corrections,
  errorsByLabel,
  frequent,
  isBad,
  MOST_CORRECTED,
  withCells,
  withPasted,
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

test("cells are pasted from a cell on, and what lies outside is left out", () => {
  const pasted = withPasted(NONE, ROWS.slice(1), ["joined", "land"], [["a", "b", "c"], ["d"], ["e"]]);
  expect(corrections(pasted, LABELS)).toEqual([
    { rowNumber: 3, cells: { joined: "a", land: "b" } },
    { rowNumber: 4, cells: { joined: "d" } },
  ]);
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
