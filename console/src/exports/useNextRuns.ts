import { useQuery } from "@tanstack/react-query";
import { at, call } from "../api/client";
import type { RunTimes } from "../api/types";

/** The next runs of an export, for as long as `enabled`. */
export function useNextRuns(exportId: string, { enabled = true }: { enabled?: boolean } = {}) {
  return useQuery({
    queryKey: ["exports", "next-runs", exportId],
    queryFn: async ({ signal }) =>
      (await call<RunTimes>("GET", at`exports/${exportId}/preview-schedule`, { signal })).items,
    enabled,
    gcTime: 0, // the schedule may change before they are shown again
  });
}
