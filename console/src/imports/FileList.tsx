/** Several files that are imported in order, and what became of each. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";
import type { Job } from "../api/types";
import { StatusText } from "../common/StatusText";
import { formatBytes, formatCount } from "../common/format";
import { Name } from "../common/Name";
import { Pages } from "../common/Pages";
import { JobStatus } from "../jobs/JobStatus";
import { useJob } from "../jobs/useJob";
import { pathOf } from "./chosenFiles";
import type { FileState } from "./importFiles";
import { modeLabel } from "./ImportOptions";

const FILES_SHOWN = 10;

interface Props {
  files: File[];
  /** The file whose preview is shown. */
  shown: File | null;
  states: ReadonlyMap<File, FileState>;
  disabled: boolean;
  onShow: (file: File) => void;
}

export function FileList({ files, shown, states, disabled, onShow }: Props) {
  const [page, setPage] = useState(1);
  const pages = Math.ceil(files.length / FILES_SHOWN);
  const first = (Math.min(page, pages) - 1) * FILES_SHOWN;
  return (
    <Table
      variant="embedded"
      wrapLines
      ariaLabels={{ tableLabel: "Files to import" }}
      trackBy={pathOf}
      header={
        <Header
          variant="h3"
          counter={`(${formatCount(files.length)})`}
          description="Imported in this order, with the same options. The header of each is checked; a file that fails does not stop the others."
        >
          Files
        </Header>
      }
      pagination={pages > 1 && <Pages page={Math.min(page, pages)} count={pages} onPage={setPage} />}
      items={files.slice(first, first + FILES_SHOWN)}
      columnDefinitions={[
        { id: "file", header: "File", isRowHeader: true, cell: (file: File) => <Name>{pathOf(file)}</Name> },
        { id: "size", header: "Size", cell: (file: File) => formatBytes(file.size) },
        { id: "state", header: "Result", cell: (file: File) => <State state={states.get(file)} size={file.size} /> },
        {
          id: "show",
          header: "Preview",
          cell: (file: File) =>
            file === shown ? (
              "Shown below"
            ) : (
              <Button
                variant="inline-link"
                ariaLabel={`Show ${pathOf(file)}`}
                disabled={disabled}
                onClick={() => onShow(file)}
              >
                Show
              </Button>
            ),
        },
      ]}
    />
  );
}

function State({ state, size }: { state: FileState | undefined; size: number }) {
  switch (state?.kind) {
    case undefined:
      return "–";
    case "waiting":
      return <StatusText type="pending">Waiting</StatusText>;
    case "sending":
      return <StatusText type="loading">{`Sending: ${formatBytes(state.sent)} of ${formatBytes(size)}`}</StatusText>;
    case "checking":
      return <StatusText type="loading">Checking the header</StatusText>;
    case "held":
      return (
        <StatusText type="pending">{`Many requests at once: the service asks to wait ${state.seconds} s`}</StatusText>
      );
    case "stopped":
      return <StatusText type="stopped">Not imported: stopped</StatusText>;
    case "failed":
      return (
        <StatusText type="error" wrapText>
          {`${state.problem.title}: ${state.problem.detail}`}
        </StatusText>
      );
    case "started":
      return <Started job={state.job} mode={state.mode} />;
  }
}

function Started({ job, mode }: { job: Job; mode: string }) {
  const followed = useJob(job.jobId);
  const latest = followed.data?.value ?? job;
  return (
    <>
      <JobStatus job={latest} />
      <Box variant="small" display="block">
        <Name>{`${job.dryRun ? "Dry run. " : ""}${modeLabel(mode)}. ${latest.message}`}</Name>
      </Box>
    </>
  );
}
