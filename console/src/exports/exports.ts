/** The list of exports: as far as it is looked at, and kept up to date at a bounded rate. */
import { useCallback, useEffect, useRef, useState } from "react";
import { call } from "../client";
import type { Export, Page } from "../contract";
import { showProblem } from "../notices";
import { Problem } from "../problem";

/** For each request that the last refresh took: a long list is read less often, not faster. */
const REFRESH_MS = 5_000;
export const PAGE_SIZE = 25;

type Filter = Record<"status" | "q" | "database" | "dataType" | "type", string | null>;

interface Read {
  items: Export[];
  hasMore: boolean;
}

export interface ExportList {
  /** Null until they are read for this filter. */
  exports: Export[] | null;
  hasMore: boolean;
  /** The last refresh failed; it is tried again by itself. */
  stale: Problem | null;
  refresh: () => Promise<void>;
}

/** `wanted`: how many are needed for what is shown. */
export function useExports(filter: Filter, wanted: number): ExportList {
  const key = JSON.stringify(filter);
  const [read, setRead] = useState<(Read & { key: string }) | null>(null);
  const [stale, setStale] = useState<Problem | null>(null);
  const needed = useRef(wanted);
  needed.current = wanted;
  const again = useRef<() => Promise<void>>(async () => {});
  const known = read?.key === key ? read : null;

  useEffect(() => {
    const control = new AbortController();
    let timer = 0;
    let turns = 0;
    let isFirst = true;
    const refresh = async () => {
      const turn = ++turns;
      const isCurrent = () => turn === turns && !control.signal.aborted;
      clearTimeout(timer);
      let requests = 1;
      try {
        const found = await readExports(JSON.parse(key) as Filter, needed.current, control.signal);
        if (!isCurrent()) return;
        requests = found.requests;
        setRead({ ...found, key });
        setStale(null);
      } catch (error) {
        if (!isCurrent()) return;
        if (isFirst) showProblem(error, () => void refresh());
        setStale(Problem.of(error));
      }
      isFirst = false;
      if (!document.hidden) timer = window.setTimeout(() => void refresh(), REFRESH_MS * requests);
    };
    const seen = () => {
      if (document.hidden) clearTimeout(timer);
      else void refresh();
    };
    again.current = refresh;
    setStale(null);
    void refresh();
    document.addEventListener("visibilitychange", seen);
    return () => {
      control.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [key]);
  const lacks = known !== null && known.hasMore && known.items.length < wanted;
  useEffect(() => {
    if (lacks) void again.current();
  }, [lacks]);

  const refresh = useCallback(() => again.current(), []);
  return { exports: known?.items ?? null, hasMore: known?.hasMore ?? false, stale, refresh };
}

/** Filters apply after the read: what matches may be many requests away. */
async function readExports(filter: Filter, wanted: number, signal: AbortSignal): Promise<Read & { requests: number }> {
  const items: Export[] = [];
  let nextToken: string | null = null;
  let requests = 0;
  do {
    const query: Record<string, string | number | null> = { limit: 100, ...filter, nextToken };
    const page: Page<Export> = await call("GET", "exports", { query, signal });
    items.push(...page.items);
    nextToken = page.nextToken;
    requests += 1;
  } while (nextToken !== null && items.length < wanted);
  return { items, hasMore: nextToken !== null, requests };
}
