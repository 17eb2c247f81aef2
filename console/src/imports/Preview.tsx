/** The preview of a file: what was detected, why its import would fail, its columns and first rows. */
import Alert from "@cloudscape-design/components/alert";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { ColumnProposal, Entity, Preview as FilePreview } from "../api/types";
import { formatCount } from "../common/format";
import { Detected, type Reading } from "./Detected";
import { PreviewColumns } from "./PreviewColumns";

const ERRORS_SHOWN = 8;

interface Props {
  preview: FilePreview;
  entity: Entity;
  mapping: (string | null)[];
  proposals: ColumnProposal[];
  reading: Reading;
  disabled: boolean;
  onMap: (index: number, field: string | null) => void;
  onReading: (reading: Reading) => void;
}

export function Preview({ preview, entity, mapping, proposals, reading, disabled, onMap, onReading }: Props) {
  return (
    <SpaceBetween size="m">
      <Detected preview={preview} reading={reading} disabled={disabled} onReading={onReading} />
      {preview.error && <WouldFail preview={preview} />}
      {preview.labels.length > 0 && (
        <PreviewColumns
          preview={preview}
          entity={entity}
          mapping={mapping}
          proposals={proposals}
          disabled={disabled}
          onMap={onMap}
        />
      )}
    </SpaceBetween>
  );
}

function WouldFail({ preview }: { preview: FilePreview }) {
  const { headerErrors } = preview;
  const { code, message, rowNumber } = preview.error!;
  if (code === "too-large") return <Alert type="info">{message}</Alert>;
  return headerErrors.length > 0 ? (
    <Alert type="warning" header="With this header the import would fail">
      <ul>
        {headerErrors.slice(0, ERRORS_SHOWN).map((error, index) => (
          <li key={index}>
            <bdi>{error.message}</bdi> ({error.type})
          </li>
        ))}
      </ul>
      {headerErrors.length > ERRORS_SHOWN && <div>and {formatCount(headerErrors.length - ERRORS_SHOWN)} more</div>}
      <div>
        Choose fields for the columns below, correct the file, or have the entity take other columns (fieldsMatch).
      </div>
    </Alert>
  ) : (
    <Alert type="warning" header={`The import would fail: ${code}`}>
      <bdi>{message}</bdi>
      {rowNumber !== null && ` Row ${formatCount(rowNumber)}.`}
    </Alert>
  );
}
