import { describe, expect, it } from "vitest";
import type { ColumnProposal } from "../api/types";
import { proposedMapping, renamed } from "./columnMapping";
import { previewPart } from "./previewPart";

const known = (field: string): ColumnProposal => ({ field, isKnown: true, why: null, choices: [] });
const alike = (field: string): ColumnProposal => ({ field, isKnown: false, why: "is alike", choices: [] });
const open = (...fields: string[]): ColumnProposal => ({
  field: null,
  isKnown: false,
  why: null,
  choices: fields.map((field) => ({ field, why: "shares words" })),
});

describe("columns", () => {
  const labels = ["Contact ID", "E-mail", "SPEND", "Name"];
  const proposals = [alike("contact_id"), known("email"), alike("spend"), open("first_name", "last_name")];

  it("go where the service is sure, and nowhere where several fields may be meant", () => {
    expect(proposedMapping(proposals)).toEqual(["contact_id", "email", "spend", null]);
  });

  it("tell the import only what it would not do by itself", () => {
    const mapping = ["contact_id", "email", null, "last_name"];
    expect(renamed(labels, mapping, proposals)).toEqual({ "Contact ID": "contact_id", Name: "last_name" });
    expect(renamed(["E-mail"], ["vip"], [known("email")])).toEqual({ "E-mail": "vip" });
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
