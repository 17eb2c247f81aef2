import { expect, test } from "vitest";
import { fieldsInWords } from "./fieldWords";

test("a field says in words what it cleans, requires and refers to", () => {
  const schema = {
    fields: [
      { name: "id", type: "integer" },
      {
        name: "sex",
        clean: ["lower", "trim"],
        values: { m: "male" },
        default: "unknown",
        constraints: { required: true },
      },
      { name: "place", type: "date", format: "%d/%m/%Y" },
    ],
    primaryKey: "id",
    foreignKeys: [
      { fields: ["sex", "place"], reference: { resource: "places", fields: ["a", "b"] } },
      { fields: "place", reference: { resource: "", fields: "id" } },
    ],
  };
  expect(fieldsInWords(schema)).toEqual([
    { name: "id", type: "integer", rules: ["the key"], cleaning: [], references: [] },
    {
      name: "sex",
      type: "any",
      rules: ["required"],
      cleaning: [
        "white space at both ends is removed",
        "letters become lower case",
        "“m” is read as “male”",
        "a missing value is read as “unknown”",
      ],
      references: ["must name a record of places, with place"],
    },
    {
      name: "place",
      type: "date, %d/%m/%Y",
      rules: [],
      cleaning: [],
      references: ["must name a record of places, with sex", "must name a record of this entity"],
    },
  ]);
});

test("many values are not all listed", () => {
  const values = Object.fromEntries(Array.from({ length: 8 }, (_, number) => [String(number), "x"]));
  const [field] = fieldsInWords({ fields: [{ name: "a", values }] });
  expect(field!.cleaning).toHaveLength(6);
  expect(field!.cleaning[5]).toBe("and 3 other cells as other texts");
});

test.each([null, 3, {}, { fields: 3 }, { fields: [null, 3, {}] }])("a schema that is not finished (%j)", (schema) => {
  expect(fieldsInWords(schema)).toEqual([]);
});

test("odd members are passed over", () => {
  const odd = { fields: [{ name: "a", clean: 3, values: "x", default: null }], foreignKeys: [null, 3, {}] };
  expect(fieldsInWords(odd)).toEqual([{ name: "a", type: "any", rules: [], cleaning: [], references: [] }]);
});
