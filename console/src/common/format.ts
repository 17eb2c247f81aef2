/** Numbers and values as people read them. */

const number = new Intl.NumberFormat("en-US");

export function formatCount(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : number.format(value);
}

/** `1 file`, `12 files`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** `1 row`, `12 rows`. */
export function rowsInWords(count: number): string {
  return counted(count, "row");
}

/** How many of the first rows of a file would be rejected. */
export function judgedInWords(bad: number, rows: number): string {
  if (rows === 1) return `The first row would ${bad ? "" : "not "}be rejected.`;
  return `${bad ? `${formatCount(bad)} of the` : "None of the"} first ${rowsInWords(rows)} would be rejected.`;
}

export function formatBytes(value: number): string {
  const units = ["bytes", "KB", "MB", "GB"];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit ? value.toFixed(1) : value} ${units[unit]}`;
}

/** `2 d 3 h`, `4 min`, `12 s`: the two largest units. */
export function formatDuration(seconds: number): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [Math.floor(seconds) % 60, "s"],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  if (first < 0) return seconds > 0 ? "less than 1 s" : "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(" ");
}

/** A value of JSON as text. */
export function formatJson(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The number that a text is. What is no whole number stays as it was typed: the API refuses it by its place. */
export function wholeNumber(text: string): number {
  const isWhole = /^\s*\d+\s*$/.test(text) && Number.isSafeInteger(Number(text));
  return isWhole ? Number(text) : (text as unknown as number);
}
