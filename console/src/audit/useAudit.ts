/** The audit trail, read as far as needed. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { call } from "../api/client";
import type { AuditEntry, Page } from "../api/types";
import { startOf } from "./days";

export const PAGE_SIZE = 50;

export interface AuditFilter {
  actor: string | null;
  action: string | null;
  entity: string | null;
  /** Days in the reader's zone, `2026-01-31`; both belong to the period. */
  from: string | null;
  to: string | null;
}

/** Reads until there are `wanted` entries. The API filters after it reads: that may take many requests. */
export function useAudit({ from, to, ...filter }: AuditFilter, wanted: number) {
  const query = { ...filter, from: startOf(from), to: startOf(to, 1) };
  const { data, hasNextPage, isFetching, isError, fetchNextPage, refetch } = useInfiniteQuery({
    queryKey: ["audit", query],
    queryFn: ({ pageParam, signal }) =>
      call<Page<AuditEntry>>("GET", "audit", { query: { limit: 100, ...query, nextToken: pageParam }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextToken,
    meta: { announce: "always" },
  });
  const entries = data?.pages.flatMap(({ items }) => items) ?? null;
  const lacksMore = entries !== null && entries.length < wanted && hasNextPage && !isError;
  useEffect(() => {
    if (lacksMore && !isFetching) void fetchNextPage();
  }, [lacksMore, isFetching, fetchNextPage]);
  return { entries, hasMore: hasNextPage, isError, isFetching, refresh: () => void refetch() };
}
