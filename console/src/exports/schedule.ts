import type { ExportType, Schedule } from "../api/types";
import { isPeriodic } from "./labels";

type Day = NonNullable<Schedule["days"]>[number];

export const DAYS: Day[] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
export const DAY_LABELS: Record<Day, string> = {
  mon: "Monday",
  tue: "Tuesday",
  wed: "Wednesday",
  thu: "Thursday",
  fri: "Friday",
  sat: "Saturday",
  sun: "Sunday",
};

const MINUTES_OF_A_DAY = 1440;
/** The usual intervals, in minutes; the API takes every divisor of a day from 5 minutes on. */
export const INTERVALS = [5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, MINUTES_OF_A_DAY];
/** From the first of a month to the 31st, then from the last one backwards. */
export const MONTH_DAYS = [1, -1].flatMap((sign) => Array.from({ length: 31 }, (_, index) => sign * (index + 1)));

/** `Every Monday at 02:30 (UTC)`, `On the 1st, 15th and last day at 02:30 (UTC)`, `Every 15 minutes (UTC)`. */
export function describeSchedule(schedule: Schedule | null | undefined, type: ExportType): string {
  if (!schedule) return isPeriodic(type) ? "None" : "As soon as it is activated";
  const zone = schedule.timezone ? ` (${schedule.timezone})` : "";
  if (schedule.at) return `Once at ${schedule.at}${zone}`;
  if (schedule.every) return `${describeInterval(schedule.every)}${zone}`;
  return `${describeDays(schedule)} at ${schedule.time}${zone}`;
}

function describeDays({ days, monthDays }: Schedule): string {
  if (monthDays) return `On the ${list(monthDays.map(nameOfMonthDay))} day`;
  const isDaily = !days?.length || days.length === DAYS.length;
  return isDaily ? "Every day" : `Every ${days.map((day) => DAY_LABELS[day]).join(", ")}`;
}

/** `15th`; counted from the end of a month `last`, `2nd last`. */
export function nameOfMonthDay(day: number): string {
  if (day > 0) return ordinal(day);
  return day === -1 ? "last" : `${ordinal(-day)} last`;
}

/** `Every 15 minutes`, of `PT15M`. */
export function describeInterval(every: string): string {
  const minutes = minutesOf(every);
  if (minutes === MINUTES_OF_A_DAY) return "Every day at midnight";
  if (minutes % 60) return `Every ${minutes} minutes`;
  return minutes === 60 ? "Every hour" : `Every ${minutes / 60} hours`;
}

export function minutesOf(every: string): number {
  if (every === "P1D") return MINUTES_OF_A_DAY;
  const [, hours, minutes] = /^PT(?:(\d+)H)?(?:(\d+)M)?$/.exec(every) ?? [];
  return Number(hours ?? 0) * 60 + Number(minutes ?? 0);
}

export function intervalOf(minutes: number): string {
  return minutes % 60 ? `PT${minutes}M` : `PT${minutes / 60}H`;
}

function ordinal(number: number): string {
  const isTeen = number > 10 && number < 14;
  return `${number}${(!isTeen && ["th", "st", "nd", "rd"][number % 10]) || "th"}`;
}

function list(words: string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
