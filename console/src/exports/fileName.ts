import type { Definition } from "../api/types";

const EXTENSIONS = { none: "", gzip: ".gz", zip: ".zip" };

export function defaultFileName({
  entity,
  format = "csv",
  compression = "none",
}: Pick<Definition, "entity" | "format" | "compression">): string {
  return `${entity}_$yyyyMMdd.${format}${EXTENSIONS[compression]}`;
}

/** Replaces `$yyyyMMdd` and the like by the moment's date and time in the zone. */
export function fileNameAt(pattern: string, moment: Date, timezone: string | undefined): string {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone: timezone ?? "UTC",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  }).formatToParts(moment);
  const part = (type: string) => parts.find((found) => found.type === type)?.value ?? "";
  const units: Record<string, string> = {
    yyyy: part("year"),
    MM: part("month"),
    dd: part("day"),
    HH: part("hour"),
    mm: part("minute"),
    ss: part("second"),
  };
  return pattern.replace(/\$((?:yyyy|MM|dd|HH|mm|ss)+)/g, (_, found: string) =>
    found.replace(/yyyy|MM|dd|HH|mm|ss/g, (unit) => units[unit]!),
  );
}
