/** How many records an export would take, and the first rows of its file. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Table from "@cloudscape-design/components/table";
import type { ExportPreview } from "../../api/types";
import { Name } from "../../common/Name";
import { matchesInWords } from "./words";

interface Props {
  preview: ExportPreview | undefined;
  isReading: boolean;
}

export function Preview({ preview, isReading }: Props) {
  if (!preview) {
    return isReading ? (
      <Box>
        <Spinner /> Counting the records
      </Box>
    ) : null;
  }
  return (
    <SpaceBetween size="s">
      <Box variant="strong">
        <span role="status">{matchesInWords(preview)}</span> {isReading && <Spinner />}
      </Box>
      {preview.warnings.map(({ code, message }) => (
        <Alert key={code + message} type="warning">
          <bdi>{message}</bdi>
        </Alert>
      ))}
      {preview.rows.length > 0 && (
        <Table
          variant="embedded"
          contentDensity="compact"
          ariaLabels={{ tableLabel: "The first rows of the file" }}
          items={preview.rows}
          columnDefinitions={preview.columns.map((label, index) => ({
            id: label,
            header: <Name>{label}</Name>,
            isRowHeader: index === 0,
            maxWidth: 220,
            cell: (row: string[]) => <Name>{row[index] ?? ""}</Name>,
          }))}
        />
      )}
    </SpaceBetween>
  );
}
