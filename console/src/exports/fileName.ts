import type { Definition } from "../api/types";

const EXTENSIONS = { none: "", gzip: ".gz", zip: ".zip" };

export function defaultFileName({ entity, ...kind }: Pick<Definition, "entity" | "format" | "compression">): string {
  return `${entity}_$yyyyMMdd${extensionOf(kind)}`;
}

type Kind = Pick<Definition, "format" | "compression">;

function extensionOf({ format = "csv", compression = "none" }: Kind): string {
  return `.${format}${EXTENSIONS[compression]}`;
}

/** A file name after format or compression have changed: what was typed stays, but for the extension of those before. */
export function renamed(fileName: string | undefined, from: Kind, to: Kind): string | undefined {
  const extension = extensionOf(from);
  return fileName?.endsWith(extension) ? fileName.slice(0, -extension.length) + extensionOf(to) : fileName;
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
