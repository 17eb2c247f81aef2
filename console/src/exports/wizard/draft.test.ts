import { expect, it } from "vitest";
import type { Export } from "../../api/types";
import { bodyOf, changesOfType, draftOf, missing, newDraft } from "./draft";

const nightly = {
  name: "Nightly",
  entity: "contacts",
  type: "INCREMENTAL",
  fields: ["id"],
  filter: [{ field: "note", op: "in", value: ["a, b", "c"] }],
  format: "csv",
  dialect: { delimiter: ";" },
  compression: "gzip",
  fileName: "c.csv.gz",
  schedule: { time: "02:30", timezone: "UTC", days: ["mon"] },
  destination: { kind: "s3", prefix: "crm" },
  recipients: ["a@example.com"],
  webhooks: [{ url: "https://a.example", secretId: "hooks/a" }],
  escapeFormulas: false,
  includeDeleted: true,
} as Export;

it("an export that is opened and saved stays as it was", () => {
  expect(bodyOf(draftOf(nightly), undefined)).toEqual(nightly);
});

it("another type keeps what fits it", () => {
  const draft = draftOf(nightly);
  expect(changesOfType(draft, "PERIODIC_FULL")).toEqual({ type: "PERIODIC_FULL", includeDeleted: false });
  expect(changesOfType(draft, "ONE_SHOT")).toMatchObject({ schedule: null, destination: { kind: "download" } });
  expect(changesOfType(newDraft("contacts"), "INCREMENTAL")).toMatchObject({
    schedule: { time: "02:30" },
    destination: { kind: "s3" },
  });
});

it("names what is missing", () => {
  expect(missing(newDraft(""), undefined).map(({ pointer }) => pointer)).toEqual(["#/name", "#/entity"]);
});
