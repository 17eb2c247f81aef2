/** The list of imports, newest first, which refreshes by itself. */
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { Suspense } from "react";
import { formatDuration } from "../common/format";
import { loadLater } from "../common/loadLater";
import { useColumns } from "../common/useColumns";
import { useAddress } from "../common/useAddress";
import { usePage } from "../common/usePage";
import { ErrorLog } from "../jobs/ErrorLog";
import { JobPages, pageOf, Refreshed } from "../jobs/JobPages";
import { useJobs } from "../jobs/useJobs";
import { useMe } from "../session/useMe";
import { FEWER_COLUMNS, importColumns } from "./importColumns";

const ImportDialog = loadLater(() => import("./ImportDialog"));

export default function ImportedFiles() {
  const me = useMe();
  const [query, set] = useAddress();
  const mine = query.get("show") === "mine";
  const filter = {
    process: "import",
    startedBy: mine ? me.name : undefined,
    entity: query.get("entity") ?? undefined,
  };
  const columns = useColumns(
    importColumns((jobId) => set({ errors: jobId })),
    FEWER_COLUMNS,
  );
  const list = useJobs(filter);
  const [page, setPage] = usePage(filter);

  return (
    <>
      <Table
        variant="full-page"
        stickyHeader
        resizableColumns={false}
        wrapLines
        trackBy="jobId"
        loading={list.loading && list.jobs.length === 0}
        loadingText="Reading the imports"
        items={pageOf(list.jobs, page)}
        columnDefinitions={columns}
        ariaLabels={{ tableLabel: "Imported files" }}
        header={
          <Header
            variant="awsui-h1-sticky"
            description={
              <Refreshed list={list}>
                {me.retention &&
                  `Entries disappear ${formatDuration(me.retention.importSeconds)} after they were submitted.`}
              </Refreshed>
            }
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="refresh" ariaLabel="Refresh" onClick={() => void list.refresh()} />
                <Button variant="primary" iconName="upload" onClick={() => set({ import: "1" })}>
                  Import from file
                </Button>
              </SpaceBetween>
            }
          >
            Imported files
          </Header>
        }
        filter={
          <SpaceBetween direction="horizontal" size="xs" alignItems="center">
            <SegmentedControl
              label="Whose imports"
              selectedId={mine ? "mine" : "all"}
              onChange={({ detail }) => set({ show: detail.selectedId === "mine" ? "mine" : null })}
              options={[
                { id: "all", text: "All that I may see" },
                { id: "mine", text: "Mine" },
              ]}
            />
            {query.get("entity") && (
              <Button iconName="close" iconAlign="right" onClick={() => set({ entity: null })}>
                Entity: {query.get("entity")}
              </Button>
            )}
          </SpaceBetween>
        }
        pagination={<JobPages list={list} page={page} onPage={setPage} />}
        empty={
          <Box textAlign="center" padding="l">
            <SpaceBetween size="s">
              <Box variant="strong">Nothing was imported</Box>
              <Box>
                {mine ? "You have" : "Nobody has"} started an import that you may see and that has not expired. Import a
                file here, or put one into the drop bucket.
              </Box>
              <Button onClick={() => set({ import: "1" })}>Import from file</Button>
            </SpaceBetween>
          </Box>
        }
      />
      {query.get("import") && (
        <Suspense>
          <ImportDialog
            entityName={query.get("entity")}
            onClose={(started) => {
              set({ import: null });
              if (started) void list.refresh();
            }}
          />
        </Suspense>
      )}
      {query.get("errors") && <ErrorLog jobId={query.get("errors")!} onClose={() => set({ errors: null })} />}
    </>
  );
}
