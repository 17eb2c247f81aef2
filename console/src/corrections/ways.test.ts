import { expect, test } from "vitest";
import type { Field } from "../api/types";
import { exactly, inside, proposal, ruleOf, waysFor } from "./ways";

const DATE: Field = { name: "due", type: "date" };
const BELGIAN_DATE: Field = { name: "due", type: "date", format: "%d/%m/%Y" };
const NUMBER: Field = { name: "amount", type: "number" };
const EUROPEAN: Field = { name: "amount", type: "number", decimalChar: ",", groupChar: "." };
const LAND: Field = { name: "land", type: "string" };
const INTEGER: Field = { name: "amount", type: "integer" };

function changed(field: Field, id: string, text: string): string | null {
  return ruleOf(waysFor(field).find((way) => way.id === id)!)(text);
}

test.each([
  [DATE, "day", "31/12/24", "2024-12-31"],
  [DATE, "day", "1.2.1999", "1999-02-01"],
  [DATE, "day", "12/31/24", null],
  [DATE, "day", "29/02/2023", null],
  [DATE, "day", "1/1/70", "1970-01-01"],
  [DATE, "month", "12/31/24", "2024-12-31"],
  [DATE, "year", "2024/1/2", "2024-01-02"],
  [DATE, "year", "2024-01-02", null],
  [BELGIAN_DATE, "year", "2024-12-31", "31/12/2024"],
  [BELGIAN_DATE, "day", "1.2.24", "01/02/2024"],
  [NUMBER, "comma", "1.234,50", "1234.50"],
  [NUMBER, "comma", " -3,5 ", "-3.5"],
  [NUMBER, "comma", "1,234.5", null],
  [NUMBER, "point", "1,234.5", "1234.5"],
  [NUMBER, "point", "101.50", null],
  [EUROPEAN, "comma", "101,50", null],
  [EUROPEAN, "point", "1,234.50", "1234,50"],
  [INTEGER, "comma", "1.234.567", "1234567"],
  [INTEGER, "comma", "1.234,5", null],
  [INTEGER, "point", "12.00", "12"],
  [NUMBER, "space", " 5", "5"],
])("%j, %s: %j → %j", (field, way, text, expected) => {
  expect(changed(field, way, text)).toBe(expected);
});

test.each([
  [exactly("Belgie", "BE"), "Belgie", "BE"],
  [exactly("Belgie", "BE"), "belgie", null],
  [inside("€", ""), "€ 5€", " 5"],
  [inside("", "x"), "a", null],
])("a typed rule changes %#", (rule, text, expected) => {
  expect(rule(text)).toBe(expected);
});

test("only what suits the field is offered", () => {
  const offered = (field: Field | undefined) => waysFor(field).map(({ id }) => id);
  expect(offered(undefined)).toEqual(["space"]);
  expect(offered(LAND)).toEqual(["space"]);
  expect(offered(INTEGER)).toEqual(["comma", "point", "space"]);
  expect(offered(BELGIAN_DATE)).toEqual(["day", "month", "year", "space"]);
  expect(offered({ name: "due", type: "date", format: "%d %B %Y" })).toEqual(["space"]);
});

test.each([
  [DATE, ["31/12/24", "1/2/25"], "day"],
  [DATE, ["12/31/24", "1/2/25"], "month"],
  [DATE, ["31/12/24", "12/31/24"], null],
  [DATE, ["31/12/24", "2024-12-31"], null],
  [DATE, ["2024/12/31"], "year"],
  [DATE, ["05/05/2024"], "day"], // the same in both
  [DATE, [], null],
  [NUMBER, ["1,234", "12,5"], "comma"],
  [NUMBER, ["1.234,5"], "comma"],
  [NUMBER, ["1,234", "1,234,567"], "point"],
  [EUROPEAN, ["101,50"], null], // they are as the field takes them
  [EUROPEAN, ["101.50"], "point"],
  [INTEGER, ["1.234.567", "1.234"], "comma"],
  [LAND, [" BE", "NL "], "space"],
])("%j, %j: proposes %s, without a doubt", (field, texts, expected) => {
  const { way, doubt } = proposal(texts, waysFor(field));
  expect([way?.id ?? null, doubt]).toEqual([expected, null]);
});

test.each([
  [DATE, ["02/03/2024", "04/05/2024"], "02/03/2024 can mean 2024-03-02 or 2024-02-03"],
  [NUMBER, ["1,234", "12,500", "250,000"], "1,234 can mean 1.234 or 1234"],
  [NUMBER, ["1.234"], "1.234 can mean 1234 or 1.234"],
  [INTEGER, ["1.234"], "1.234 can mean 1234 or what the field does not take"],
])("%j, %j: proposes nothing, because %s", (field, texts, expected) => {
  expect(proposal(texts, waysFor(field))).toEqual({ way: null, doubt: expected });
});
