import { expect, it } from "vitest";
import { locate } from "./jsonPointer";

const text = `{
  "title": "a \\"quoted\\" {name}",
  "schema": {
    "fields": [
      {"name": "id", "type": "string"},
      {"name": "a/b", "type": "strnig", "n": [1, -2.5e3, null, true]}
    ],
    "a/b": {"~": [],
      "": {}}
  }
}`;

it.each([
  ["#/schema/fields/1/type", '"strnig"', 6],
  ["#/schema/fields/1/n/1", "-2.5e3", 6],
  ["#/title", '"a \\"quoted\\" {name}"', 2],
  ["#/schema/a~1b/~0", "[]", 8],
  ["#/schema/a~1b/", "{}", 9],
  ["#/schema/fields/1/format", '{"name": "a/b", "type": "strnig", "n": [1, -2.5e3, null, true]}', 6],
  ["#/permissions", text, 1],
  ["#", text, 1],
])("finds %s", (pointer, found, line) => {
  const place = locate(text, pointer);
  expect(text.slice(place.start, place.end)).toBe(found);
  expect(place.line).toBe(line);
});
