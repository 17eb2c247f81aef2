/** Exports in words. */
import type {
  Condition,
  DataType,
  Definition,
  Destination,
  ExportStatus,
  ExportType,
  Field,
  Schedule,
} from "../contract";

export const TYPE_WORDS: Record<ExportType, string> = {
  ONE_SHOT: "One shot",
  PERIODIC_FULL: "Periodic full",
  INCREMENTAL: "Incremental",
  CUSTOM: "Custom",
  INCREMENTAL_CUSTOM: "Incremental custom",
};
export const TYPE_HELP: Partial<Record<ExportType, string>> = {
  ONE_SHOT: "One extract, now or at a given time",
  PERIODIC_FULL: "All records each time, sent to a third party",
  INCREMENTAL: "What is new since the previous run, sent to a third party",
  CUSTOM: "A flow of the back office, which others see the status of",
  INCREMENTAL_CUSTOM: "A flow of the back office, which others can copy and take over",
};
export const DATA_TYPE_WORDS: Record<DataType, string> = {
  profile: "Profile",
  "linked-data": "Linked data",
  repository: "Repository",
  interaction: "Interaction",
  "form-participation": "Form participation",
  subscription: "Subscriptions",
};
export const STATUS_TABS: { id: ExportStatus; label: string }[] = [
  { id: "DRAFT", label: "In definition" },
  { id: "SCHEDULED", label: "Scheduled" },
  { id: "IN_PROGRESS", label: "In progress" },
  { id: "FINISHED", label: "Finished" },
];
export const DAYS: NonNullable<Schedule["days"]> = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
export const DAY_WORDS: Record<string, string> = {
  mon: "Monday",
  tue: "Tuesday",
  wed: "Wednesday",
  thu: "Thursday",
  fri: "Friday",
  sat: "Saturday",
  sun: "Sunday",
};
/** Why a destination does not take files: the codes of a failed delivery. */
export const REASON_WORDS: Record<string, string> = {
  unreachable: "The server cannot be reached",
  timeout: "The server does not answer in time",
  "connection-lost": "The connection broke off",
  "disk-full": "The server has no room left",
  auth: "The login is refused",
  secret: "The secret cannot be used",
  "host-key": "The server shows another host key",
  certificate: "The certificate is not trusted",
  "host-refused": "This host may not be delivered to",
  permission: "We may not write there",
  "not-found": "The directory or bucket is not there",
  exists: "Too many older files wait there",
  protocol: "The server lacks something that a delivery needs",
};
export const OPS: Record<string, string> = {
  eq: "is",
  ne: "is not",
  lt: "is less than",
  le: "is at most",
  gt: "is more than",
  ge: "is at least",
  in: "is one of (commas between)",
  between: "is between (comma between)",
  begins: "begins with",
  contains: "contains",
  empty: "is empty",
  notEmpty: "is not empty",
};
/** The API has one condition for both, with a value. */
export const NOT_EMPTY = "notEmpty";

export const isPeriodic = (type: ExportType) => type !== "ONE_SHOT";
export const isIncremental = (type: ExportType) => type === "INCREMENTAL" || type === "INCREMENTAL_CUSTOM";

export function scheduleWords(schedule: Schedule | null | undefined, type: ExportType): string {
  if (!schedule) return isPeriodic(type) ? "None" : "As soon as it is activated";
  const zone = schedule.timezone ? ` (${schedule.timezone})` : "";
  if (schedule.at) return `Once at ${schedule.at}${zone}`;
  const days =
    !schedule.days?.length || schedule.days.length === 7
      ? "Every day"
      : `Every ${schedule.days.map((day) => DAY_WORDS[day] ?? day).join(", ")}`;
  return `${days} at ${schedule.time}${zone}`;
}

export function destinationWords(destination: Destination | undefined): string {
  if (!destination || destination.kind === "download") return "Download";
  if (destination.kind === "s3") {
    return `${destination.bucket ? `Bucket ${destination.bucket}` : "Transfer box"}${destination.prefix ? `, ${destination.prefix}` : ""}`;
  }
  return `${destination.kind.toUpperCase()} ${destination.host}:${destination.port ?? "default port"}${destination.directory ?? ""}`;
}

export function conditionWords({ field, op, value }: Condition): string {
  const words = (OPS[op] ?? op).replace(/ \(.*\)$/, "");
  return op === "empty"
    ? `${field} ${value === false ? OPS[NOT_EMPTY] : words}`
    : `${field} ${words} ${JSON.stringify(value)}`;
}

/** A condition's value from what was typed. */
export function conditionValue(op: string, text: string, field: Field | undefined): unknown {
  if (op === "empty") return true;
  if (op === NOT_EMPTY) return false;
  const one = (part: string): unknown => {
    if (field?.type === "boolean") return part.trim().toLowerCase() === "true";
    const isNumber = field?.type === "integer" || field?.type === "number";
    return isNumber && part.trim() !== "" && Number.isFinite(Number(part)) ? Number(part) : part;
  };
  return op === "in" || op === "between" ? text.split(",").map((part) => one(part.trim())) : one(text);
}

/** The file name as it would be at a moment of the given zone. */
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

const EXTENSIONS = { none: "", gzip: ".gz", zip: ".zip" };

export function defaultFileName({ entity, format = "csv", compression = "none" }: Definition): string {
  return `${entity}_$yyyyMMdd.${format}${EXTENSIONS[compression]}`;
}

const MEMBERS = [
  "name", "entity", "type", "fields", "filter", "format", "dialect", "compression", "fileName", "schedule", "destination",
  "recipients", "escapeFormulas", "includeDeleted",
] as const; // prettier-ignore

/** What `PUT` takes, of what `GET` gave. */
export function definitionOf(given: Definition): Definition {
  return Object.fromEntries(MEMBERS.map((member) => [member, given[member]])) as unknown as Definition;
}
