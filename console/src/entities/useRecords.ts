/** Records of an entity: a page of a list that may be filtered, one by its key, and how many there are. */
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { at, call } from "../api/client";
import type { Condition, Page, RecordCount } from "../api/types";

/** Field → value. */
export type Row = Record<string, unknown>;

/** What a list holds. */
export interface Search {
  /** Of one record, as `GET /entities/{name}/records` takes it. */
  key: string | null;
  conditions: Condition[];
}

/** With a filter the API answers pages with few or no records: so many are read before the user is asked. */
const READ_WITHOUT_ASKING = 20;
const AT_ONCE = 100;

export interface Records {
  rows: Row[];
  /** Whether there may be more than were read. */
  hasMore: boolean;
  isReading: boolean;
  /** Reading paused, because what was read so far has too few that match. */
  hasPaused: boolean;
  error: Error | null;
  readOn: () => void;
  refresh: () => void;
}

/**
 * @param wanted - how many records to read at least, if there are so many.
 * @param version - changes when the records have changed.
 */
export function useRecords(name: string, search: Search, wanted: number, version: number): Records {
  const filter = search.conditions.length ? JSON.stringify(search.conditions) : null;
  const records = useInfiniteQuery({
    queryKey: ["entities", name, "records", search.key, filter, version],
    queryFn: ({ pageParam, signal }) =>
      call<Page<Row>>("GET", at`entities/${name}/records`, {
        query: { limit: AT_ONCE, nextToken: pageParam, key: search.key, filter },
        signal,
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextToken,
    placeholderData: keepPreviousData,
  });
  const { hasNextPage, isFetching, isError, fetchNextPage } = records;
  const rows = records.data?.pages.flatMap(({ items }) => items) ?? [];
  const read = records.data?.pages.length ?? 0;
  const [asked, setAsked] = useState(READ_WITHOUT_ASKING);
  const asking = Math.ceil(wanted / AT_ONCE) + asked;
  const isShort = rows.length < wanted && hasNextPage;
  const readsOn = isShort && read < asking && !isError;
  useEffect(() => {
    if (readsOn && !isFetching) void fetchNextPage();
  }, [readsOn, isFetching, fetchNextPage]);
  return {
    rows,
    hasMore: hasNextPage,
    isReading: isFetching || readsOn,
    hasPaused: isShort && !readsOn && !isFetching && !isError,
    error: records.error,
    readOn: () => setAsked(read - Math.ceil(wanted / AT_ONCE) + READ_WITHOUT_ASKING),
    refresh: () => void records.refetch(),
  };
}

export function useCount(name: string, version: number): RecordCount | undefined {
  const { data } = useQuery({
    queryKey: ["entities", name, "count", version],
    queryFn: ({ signal }) => call<RecordCount>("GET", at`entities/${name}/records/count`, { signal }),
    staleTime: 60_000,
    placeholderData: keepPreviousData,
  });
  return data;
}
