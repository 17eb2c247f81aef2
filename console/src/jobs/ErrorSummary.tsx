/** The errors of a job by kind and field. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";
import type { ErrorPage } from "../api/types";
import { ErrorCode } from "../common/ErrorCode";
import { spokenError } from "../common/errorCodes";
import { formatCount, formatJson } from "../common/format";
import { Name } from "../common/Name";
import { useColumns } from "../common/useColumns";

type Group = ErrorPage["summary"][number];

interface Props {
  summary: Group[];
  /** Shows the rows of a kind; the table then has no header of its own. */
  onChoose?: (group: Group) => void;
}

const FEWER = {
  phone: ["whole", "count"],
  narrow: ["type", "field", "count", "sample"],
  wide: ["type", "field", "count", "sample"],
};

export function ErrorSummary({ summary, onChoose }: Props) {
  const total = summary.reduce((sum, group) => sum + group.count, 0);
  const kind = (group: Group) => {
    const { type, fieldName } = group;
    const words = <ErrorCode code={type} />;
    if (!onChoose) return words;
    const where = fieldName ? ` in ${fieldName}` : "";
    return (
      <Button
        variant="inline-link"
        ariaLabel={`Rows with: ${spokenError(type)}${where}`}
        onClick={() => onChoose(group)}
      >
        {words}
      </Button>
    );
  };
  const columns = useColumns(
    [
      {
        id: "whole",
        header: "Kind",
        isRowHeader: true,
        cell: (group: Group) => (
          <>
            {kind(group)}
            {group.fieldName && (
              <div>
                <Name>{group.fieldName}</Name>
              </div>
            )}
            <Box variant="small" display="block">
              <Example sample={group.sample} />
            </Box>
          </>
        ),
      },
      { id: "type", header: "Kind", isRowHeader: true, minWidth: 150, cell: (group: Group) => kind(group) },
      {
        id: "field",
        header: "Field",
        minWidth: 90,
        cell: (group: Group) => (group.fieldName ? <Name>{group.fieldName}</Name> : "–"),
      },
      { id: "count", header: "Errors", minWidth: 80, cell: (group: Group) => formatCount(group.count) },
      { id: "sample", header: "For example", minWidth: 140, cell: (group: Group) => <Example sample={group.sample} /> },
    ],
    FEWER,
  );
  return (
    <Table
      variant="embedded"
      wrapLines
      ariaLabels={{ tableLabel: "All errors by kind" }}
      header={
        !onChoose && (
          <Header variant="h3" counter={`(${formatCount(total)})`}>
            All errors by kind
          </Header>
        )
      }
      items={summary}
      columnDefinitions={columns}
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
