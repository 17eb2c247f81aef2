import { expect, test } from "vitest";
import { columnsOf, SHOWN_AT_FIRST } from "./preferences";

test("until the user chooses, the key and the first fields are shown", () => {
  const fields = Array.from({ length: 300 }, (_, number) => `f${number}`);
  const columns = columnsOf(fields, ["f299"], { columns: null });
  expect(columns).toHaveLength(300);
  expect(columns[0]).toEqual({ id: "f299", visible: true });
  expect(columns.filter(({ visible }) => visible)).toHaveLength(SHOWN_AT_FIRST);
});

test("a choice stays when the schema changes: the key is always shown, fields that are gone are not", () => {
  const chosen = [
    { id: "gone", visible: true },
    { id: "b", visible: true },
    { id: "key", visible: false },
    { id: "a", visible: false },
  ];
  expect(columnsOf(["a", "b", "new", "key"], ["key"], { columns: chosen })).toEqual([
    { id: "key", visible: true },
    { id: "b", visible: true },
    { id: "a", visible: false },
    { id: "new", visible: false },
  ]);
});
