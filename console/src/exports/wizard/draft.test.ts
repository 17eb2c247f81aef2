import { expect, it } from "vitest";
import type { Export } from "../../api/types";
import { bodyOf, changesOfType, draftOf, missing, newDraft, type Draft } from "./draft";

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
  const { schedule, destination } = nightly;
  expect(changesOfType(draft, "PERIODIC_FULL")).toEqual({
    changes: { type: "PERIODIC_FULL", includeDeleted: false, schedule, destination },
    notes: [],
  });
  expect(changesOfType(draft, "ONE_SHOT")).toEqual({
    changes: { type: "ONE_SHOT", includeDeleted: false, schedule: null, destination },
    notes: ["The schedule does not fit a single run: it runs as soon as it is activated."],
  });
});

it.each(["s3", "sftp", "ftps"] as const)("no type takes %s and the encryption away", (kind) => {
  const destination = { kind, host: "sftp.example", encryption: { kind: "age" as const, recipients: ["age1a"] } };
  const once: Draft = { ...newDraft("contacts"), schedule: { at: "2026-12-24T18:00" }, destination };
  const periodic = changesOfType(once, "PERIODIC_FULL");
  expect(periodic.changes).toMatchObject({ schedule: { time: "02:30" }, destination });
  expect(periodic.notes).toEqual(["The date and time of the single run do not fit: a daily schedule is proposed."]);
  expect({ ...once, ...periodic.changes, ...changesOfType(once, "ONE_SHOT").changes }).toEqual({
    ...once,
    includeDeleted: false,
  });
});

it("what was downloaded is delivered on a schedule, as encrypted as before, and that is said", () => {
  const encryption = { kind: "age" as const, recipients: ["age1a"] };
  const once: Draft = { ...newDraft("contacts"), destination: { kind: "download", encryption } };
  for (const [draft, destination] of [
    [once, { kind: "s3", encryption }],
    [newDraft("contacts"), { kind: "s3" }],
  ] as const) {
    expect(changesOfType(draft, "INCREMENTAL")).toMatchObject({
      changes: { destination },
      notes: ["Its files are delivered, not downloaded: to the transfer box, until you choose another place."],
    });
  }
});

it("names what is missing", () => {
  expect(missing(newDraft(""), undefined).map(({ pointer }) => pointer)).toEqual(["#/name", "#/entity"]);
});
