/** No editor removes what it does not show: compared with the API's description. */
import { readFileSync } from "node:fs";
import { expect, it, vi } from "vitest";
import type { Export, Source } from "../api/types";
import * as exports from "../exports/wizard/draft";
import type { Settings } from "../imports/ImportOptions";
import * as sources from "../sources/draft";

vi.mock("../imports/ImportOptions", () => ({ blanksOf: () => ({}) })); // it needs a page

type Members = Record<string, unknown>;
const DESCRIPTION = JSON.parse(readFileSync("../functions/api/openapi.json", "utf8")) as {
  components: { schemas: Record<string, { properties: Members }> };
};

const membersOf = (name: string) => Object.keys(DESCRIPTION.components.schemas[name]!.properties);
/** A resource whose members are all there; each is a text of its own. */
const filled = (name: string) => Object.fromEntries(membersOf(name).map((member) => [member, `its ${member}`]));

it("an export that is edited keeps all that the API takes", () => {
  const given: Members = { ...filled("Export"), filter: [{ field: "id", op: "empty", value: true }] };
  const body = exports.bodyOf(exports.draftOf(given as unknown as Export), undefined) as unknown as Members;
  expect(Object.keys(body).sort()).toEqual(membersOf("ExportRequest").sort());
  expect(body).toEqual(Object.fromEntries(Object.keys(body).map((member) => [member, given[member]])));
});

it("a source that is edited keeps all that the API takes", () => {
  const given: Members = { ...filled("Source"), after: "move", options: filled("SourceOptions") };
  const { options, ...source } = given as unknown as Source;
  const draft = sources.draftOf({ ...source, options });
  const body = sources.bodyOf(draft, { mode: "upsert" } as Settings, options) as unknown as Members;
  expect(Object.keys(body).sort()).toEqual(membersOf("SourceRequest").sort());
  expect(Object.keys(body.options as Members).sort()).toEqual(membersOf("SourceOptionsRequest").sort());
  expect(body).toMatchObject({ ...draft, options: { columns: "its columns", dialect: "its dialect" } });
});

it("a member that the console does not know is kept", () => {
  const unknown = { colour: "blue" };
  expect(exports.draftOf({ ...filled("Export"), filter: [], ...unknown } as unknown as Export)).toMatchObject(unknown);
  expect(sources.draftOf({ ...filled("Source"), ...unknown } as unknown as Source)).toMatchObject(unknown);
});
