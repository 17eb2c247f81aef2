/** The ways in which the texts of a column can be replaced, by what its field takes. */
import type { Field } from "../api/types";

/** Other texts for cells; null where a cell stays. */
export type Rule = (text: string) => string | null;

/** Reads texts that are spelt in one way, and writes them as the field takes them. */
export interface Way {
  id: "day" | "month" | "year" | "comma" | "point" | "space";
  label: string;
  /** The text as the field takes it, perhaps the same; null where it is not spelt so, or the field cannot hold it. */
  rewrite: Rule;
  /** Whether the text is spelt so. */
  reads: (text: string) => boolean;
}

export function exactly(from: string, to: string): Rule {
  return (text) => (text === from ? to : null);
}

export function inside(part: string, to: string): Rule {
  return (text) => (part !== "" && text.includes(part) ? text.replaceAll(part, to) : null);
}

export function ruleOf({ rewrite }: Way): Rule {
  return (text) => {
    const to = rewrite(text);
    return to === text ? null : to;
  };
}

const SPACE: Way = {
  id: "space",
  label: "Space around the text: left out",
  rewrite: (text) => text.trim(),
  reads: (text) => text.trim() !== text,
};

/** What can be offered for a column; of no field only what suits every text. */
export function waysFor(field: Field | undefined): Way[] {
  if (field?.type === "date") return [...dateWays(field.format ?? "default"), SPACE];
  if (field?.type === "number" || field?.type === "integer") return [...numberWays(field), SPACE];
  return [SPACE];
}

/**
 * The way that is beyond doubt: it reads every text, and no other way reads them all as something else.
 *
 * @returns `doubt`: how the first text that shows it can be read, where several ways read every text.
 */
export function proposal(texts: string[], ways: Way[]): { way: Way | null; doubt: string | null } {
  if (texts.length === 0) return { way: null, doubt: null };
  const reading = ways.filter(({ id, reads }) => id !== "space" && texts.every(reads));
  const unclear = texts.find((text) => new Set(reading.map(({ rewrite }) => rewrite(text))).size > 1);
  if (unclear !== undefined) {
    const meanings = reading.map(({ rewrite }) => rewrite(unclear) ?? "what the field does not take");
    return { way: null, doubt: `${unclear} can mean ${meanings.join(" or ")}` };
  }
  const fitting = [...reading, SPACE].find((way) => texts.every((text) => ruleOf(way)(text) !== null));
  return { way: fitting ?? null, doubt: null };
}

type Day = readonly [year: string, month: string, day: string];

function dateWays(format: string): Way[] {
  const pattern = ["default", "any"].includes(format) ? "%Y-%m-%d" : format;
  const isKnown =
    ["%Y", "%m", "%d"].every((each) => pattern.split(each).length === 2) && pattern.match(/%/g)!.length === 3;
  if (!isKnown) return [];
  const write = ([year, month, day]: Day) => pattern.replace("%Y", year).replace("%m", month).replace("%d", day);
  const way = (id: Way["id"], words: string, example: string, read: (text: string) => Day | null): Way => {
    const rewrite: Rule = (text) => {
      const found = read(text);
      return found && write(found);
    };
    return {
      id,
      label: `Dates, ${words} first: ${example} → ${rewrite(example)}`,
      rewrite,
      reads: (text) => read(text) !== null,
    };
  };
  return [
    way("day", "day", "31/12/24", (text) => {
      const found = SHORT.exec(text);
      return found && realDay(found[3]!, found[2]!, found[1]!);
    }),
    way("month", "month", "12/31/24", (text) => {
      const found = SHORT.exec(text);
      return found && realDay(found[3]!, found[1]!, found[2]!);
    }),
    way("year", "year", "2024/12/31", (text) => {
      const found = /^\s*(\d{4})[/. -](\d{1,2})[/. -](\d{1,2})\s*$/.exec(text);
      return found && realDay(found[1]!, found[2]!, found[3]!);
    }),
  ];
}

const SHORT = /^\s*(\d{1,2})[/. -](\d{1,2})[/. -](\d{4}|\d{2})\s*$/;

/** Two digits are a year from 1970 to 2069. */
function realDay(digits: string, month: string, day: string): Day | null {
  const year = digits.length === 4 ? digits : `${Number(digits) < 70 ? 20 : 19}${digits}`;
  const date = new Date(Date.UTC(2000, Number(month) - 1, Number(day)));
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day)); // years before 100, too
  const isReal = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day);
  return isReal && Number(year) > 0 ? [year, month.padStart(2, "0"), day.padStart(2, "0")] : null;
}

function numberWays(field: Field): Way[] {
  const decimal = typeof field.decimalChar === "string" ? field.decimalChar : ".";
  const write = (sign: string, whole: string, fraction: string | undefined) => {
    if (field.type === "number") return sign + whole + (fraction ? decimal + fraction : "");
    return /^0*$/.test(fraction ?? "") ? sign + whole : null;
  };
  const way = (id: Way["id"], words: string, examples: [string, string], spelling: RegExp): Way => {
    const rewrite: Rule = (text) => {
      const found = spelling.exec(text.trim());
      return found && write(found[1]!, found[2]!.replace(/\D/g, ""), found[3]);
    };
    const example = examples[field.type === "number" ? 0 : 1];
    return {
      id,
      label: `${words}: ${example} → ${rewrite(example)}`,
      rewrite,
      reads: (text) => spelling.test(text.trim()),
    };
  };
  return [
    way("comma", "Decimal comma", ["1.234,5", "1.234,00"], /^([-+]?)(\d{1,3}(?:\.\d{3})+|\d+)(?:,(\d+))?$/),
    way("point", "Decimal point", ["1,234.5", "1,234.00"], /^([-+]?)(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?$/),
  ];
}
