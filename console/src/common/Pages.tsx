/** The numbers below a table, with the names that screen readers say. */
import Pagination from "@cloudscape-design/components/pagination";

interface Props {
  page: number;
  count: number;
  /** Whether there are pages behind the last that is known. */
  hasMore?: boolean;
  onPage: (page: number) => void;
}

export function Pages({ page, count, hasMore = false, onPage }: Props) {
  return (
    <Pagination
      ariaLabels={{
        nextPageLabel: "Next page",
        previousPageLabel: "Previous page",
        pageLabel: (number) => `Page ${number}`,
      }}
      currentPageIndex={page}
      pagesCount={count}
      openEnd={hasMore}
      onChange={({ detail }) => onPage(detail.currentPageIndex)}
    />
  );
}
