/** Moments in the reader's time zone, which they name. */
import { useEffect, useState } from "react";
import { formatDuration } from "./format";

const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const time = new Intl.DateTimeFormat(undefined, { timeStyle: "long" });

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

/** How long it is until then; the text refreshes by itself. */
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
      {seconds <= 0 ? "expired" : `in ${formatDuration(seconds < 60 ? seconds : Math.floor(seconds / 60) * 60)}`}
    </time>
  );
}
