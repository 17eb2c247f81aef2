/** The errors of a job by kind and field. */
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";
import type { ErrorPage } from "../api/types";
import { formatCount, formatJson } from "../common/format";
import { Name } from "../common/Name";

type Group = ErrorPage["summary"][number];

interface Props {
  summary: Group[];
  /** Shows the rows of a kind; the table then has no header of its own. */
  onChoose?: (group: Group) => void;
}

export function ErrorSummary({ summary, onChoose }: Props) {
  const total = summary.reduce((sum, group) => sum + group.count, 0);
  return (
    <Table
      variant="embedded"
      ariaLabels={{ tableLabel: "All errors by kind" }}
      header={
        !onChoose && (
          <Header variant="h3" counter={`(${formatCount(total)})`}>
            All errors by kind
          </Header>
        )
      }
      items={summary}
      columnDefinitions={[
        {
          id: "type",
          header: "Type",
          isRowHeader: true,
          cell: (group) =>
            onChoose ? (
              <Button
                variant="inline-link"
                ariaLabel={`Rows with ${group.type}${group.fieldName ? ` in ${group.fieldName}` : ""}`}
                onClick={() => onChoose(group)}
              >
                {group.type}
              </Button>
            ) : (
              group.type
            ),
        },
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
