/** The next five runs of the schedule while it is typed. The API computes them: time zones, days, clock changes. */
import Box from "@cloudscape-design/components/box";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { call } from "../../api/client";
import { Problem } from "../../api/problem";
import type { ExportType, RunTimes, Schedule } from "../../api/types";
import { Time } from "../../common/Time";
import { useDebounced } from "../../common/useDebounced";

const TYPING_MS = 300;

export function NextRuns({ type, schedule }: { type: ExportType; schedule: Schedule | null }) {
  const body = useDebounced(JSON.stringify({ type, schedule }), TYPING_MS);
  const { data, error } = useQuery({
    queryKey: ["preview-schedule", body],
    queryFn: ({ signal }) =>
      call<RunTimes>("POST", "exports/preview-schedule", { body: JSON.parse(body) as unknown, signal }),
    placeholderData: keepPreviousData,
  });
  return (
    <div role="status">
      <Box variant="awsui-key-label">Next runs</Box>
      {error ? (
        <Refusal problem={Problem.of(error)} />
      ) : (
        data?.items.map((moment) => (
          <div key={moment}>
            <Time at={moment} />
          </div>
        ))
      )}
      {!error && data?.items.length === 0 && "None: this time is over."}
    </div>
  );
}

function Refusal({ problem }: { problem: Problem }) {
  if (!problem.members.length) return <div>{problem.detail}</div>;
  return problem.members.map(({ pointer, detail }) => (
    <div key={pointer}>
      {pointer.split("/").at(-1)} {detail}
    </div>
  ));
}
