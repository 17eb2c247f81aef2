import { describe, expect, it } from "vitest";
import type { Entity } from "../api/types";
import { proposeColumns, renamed } from "./columnMapping";
import { previewPart } from "./previewPart";

const entity: Pick<Entity, "schema" | "columns"> = {
  columns: { "E-mail": "email" },
  schema: {
    fields: [{ name: "contact_id" }, { name: "email" }, { name: "spend" }, { name: "vip" }],
    primaryKey: "contact_id",
  },
};

describe("columns", () => {
  it("maps each field once: what is remembered before what is named before what is alike", () => {
    const labels = ["Contact ID", "E-mail", "email", "SPEND", "other", "—"];
    expect(proposeColumns(labels, entity)).toEqual(["contact_id", "email", null, "spend", null, null]);
  });

  it("tells the import only what it would not do by itself", () => {
    const labels = ["Contact ID", "E-mail", " spend ", "vip"];
    expect(renamed(labels, proposeColumns(labels, entity), entity)).toEqual({ "Contact ID": "contact_id" });
    expect(renamed(["E-mail"], ["vip"], entity)).toEqual({ "E-mail": "vip" });
  });
});

describe("what is sent for a preview", () => {
  const large = (start: string) => new File([start, new Uint8Array(9 * 1024 * 1024)], "f");

  it.each([
    ["a large text: its beginning", large("id,email\n"), 2 * 1024 * 1024],
    ["a large gzip file: its beginning", large("\x1f\x8b"), 2 * 1024 * 1024],
    ["a large workbook or zip file: all of it", large("PK\x03\x04"), 9 * 1024 * 1024 + 4],
    ["a small file: all of it", new File(["id\n1\n"], "f"), 5],
  ])("%s", async (_, file, size) => {
    expect((await previewPart(file)).size).toBe(size);
  });
});
