import { describe, expect, it } from "vitest";
import type { ExportPreview, Job } from "../../api/types";
import { matchesInWords, progressInWords, proposedName } from "./words";

const preview = (found: Partial<ExportPreview>): ExportPreview => ({
  count: 0,
  precision: "exact",
  read: 0,
  columns: [],
  rows: [],
  warnings: [],
  ...found,
});

describe("an export that is made now", () => {
  it("tells how many records it takes, and how sure that is", () => {
    expect(matchesInWords(preview({}))).toBe("No record matches");
    expect(matchesInWords(preview({ count: 1 }))).toBe("1 record matches");
    expect(matchesInWords(preview({ count: 1234, read: 1234 }))).toBe("1,234 records match");
    expect(matchesInWords(preview({ count: 5000, read: 5000, precision: "approximate" }))).toBe(
      "About 5,000 records match",
    );
    expect(matchesInWords(preview({ count: 5000, read: 5000, precision: "at-least" }))).toBe(
      "At least 5,000 records match",
    );
    expect(matchesInWords(preview({ count: 12, read: 20000, precision: "at-least" }))).toBe(
      "12 of the first 20,000 records match; the export reads on",
    );
  });
  it("tells how far it has come", () => {
    const job = { counts: { processed: 1200 }, percent: 35 } as Job;
    expect(progressInWords(job)).toBe("1,200 rows, 35 %");
    expect(progressInWords({ ...job, percent: null })).toBe("1,200 rows");
  });
  it("has a name that tells it from others", () => {
    expect(proposedName("contacts", new Date(2026, 0, 31, 9, 30, 5))).toBe("contacts 2026-01-31 09:30:05");
  });
});
