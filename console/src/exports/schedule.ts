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

/** `Every Monday at 02:30 (UTC)`. */
export function describeSchedule(schedule: Schedule | null | undefined, type: ExportType): string {
  if (!schedule) return isPeriodic(type) ? "None" : "As soon as it is activated";
  const zone = schedule.timezone ? ` (${schedule.timezone})` : "";
  if (schedule.at) return `Once at ${schedule.at}${zone}`;
  const isDaily = !schedule.days?.length || schedule.days.length === DAYS.length;
  const days = isDaily ? "Every day" : `Every ${schedule.days!.map((day) => DAY_LABELS[day]).join(", ")}`;
  return `${days} at ${schedule.time}${zone}`;
}
