/** A file of which an entity is made: how it is read, and the fields that are proposed for it. */
import FileUpload from "@cloudscape-design/components/file-upload";
import FormField from "@cloudscape-design/components/form-field";
import SpaceBetween from "@cloudscape-design/components/space-between";
import type { EntityDocument } from "../api/types";
import { StatusText } from "../common/StatusText";
import { formatBytes } from "../common/format";
import { ProblemAlert } from "../common/ProblemAlert";
import { Detected, type Reading } from "../imports/Detected";
import type { FileUpload as Upload } from "../imports/usePreview";
import { Permissions } from "./Permissions";
import { ProposalTable } from "./ProposalTable";
import type { useProposal } from "./useProposal";

interface Props {
  file: File | null;
  upload: Upload;
  proposal: ReturnType<typeof useProposal>;
  reading: Reading;
  /** What is edited; null while its JSON cannot be read. */
  definition: EntityDocument | null;
  disabled: boolean;
  onFile: (file: File | null) => void;
  onReading: (reading: Reading) => void;
  onChange: (definition: EntityDocument) => void;
}

export function FromFile({
  file,
  upload,
  proposal,
  reading,
  definition,
  disabled,
  onFile,
  onReading,
  onChange,
}: Props) {
  const { inferred, preview } = proposal;
  const error = upload.error ?? proposal.inferError;
  return (
    <SpaceBetween size="m">
      <FormField
        label="From a file"
        description="Drop one of the files that will be imported here, or choose it: its fields are proposed. Nothing is created before you say so."
      >
        <FileUpload
          value={file ? [file] : []}
          showFileSize
          onChange={({ detail }) => !disabled && onFile(detail.value[0] ?? null)}
          i18nStrings={{
            uploadButtonText: () => (file ? "Choose another file" : "Choose file"),
            dropzoneText: () => "Drop the file here",
            removeFileAriaLabel: () => "Remove the file",
            limitShowFewer: "Show fewer",
            limitShowMore: "Show more",
            errorIconAriaLabel: "Error",
            warningIconAriaLabel: "Warning",
          }}
        />
      </FormField>
      {error && <ProblemAlert error={error} />}
      {upload.sent !== null && (
        <StatusText type="loading">
          {`Sending the file: ${formatBytes(upload.sent)} of ${formatBytes(upload.size)}`}
        </StatusText>
      )}
      {proposal.isInferring && <StatusText type="loading">Reading the file</StatusText>}
      {file && (inferred || proposal.inferError) && (
        <Detected
          preview={{
            detected: inferred?.detected ?? preview?.detected ?? null,
            warnings: preview?.warnings ?? [],
            sheets: preview?.sheets ?? null,
            entries: preview?.entries ?? null,
          }}
          reading={reading}
          disabled={disabled}
          onReading={onReading}
        />
      )}
      {inferred && !definition && (
        <StatusText type="warning">The JSON below is not a definition with fields: correct it there.</StatusText>
      )}
      {inferred && definition && (
        <>
          <ProposalTable
            definition={definition}
            disabled={disabled}
            onChange={onChange}
            {...proposal}
            inferred={inferred}
          />
          <Permissions definition={definition} disabled={disabled} onChange={onChange} />
        </>
      )}
    </SpaceBetween>
  );
}
