/** Days of the reader. */

/** When a day begins, or one that is some days later; null for what is no day. */
export function startOf(day: string | null, later = 0): string | null {
  const found = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day ?? "");
  if (!found) return null;
  return new Date(Number(found[1]), Number(found[2]) - 1, Number(found[3]) + later).toISOString();
}
