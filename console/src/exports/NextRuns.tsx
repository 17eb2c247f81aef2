/** The next five times of the schedule as it is typed, by the rules of the API: time zones, days, clock changes. */
import Box from "@cloudscape-design/components/box";
import { useEffect, useState } from "react";
import { call } from "../client";
import type { ExportType, Schedule } from "../contract";
import { Time } from "../format";
import { Problem } from "../problem";

const TYPING_MS = 300;

export function NextRuns({ type, schedule }: { type: ExportType; schedule: Schedule | null }) {
  const [runs, setRuns] = useState<string[] | Problem | null>(null);
  const body = JSON.stringify({ type, schedule });
  useEffect(() => {
    const control = new AbortController();
    const { signal } = control;
    const timer = setTimeout(
      () =>
        void call<{ items: string[] }>("POST", "exports/preview-schedule", { body: JSON.parse(body), signal }).then(
          ({ items }) => setRuns(items),
          (error: unknown) => signal.aborted || setRuns(Problem.of(error)),
        ),
      TYPING_MS,
    );
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [body]);
  return (
    <div role="status">
      <Box variant="awsui-key-label">Next runs</Box>
      {runs instanceof Problem
        ? (runs.members.length ? runs.members : [{ pointer: "", detail: runs.detail }]).map(({ pointer, detail }) => (
            <div key={pointer}>
              {pointer.split("/").at(-1)} {detail}
            </div>
          ))
        : runs?.map((moment) => (
            <div key={moment}>
              <Time at={moment} />
            </div>
          ))}
      {Array.isArray(runs) && runs.length === 0 && "None: this time is over."}
    </div>
  );
}
