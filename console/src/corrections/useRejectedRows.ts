/** The rows that a job rejected, read page by page as they are needed. */
import { useInfiniteQuery, type InfiniteData } from "@tanstack/react-query";
import { at, call } from "../api/client";
import type { RejectedRowPage } from "../api/types";
import { withRepeated, type Columns, type Row } from "./rows";

export interface RowFilter {
  type: string | null;
  fieldName: string | null;
}

export interface RejectedRows extends Columns {
  jobId: string;
  rows: Row[];
  isPending: boolean;
  isFetching: boolean;
  hasMore: boolean;
  error: Error | null;
  readMore: () => void;
  /** Reads on until there are this many rows, or no more. */
  readUpTo: (count: number) => Promise<Row[]>;
}

const NONE: never[] = [];

/** Outside of the hook, so that it runs only when something was read. */
function allPages({ pages }: InfiniteData<RejectedRowPage>) {
  return {
    rows: withRepeated(pages.flatMap(({ items }) => items)),
    labels: pages[0]?.labels ?? NONE,
    fields: pages[0]?.fields ?? NONE,
  };
}

export function useRejectedRows(jobId: string, filter: RowFilter): RejectedRows {
  const read = useInfiniteQuery({
    queryKey: ["jobs", "rejected-rows", jobId, filter],
    queryFn: ({ pageParam, signal }) => {
      const query = { ...filter, limit: 100, nextToken: pageParam };
      return call<RejectedRowPage>("GET", at`jobs/${jobId}/rejected-rows`, { query, signal });
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextToken,
    select: allPages,
    staleTime: Infinity,
  });
  const { data, hasNextPage, isFetching, isPending, error, fetchNextPage } = read;
  return {
    jobId,
    rows: data?.rows ?? NONE,
    labels: data?.labels ?? NONE,
    fields: data?.fields ?? NONE,
    isPending,
    isFetching,
    hasMore: hasNextPage,
    error,
    readMore: () => void fetchNextPage({ cancelRefetch: false }),
    readUpTo: async (count) => {
      let known = read;
      while (known.hasNextPage && (known.data?.rows.length ?? 0) < count) {
        known = await fetchNextPage({ throwOnError: true, cancelRefetch: false }); // joins a read under way
      }
      return known.data?.rows ?? NONE;
    },
  };
}
