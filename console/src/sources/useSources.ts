/** Sources, and the files that they have seen. */
import { useQuery } from "@tanstack/react-query";
import { at, call, pages } from "../api/client";
import { READ_ONCE } from "../api/queryClient";
import type { Source, SourceFile } from "../api/types";

const REFRESH_MS = 10_000;
const MOST = 1_000;

/** All sources that the user may see. */
export function useSources() {
  return useQuery({
    queryKey: ["sources", "list"],
    queryFn: async ({ signal }) => (await pages<Source>("sources", {}, { wanted: MOST, signal })).items,
    refetchInterval: REFRESH_MS,
  });
}

/** One source as it is now. */
export function useSource(sourceId: string) {
  return useQuery({
    queryKey: ["sources", "source", sourceId],
    queryFn: ({ signal }) => call<Source>("GET", at`sources/${sourceId}`, { signal }),
    refetchInterval: REFRESH_MS,
  });
}

/** One source, read once for its form; no request while the id is null. */
export function useSourceToEdit(sourceId: string | null) {
  return useQuery({
    ...READ_ONCE,
    queryKey: ["sources", "edit", sourceId],
    queryFn: ({ signal }) => call<Source>("GET", at`sources/${sourceId!}`, { signal }),
    enabled: sourceId !== null,
  });
}

/** The newest files, as many as a page of the API holds. */
export function useSourceFiles(sourceId: string) {
  return useQuery({
    queryKey: ["sources", "files", sourceId],
    queryFn: ({ signal }) => pages<SourceFile>(at`sources/${sourceId}/files`, {}, { wanted: 100, signal }),
    refetchInterval: REFRESH_MS,
  });
}
