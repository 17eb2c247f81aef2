/** Labels of an export's values. */
import type { DataType, ExportStatus, ExportType } from "../api/types";

export const TYPE_LABELS: Record<ExportType, string> = {
  ONE_SHOT: "One shot",
  PERIODIC_FULL: "Periodic full",
  INCREMENTAL: "Incremental",
  CUSTOM: "Custom",
  INCREMENTAL_CUSTOM: "Incremental custom",
};
export const TYPE_DESCRIPTIONS: Record<ExportType, string> = {
  ONE_SHOT: "One extract, now or at a given time",
  PERIODIC_FULL: "All records each time, sent to a third party",
  INCREMENTAL: "What is new since the previous run, sent to a third party",
  CUSTOM: "A flow of the back office, which others see the status of",
  INCREMENTAL_CUSTOM: "A flow of the back office, which others can copy and take over",
};
export const DATA_TYPE_LABELS: Record<DataType, string> = {
  profile: "Profile",
  "linked-data": "Linked data",
  repository: "Repository",
  interaction: "Interaction",
  "form-participation": "Form participation",
  subscription: "Subscriptions",
};
export const FORMATS = [
  ["csv", "CSV"],
  ["xlsx", "Excel (XLSX)"],
  ["jsonl", "JSON Lines"],
  ["parquet", "Parquet"],
] as const;
export const STATUS_TABS: { id: ExportStatus; label: string }[] = [
  { id: "DRAFT", label: "In definition" },
  { id: "SCHEDULED", label: "Scheduled" },
  { id: "IN_PROGRESS", label: "In progress" },
  { id: "FINISHED", label: "Finished" },
];

export const isPeriodic = (type: ExportType) => type !== "ONE_SHOT";
export const isIncremental = (type: ExportType) => type === "INCREMENTAL" || type === "INCREMENTAL_CUSTOM";
