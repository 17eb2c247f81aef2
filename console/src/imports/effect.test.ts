import { describe, expect, it } from "vitest";
import type { Entity } from "../api/types";
import { effectOf, proposedMode } from "./effect";

const entity: Pick<Entity, "schema"> = {
  schema: {
    fields: [
      { name: "id" },
      { name: "name", constraints: { required: true } },
      { name: "phone" },
      { name: "vip" },
      { name: "note" },
    ],
    primaryKey: "id",
  },
};
const keyless: Pick<Entity, "schema"> = { schema: { fields: [{ name: "id" }, { name: "phone" }] } };

describe("the mode of a file", () => {
  it.each([
    ["that has every field", ["id", "name", "phone", "vip", "note"], "upsert"],
    ["that lacks fields", ["id", "name"], "merge"],
    ["that lacks a field that records must have", ["id", "phone"], "upsert"],
    ["that lacks the key", ["name", "phone"], "upsert"],
    ["with a column that may yet get the field", ["id", "name", "phone", "vip", null], "upsert"],
    ["that is not read yet", [], "upsert"],
  ])("%s", (_, mapping, mode) => {
    expect(proposedMode(mapping, entity)).toBe(mode);
  });

  it("is none that needs a key, without one", () => {
    expect(proposedMode(["id"], keyless)).toBe("upsert");
  });

  it("is merge although columns are passed over", () => {
    const open = { schema: { ...entity.schema, fieldsMatch: "partial" as const } };
    expect(proposedMode(["id", "name", null], open)).toBe("merge");
  });
});

describe("what happens to records that exist", () => {
  it.each([
    ["upsert", "clear", true, "phone, vip and note of records that exist will be emptied"],
    [
      "merge",
      "clear",
      false,
      "In records that exist, phone, vip and note stay as before; an empty cell empties its field",
    ],
    ["update", "keep", false, "an empty cell leaves its field as it is; rows with unknown keys are rejected"],
    ["insert", "clear", false, "Records that exist stay as they are"],
    ["delete", "clear", true, "will be deleted"],
  ])("%s, %s", (mode, blanks, loses, text) => {
    const effect = effectOf(mode, blanks, ["id", "name"], entity);
    expect(effect.loses).toBe(loses);
    expect(effect.text).toContain(text);
  });

  it("says that an empty cell may write a default", () => {
    const withDefault = { schema: { ...entity.schema, fields: [{ name: "id" }, { name: "n", default: "7" }] } };
    const { text } = effectOf("upsert", "clear", ["id", "n"], withDefault);
    expect(text).toBe("Records that exist are replaced: an empty cell empties its field, or writes its default.");
  });

  it("names a single field", () => {
    const { text } = effectOf("upsert", "clear", ["id", "name", "phone", "vip"], entity);
    expect(text).toContain("note of records");
    expect(effectOf("upsert", "clear", [], keyless).loses).toBe(false);
  });
});
