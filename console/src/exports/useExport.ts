import { useQuery } from "@tanstack/react-query";
import { at, call } from "../api/client";
import { READ_ONCE } from "../api/queryClient";
import type { Export } from "../api/types";

/** One export, read once when it is needed; no request while the id is null. */
export function useExport(exportId: string | null) {
  return useQuery({
    ...READ_ONCE,
    queryKey: ["exports", "export", exportId],
    queryFn: ({ signal }) => call<Export>("GET", at`exports/${exportId!}`, { signal }),
    enabled: exportId !== null,
  });
}
