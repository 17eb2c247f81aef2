/** The errors of a job by kind and field. */
import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";
import type { ErrorPage } from "../api/types";
import { formatCount, formatJson } from "../common/format";
import { Name } from "../common/Name";

export function ErrorSummary({ summary }: { summary: ErrorPage["summary"] }) {
  const total = summary.reduce((sum, group) => sum + group.count, 0);
  return (
    <Table
      variant="embedded"
      ariaLabels={{ tableLabel: "All errors by kind" }}
      header={
        <Header variant="h3" counter={`(${formatCount(total)})`}>
          All errors by kind
        </Header>
      }
      items={summary}
      columnDefinitions={[
        { id: "type", header: "Type", cell: (group) => group.type, isRowHeader: true },
        { id: "field", header: "Field", cell: (group) => (group.fieldName ? <Name>{group.fieldName}</Name> : "–") },
        { id: "count", header: "Errors", cell: (group) => formatCount(group.count) },
        { id: "sample", header: "For example", cell: (group) => <Example sample={group.sample} /> },
      ]}
    />
  );
}

function Example({ sample }: { sample: unknown }) {
  if (typeof sample !== "object" || sample === null)
    return sample === null || sample === undefined ? "–" : <Name>{formatJson(sample)}</Name>;
  const { rowNumber, message } = sample as { rowNumber?: number | null; message?: string };
  return (
    <>
      {rowNumber ? `row ${formatCount(rowNumber)}: ` : ""}
      <Name>{message ?? ""}</Name>
    </>
  );
}
