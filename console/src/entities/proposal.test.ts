import { describe, expect, it } from "vitest";
import type { EntityDocument } from "../api/types";
import * as proposal from "./proposal";

const PROPOSED: EntityDocument = {
  schema: {
    fields: [
      { name: "kunden_nr", title: "Kunden-Nr", type: "string", constraints: { required: true } },
      { name: "Tag", type: "date", format: "%d.%m.%Y" },
      { name: "Umsatz", type: "number", groupChar: ".", decimalChar: "," },
    ],
    primaryKey: ["kunden_nr"],
  },
  columns: { "Kunden-Nr": "kunden_nr" },
};
const field = (definition: EntityDocument, index: number) => definition.schema.fields[index]!;

describe("an entity from a file", () => {
  it.each([
    ["Kunden 2026.csv.gz", "Kunden-2026"],
    ["orders.v2.csv", "orders.v2"],
    ["Café & Bar.xlsx", "Cafe-Bar"],
    ["_x.csv", "x"],
    ["名前.csv", ""],
    ["README", "README"],
  ])("has a name from %s", (file, name) => {
    expect(proposal.nameFromFile(file)).toBe(name);
  });

  it("keeps what the label means when a field gets another name", () => {
    const renamed = proposal.rename(PROPOSED, 0, "id");
    expect([renamed.columns, renamed.schema.primaryKey]).toEqual([{ "Kunden-Nr": "id" }, ["id"]]);
    expect(proposal.labelOf(renamed, "id")).toBe("Kunden-Nr");
    expect(proposal.rename(PROPOSED, 1, "day").columns).toEqual({ "Kunden-Nr": "kunden_nr", Tag: "day" });
    const back = proposal.rename(proposal.rename(PROPOSED, 1, "day"), 1, "Tag");
    expect(back).toEqual(PROPOSED);
  });

  it("gives a type only what belongs to it, and the proposed one its formats again", () => {
    const text = proposal.retype(PROPOSED, 2, "string", field(PROPOSED, 2));
    expect(field(text, 2)).toEqual({ name: "Umsatz", type: "string" });
    expect(field(proposal.retype(text, 2, "number", field(PROPOSED, 2)), 2)).toEqual(field(PROPOSED, 2));
    expect(field(proposal.retype(PROPOSED, 0, "integer", undefined), 0)).toMatchObject({
      constraints: { required: true },
    });
  });

  it("knows how numbers are written", () => {
    expect(proposal.numberFormat(field(PROPOSED, 2))).toBe("1.234,5");
    expect(proposal.numberFormat({ name: "n" })).toBe("1234.5");
    expect(proposal.numberFormat({ name: "n", groupChar: " " })).toBeUndefined();
  });

  it("has keys in the order of the fields, and required cells", () => {
    const both = proposal.setKey(proposal.setKey(PROPOSED, "kunden_nr", false), "Tag", true);
    expect(proposal.setKey(both, "kunden_nr", true).schema.primaryKey).toEqual(["kunden_nr", "Tag"]);
    expect(proposal.setKey(PROPOSED, "kunden_nr", false).schema).not.toHaveProperty("primaryKey");
    const free = proposal.require(PROPOSED, 0, false);
    expect(field(free, 0)).not.toHaveProperty("constraints");
    expect(proposal.isRequired(field(proposal.require(free, 0, true), 0))).toBe(true);
  });

  it("takes files with other columns when one of them is left out", () => {
    const left = proposal.leaveOut(PROPOSED, 0);
    expect(left.schema.fields.map(({ name }) => name)).toEqual(["Tag", "Umsatz"]);
    expect([left.schema.fieldsMatch, left.schema.primaryKey, left.columns]).toEqual(["subset", undefined, undefined]);
  });

  it("is read from text, also as a bare Table Schema", () => {
    expect(proposal.definitionIn(JSON.stringify(PROPOSED))).toEqual(PROPOSED);
    expect(proposal.definitionIn('{"fields": []}')).toEqual({ schema: { fields: [] } });
    expect([proposal.definitionIn("{"), proposal.definitionIn("[]"), proposal.definitionIn("null")]).toEqual([
      null,
      null,
      null,
    ]);
  });

  it("names the groups that nobody is in", () => {
    const permissions = { view: ["sales", "slaes"], import: ["slaes"], export: [] };
    expect(proposal.unknownGroups({ ...PROPOSED, permissions }, ["sales", "ops"])).toEqual(["slaes"]);
    expect(proposal.unknownGroups(null, [])).toEqual([]);
  });
});
