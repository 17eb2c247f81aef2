/** What follows from choosing another format or compression for an export. */
import type { Definition } from "../api/types";
import { renamed } from "./fileName";

type Members = Pick<Definition, "format" | "compression" | "dialect" | "split" | "fileName">;

/** The changes that follow from choosing a format, and what was chosen before and does not fit it, in words. */
export function changesOfFormat(old: Members, format: Definition["format"]): { changes: Members; notes: string[] } {
  const { dialect, split, compression, fileName } = old;
  if (format === (old.format ?? "csv")) return { changes: {}, notes: [] };
  const isParquet = format === "parquet";
  const losesDialect = Object.keys(dialect ?? {}).length > 0;
  const losesSplit = isParquet && split != null && "maxBytes" in split;
  const losesCompression = isParquet && (compression ?? "none") !== "none";
  const kind: Members = { format, compression: isParquet ? "none" : compression };
  return {
    changes: { ...kind, dialect: {}, split: losesSplit ? null : split, fileName: renamed(fileName, old, kind) },
    notes: [
      ...(losesDialect ? ["The delimiter and what else was set for the old format are dropped."] : []),
      ...(losesSplit ? ["Parquet files cannot be split by size: it is one file now."] : []),
      ...(losesCompression ? ["Parquet compresses itself: no other compression is used."] : []),
    ],
  };
}

export function changesOfCompression(old: Members, compression: NonNullable<Definition["compression"]>): Members {
  return { compression, fileName: renamed(old.fileName, old, { format: old.format, compression }) };
}
