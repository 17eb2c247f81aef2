import { expect, test } from "vitest";
import { conditionsOf, countInWords, keyTexts, searchedKey } from "./recordWords";

test.each([
  [{ count: 1234, precision: "exact" }, "1,234"],
  [{ count: 0, precision: "exact" }, "0"],
  [{ count: 1_003_456, precision: "approximate" }, "about 1,000,000"],
  [{ count: 87, precision: "approximate" }, "about 87"],
  [{ count: 20_480_000, precision: "at-least" }, "at least 20,500,000"],
] as const)("a count says how exact it is: %j", (count, words) => {
  expect(countInWords(count)).toBe(words);
});

test("a key of one field is its text, of several a list", () => {
  expect(searchedKey(["C-1"])).toBe("C-1");
  expect(searchedKey(["7", "x|y"])).toBe('["7","x|y"]');
  expect(searchedKey(["7", " "])).toBeNull();
  expect(searchedKey([])).toBeNull();
  expect(keyTexts('["7","x|y"]', 2)).toEqual(["7", "x|y"]);
  expect(keyTexts('["7"]', 1)).toEqual(['["7"]']);
  expect(keyTexts("7", 2)).toEqual(["", ""]);
  expect(keyTexts(null, 2)).toEqual(["", ""]);
});

test("an address without readable conditions has none", () => {
  expect(conditionsOf("[{")).toEqual([]);
  expect(conditionsOf("{}")).toEqual([]);
  expect(conditionsOf('[{"field":"a","op":"empty"}]')).toEqual([{ field: "a", op: "empty" }]);
});
