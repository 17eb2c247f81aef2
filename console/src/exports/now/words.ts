/** What is said of an export that is made now. */
import type { ExportPreview, Job } from "../../api/types";
import { formatCount, rowsInWords } from "../../common/format";

/** `312 records match`, `About 1,000,000 records match`, `At least 12 of the first 20,000 records match`. */
export function matchesInWords({ count, precision, read }: ExportPreview): string {
  const records = count === 1 ? "1 record matches" : `${formatCount(count)} records match`;
  if (precision === "exact") return count === 0 ? "No record matches" : records;
  if (precision === "approximate") return `About ${records}`;
  if (read <= count) return `At least ${records}`;
  return `${formatCount(count)} of the first ${formatCount(read)} records match; the export reads on`;
}

/** `1,200 rows, 35 %`. */
export function progressInWords({ counts, percent }: Job): string {
  return percent === null ? rowsInWords(counts.processed) : `${rowsInWords(counts.processed)}, ${percent} %`;
}

/** `contacts 2026-01-31 09:30:00`, in local time. */
export function proposedName(entity: string, now: Date): string {
  return `${entity} ${now.toLocaleString("sv-SE")}`;
}
