import { expect, it } from "vitest";
import { counted, judgedInWords, rowsInWords, wholeNumber } from "./format";

it("says one row and several rows", () => {
  expect(["0 rows", "1 row", "1,200 rows"]).toEqual([0, 1, 1200].map(rowsInWords));
  expect(counted(1, "entry", "entries")).toBe("1 entry");
  expect(counted(2, "entry", "entries")).toBe("2 entries");
});

it("says how many of the first rows would be rejected", () => {
  expect(judgedInWords(0, 1)).toBe("The first row would not be rejected.");
  expect(judgedInWords(1, 1)).toBe("The first row would be rejected.");
  expect(judgedInWords(0, 20)).toBe("None of the first 20 rows would be rejected.");
  expect(judgedInWords(7, 20)).toBe("7 of the first 20 rows would be rejected.");
});

it("takes nothing else for a whole number", () => {
  expect(["22", " 22 ", "022", "0"].map(wholeNumber)).toEqual([22, 22, 22, 0]);
  const others = ["22 (SSH)", "", "-1", "1.5", "1e3", "38.947", "99999999999999999999"];
  expect(others.map(wholeNumber)).toEqual(others);
});
