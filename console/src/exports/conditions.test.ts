import { describe, expect, it } from "vitest";
import { conditionOf, conditionValue, describeCondition, NOT_EMPTY, typedCondition } from "./conditions";

describe("a condition", () => {
  it("has the value that its field is compared with", () => {
    expect(conditionValue("lt", "5", { name: "id", type: "integer" })).toBe(5);
    expect(conditionValue("eq", "5", { name: "code", type: "string" })).toBe("5");
    expect(conditionValue("eq", "True ", { name: "vip", type: "boolean" })).toBe(true);
    expect(conditionValue("between", "1, 2.5", { name: "spend", type: "number" })).toEqual([1, 2.5]);
    expect(conditionValue("in", "a, b", undefined)).toEqual(["a", "b"]);
  });
  it("leaves values that are not numbers to the API", () => {
    expect(conditionValue("eq", "much", { name: "spend", type: "number" })).toBe("much");
    expect(conditionValue("eq", "", { name: "spend", type: "number" })).toBe("");
  });
  it("tells empty from not empty", () => {
    expect([conditionValue("empty", "", undefined), conditionValue(NOT_EMPTY, "", undefined)]).toEqual([true, false]);
    expect(describeCondition({ field: "email", op: "empty" })).toBe("email is empty");
    expect(describeCondition({ field: "email", op: "empty", value: false })).toBe("email is not empty");
    expect(describeCondition({ field: "id", op: "in", value: [1, 2] })).toBe("id is one of [1,2]");
  });
  it("that nobody changes goes back to the API as it came", () => {
    const given = { field: "note", op: "in" as const, value: ["a, b", "c"] };
    expect(conditionOf(typedCondition(given), [{ name: "note" }])).toEqual(given);
  });
});
