import { describe, expect, it } from "vitest";
import type { Entity } from "../contract";
import { cellProblem, parse, preview, proposeColumns } from "./preview";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("a first look at a file", () => {
  it.each([
    ["a;b\n1,5;2\n", ";"],
    ["a,b\n1;5,2\n", ","],
    ["a\tb\n1\t2\n", "\t"],
    ['"a|x"|b\n1|2\n', "|"],
    ["alone\n1\n", ","],
  ])("finds the delimiter of %j", (text, delimiter) => {
    expect(preview("f.csv", bytes(text), true).delimiter).toBe(delimiter);
  });

  it("knows encodings by their marks, and what is not UTF-8", () => {
    expect(preview("f.csv", bytes("\ufeffa,b\n"), true)).toMatchObject({ encoding: "utf-8", bom: true, header: ["a", "b"] });
    expect(preview("f.csv", Uint8Array.from([0x4d, 0xfc, 0x0a]), true)).toMatchObject({
      encoding: "windows-1252",
      header: ["Mü"],
    });
    const cut = bytes("a\nü").slice(0, 3);
    expect(preview("f.csv", cut, false).encoding).toBe("utf-8");
  });

  it("keeps line breaks and quotes in quoted cells, and leaves a record out that was cut off", () => {
    expect(parse('a,"b\n""c"""\r\n1,2', ",", 9, true)).toEqual([["a", 'b\n"c"'], ["1", "2"]]);
    expect(parse("a,b\n1,2\n3,", ",", 9, false)).toEqual([["a", "b"], ["1", "2"]]);
  });

  it("reads JSON Lines, and lines that are none as empty", () => {
    const { header, rows } = preview("f.jsonl", bytes('{"a":1}\n{"b":"x"}\nnonsense\n'), true);
    expect([header, rows]).toEqual([["a", "b"], [["1", ""], ["", "x"], ["", ""]]]);
  });
});

const entity: Entity = {
  name: "contacts",
  columns: { "E-mail": "email" },
  schema: {
    fields: [
      { name: "contact_id" },
      { name: "email" },
      { name: "spend", type: "number", constraints: { minimum: 0 } },
      { name: "vip", type: "boolean", trueValues: ["yes"], falseValues: ["no"] },
    ],
    primaryKey: "contact_id",
  },
};

describe("columns and cells", () => {
  it("maps each field once: what is remembered before what is named before what is alike", () => {
    expect(proposeColumns(["Contact ID", "E-mail", "email", "SPEND", "other"], entity)).toEqual([
      "contact_id",
      "email",
      null,
      "spend",
      null,
    ]);
  });

  it.each([
    [0, "", "is required"],
    [1, "", null],
    [2, "12.5", null],
    [2, "-1", "is less than 0"],
    [2, "٣", "is not a number"],
    [3, "true", "is none of yes, no"],
  ])("says what is wrong with field %i and %j", (field, cell, problem) => {
    expect(cellProblem(cell, entity.schema.fields[field]!, entity.schema)).toBe(problem);
  });
});
