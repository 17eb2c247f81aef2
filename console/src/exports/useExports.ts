/** The list of exports, read as far as needed and refreshed at a bounded rate. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { call } from "../api/client";
import { Problem } from "../api/problem";
import type { Export, Page } from "../api/types";

/** For each request of a refresh: a long list is refreshed less often. */
const REFRESH_MS = 5_000;

export const PAGE_SIZE = 25;

export type ExportFilter = Record<"status" | "q" | "database" | "dataType" | "type", string | null>;

export interface Exports {
  /** Null until the first page is read. */
  exports: Export[] | null;
  hasMore: boolean;
  /** Why the last refresh failed; the next one is automatic. */
  stale: Problem | null;
  refresh: () => Promise<void>;
}

/** Reads until there are `wanted` exports. The API filters after it reads: that may take many requests. */
export function useExports(filter: ExportFilter, wanted: number): Exports {
  const { data, error, hasNextPage, isFetching, isError, fetchNextPage, refetch } = useInfiniteQuery({
    queryKey: ["exports", "list", filter],
    queryFn: ({ pageParam, signal }) =>
      call<Page<Export>>("GET", "exports", { query: { limit: 100, ...filter, nextToken: pageParam }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextToken,
    refetchInterval: ({ state }) => REFRESH_MS * (state.data?.pages.length ?? 1),
    refetchOnWindowFocus: "always",
    meta: { announce: "first" },
  });
  const exports = data?.pages.flatMap(({ items }) => items) ?? null;
  const lacksMore = exports !== null && exports.length < wanted && hasNextPage && !isError;
  useEffect(() => {
    if (lacksMore && !isFetching) void fetchNextPage();
  }, [lacksMore, isFetching, fetchNextPage]);
  return {
    exports,
    hasMore: hasNextPage,
    stale: error ? Problem.of(error) : null,
    refresh: async () => void (await refetch()),
  };
}
