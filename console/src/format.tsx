/** Times, numbers and statuses as people read them. */
import StatusIndicator from "@cloudscape-design/components/status-indicator";
import { useEffect, useState } from "react";
import type { Job, JobStatus } from "./contract";

const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const number = new Intl.NumberFormat("en-US");

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** In the reader's zone; UTC on hover. */
export function Time({ at, none = "–" }: { at: string | null | undefined; none?: string }) {
  if (!at) return none;
  return (
    <time dateTime={at} title={`${at.replace("T", " ").replace(/(\.\d+)?Z$/, "")} UTC`}>
      <span className="unbroken">{date.format(new Date(at))}</span>{" "}
      <span className="unbroken">{time.format(new Date(at))}</span>
    </time>
  );
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : number.format(value);
}

export function bytes(value: number): string {
  const units = ["bytes", "KB", "MB", "GB"];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit ? value.toFixed(1) : value} ${units[unit]}`;
}

/** `2 d 3 h`, `4 min`, `12 s`: the two largest units. */
export function duration(seconds: number): string {
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

/** How long until then; renewed by itself. */
export function TimeLeft({ until, none = "–" }: { until: string | null; none?: string }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 15_000);
    return () => clearInterval(timer);
  }, []);
  if (!until) return none;
  const seconds = (Date.parse(until) - now) / 1000;
  return (
    <time className="unbroken" dateTime={until} title={`${until.replace("T", " ").replace(/(\.\d+)?Z$/, "")} UTC`}>
      {seconds <= 0 ? "expired" : `in ${duration(seconds < 60 ? seconds : Math.floor(seconds / 60) * 60)}`}
    </time>
  );
}

export const STATUS_WORDS: Record<JobStatus, string> = {
  WAITING: "Waiting",
  IN_PROGRESS: "In progress",
  COMPLETED: "Completed",
  FAILED: "Failed",
  CANCELED: "Canceled",
};

export function Status({ job }: { job: Pick<Job, "status" | "outcome"> }) {
  const types = { WAITING: "pending", IN_PROGRESS: "in-progress", FAILED: "error", CANCELED: "stopped" } as const;
  const type = job.status === "COMPLETED" ? (job.outcome === "SUCCESS" ? "success" : "warning") : types[job.status];
  return (
    <StatusIndicator type={type} wrapText={false}>
      {STATUS_WORDS[job.status]}
    </StatusIndicator>
  );
}

/** A name of any length and script, without a say in the layout around it. */
export function Name({ children }: { children: string }) {
  return (
    <bdi className="name" title={children.length > 60 ? children : undefined}>
      {children.length > 120 ? `${children.slice(0, 90)}…${children.slice(-25)}` : children}
    </bdi>
  );
}
