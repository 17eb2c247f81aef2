import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { proposals, type Schemas } from "./jsonMembers";

const DESCRIPTION = JSON.parse(readFileSync("../functions/api/openapi.json", "utf8")) as {
  components: { schemas: Schemas };
};
const { schemas } = DESCRIPTION.components;

/** What is proposed where the text has its `|`. */
function at(text: string) {
  const caret = text.indexOf("|");
  return proposals(schemas, text.replace("|", ""), caret);
}
const names = (text: string) => at(text).map(({ name }) => name);

/** The text with what is chosen, and `|` where the caret then stands. */
function choose(text: string, name: string): string {
  const place = text.indexOf("|");
  const { text: added, caret } = at(text).find((one) => one.name === name)!;
  return `${text.slice(0, place)}${added.slice(0, caret)}|${added.slice(caret)}${text.slice(place + 1)}`;
}

describe("the members of a definition", () => {
  it("are those of the API that the object does not have yet", () => {
    const left = names('{"title": "x", | "quality": {}}');
    expect(left).toEqual(expect.arrayContaining(["schema", "permissions", "keepPrevious", "webhooks"]));
    expect(left).not.toContain("title");
    expect(left).not.toContain("quality"); // behind the caret
    expect(names('{"quality": {|}}')).toEqual(["maxRejectedPercent", "maxRowsChangePercent", "action"]);
    expect(names('{"schema": {"fields": [{"name": "a"}, {"name": "b", |')).toEqual(
      expect.arrayContaining(["type", "format", "constraints"]),
    );
    expect(names('{"webhooks": [{|}]}')).toEqual(["url", "secretId"]);
  });

  it("are those of a Table Schema where the text is one", () => {
    expect(names('{"fields": [], |}')).toEqual(expect.arrayContaining(["primaryKey", "missingValues", "foreignKeys"]));
  });

  it("have the values that the API knows", () => {
    expect(names('{"quality": {"action": |}}')).toEqual(['"tell"', '"stop"']);
    expect(names('{"keepPrevious": |')).toEqual(["true", "false"]);
    expect(names('{"dataType": |, "title": "x"}')).toContain('"linked-data"');
    expect(names('{"title": |}')).toEqual([]);
  });

  it("are not proposed inside a text, nor for what the API does not know", () => {
    for (const text of [
      '{"title": "a|b"}',
      '{"ti|tle": 1}',
      '{"title"| : 1}',
      '{"other": {|}}',
      "|",
      "[|]",
      '{"a": tr|ue}',
    ])
      expect(names(text)).toEqual([]);
  });
});

describe("what is inserted", () => {
  it("is a member with the beginning of its value, on a line of its own, with the commas that are lacking", () => {
    expect(choose("{|}", "title")).toBe('{\n  "title": "|"}');
    expect(choose('{\n  "title": "x"|\n}', "quality")).toBe('{\n  "title": "x",\n  "quality": {|}\n}');
    expect(choose('{\n  |\n  "title": "x"\n}', "webhooks")).toBe('{\n  "webhooks": [|],\n  "title": "x"\n}');
    expect(choose('{"quality": {|}}', "action")).toBe('{"quality": {\n    "action": "|"}}');
    expect(choose("{|}", "keepPrevious")).toBe('{\n  "keepPrevious": |}');
    expect(choose('{"quality": {"action": |}}', '"stop"')).toBe('{"quality": {"action": "stop"|}}');
  });

  it("makes JSON", () => {
    const text = choose(choose('{"schema": {}|}', "permissions").replace("|", "").replace("{}}", "{}|}"), "title");
    expect(JSON.parse(text.replace("|", ""))).toEqual({ schema: {}, permissions: {}, title: "" });
  });
});
