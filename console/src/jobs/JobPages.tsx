/** Pagination of a list whose length is unknown until its last page is read. */
import type { ReactNode } from "react";
import { Pages } from "../common/Pages";
import { StatusText } from "../common/StatusText";
import { PAGE_SIZE } from "./jobList";
import type { Jobs } from "./useJobs";

export function pageOf<Item>(items: Item[], page: number): Item[] {
  return items.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE);
}

interface Props {
  list: Jobs;
  page: number;
  onPage: (page: number) => void;
}

export function JobPages({ list, page, onPage }: Props) {
  const full = Math.max(1, Math.ceil(list.jobs.length / PAGE_SIZE));
  const go = async (wanted: number) => {
    if (wanted > full || (wanted === full && list.hasMore)) await list.loadMore();
    onPage(wanted);
  };
  return <Pages page={page} count={full} hasMore={list.hasMore} onPage={(wanted) => void go(wanted)} />;
}

/** Shows that the last refresh failed: one line instead of a notice for each failure. */
export function Refreshed({ list, children }: { list: Jobs; children: ReactNode }) {
  return list.stale ? (
    <StatusText type="warning">Not up to date: {list.stale.title}. It refreshes by itself.</StatusText>
  ) : (
    children
  );
}
