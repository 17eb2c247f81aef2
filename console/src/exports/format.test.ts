import { expect, it } from "vitest";
import { changesOfCompression, changesOfFormat } from "./format";

it.each([
  ["my_$yyyyMMdd.csv", "my_$yyyyMMdd.csv.gz"],
  ["extract", "extract"],
  ["a.csv.old", "a.csv.old"],
  [undefined, undefined],
])("another compression changes only the extension: %s", (fileName, expected) => {
  expect(changesOfCompression({ fileName }, "gzip")).toEqual({ compression: "gzip", fileName: expected });
});

it("another format keeps what was typed", () => {
  const split = { maxRows: 700 };
  expect(changesOfFormat({ fileName: "my.csv.gz", compression: "gzip", split }, "jsonl")).toEqual({
    changes: { format: "jsonl", compression: "gzip", dialect: {}, split, fileName: "my.jsonl.gz" },
    notes: [],
  });
  expect(changesOfFormat({ fileName: "my.csv", dialect: { delimiter: ";" } }, "csv").changes).toEqual({});
});

it("what does not fit another format is said", () => {
  const old = {
    dialect: { delimiter: ";" },
    split: { maxBytes: 5 },
    compression: "zip",
    fileName: "my.csv.zip",
  } as const;
  expect(changesOfFormat(old, "parquet")).toEqual({
    changes: { format: "parquet", compression: "none", dialect: {}, split: null, fileName: "my.parquet" },
    notes: [
      "The delimiter and what else was set for the old format are dropped.",
      "Parquet files cannot be split by size: it is one file now.",
      "Parquet compresses itself: no other compression is used.",
    ],
  });
});
