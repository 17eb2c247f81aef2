/** The records of an entity, and its imports that run or failed. */
import Box from "@cloudscape-design/components/box";
import BreadcrumbGroup from "@cloudscape-design/components/breadcrumb-group";
import Button from "@cloudscape-design/components/button";
import ButtonDropdown from "@cloudscape-design/components/button-dropdown";
import Flashbar from "@cloudscape-design/components/flashbar";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useHref, useNavigate, useParams } from "react-router";
import { at, call } from "../api/client";
import type { Page } from "../api/types";
import { useEntity } from "../api/useEntities";
import { formatCount, formatJson } from "../common/format";
import { Name } from "../common/Name";
import { ScreenLink } from "../common/links";
import { ProblemAlert } from "../common/ProblemAlert";
import { primaryKey } from "../imports/columnMapping";
import { isRunning } from "../jobs/jobList";
import { useJobs } from "../jobs/useJobs";
import { isAdmin, may, useMe } from "../session/useMe";
import { TemplateButton } from "./TemplateButton";
import { DeleteEntityDialog } from "./DeleteEntityDialog";

const DELETE = "delete";
const MOST_STICKY = 2;
const NARROW_PX = 700; // below, sticky columns would leave no place for others

type Row = Record<string, unknown>;

export default function EntityView() {
  const { name = "" } = useParams();
  return <View key={name} name={name} />;
}

function View({ name }: { name: string }) {
  const me = useMe();
  const navigate = useNavigate();
  const back = useHref("/entities");
  const [deleting, setDeleting] = useState(false);
  const imports = useJobs({ process: "import", entity: name });
  const { data: entity, error: entityError } = useEntity(name);
  const finished = imports.jobs.filter((job) => job.status === "COMPLETED" && !job.dryRun).length;
  const records = useInfiniteQuery({
    queryKey: ["entities", name, "records", finished], // read again when an import has ended
    queryFn: ({ pageParam, signal }) =>
      call<Page<Row>>("GET", at`entities/${name}/records`, { query: { limit: 100, nextToken: pageParam }, signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextToken,
    placeholderData: keepPreviousData,
  });
  const rows = records.data?.pages.flatMap(({ items }) => items) ?? [];
  const { hasNextPage, isFetching, isError, fetchNextPage } = records;
  // After many deletions the first pages may be empty.
  const readsOn = rows.length === 0 && hasNextPage && !isError;
  useEffect(() => {
    if (readsOn && !isFetching) void fetchNextPage();
  }, [readsOn, isFetching, fetchNextPage]);
  const error = records.error ?? entityError;

  const importsPath = `/imports?entity=${encodeURIComponent(name)}`;
  const newest = imports.jobs[0];
  const running = imports.jobs.find(({ status }) => status === "IN_PROGRESS") ?? imports.jobs.find(isRunning);
  const fields = entity?.schema.fields.map((field) => field.name) ?? [];
  const keys = entity ? primaryKey(entity.schema) : [];
  return (
    <SpaceBetween size="s">
      <BreadcrumbGroup
        items={[
          { text: "Entities", href: back },
          { text: name, href: "#" },
        ]}
        onFollow={(event) => {
          event.preventDefault();
          if (event.detail.href === back) void navigate("/entities");
        }}
      />
      {(running || newest?.status === "FAILED") && (
        <Flashbar
          items={[
            running
              ? {
                  type: "in-progress",
                  loading: true,
                  content: (
                    <>
                      A file is being imported: <Name>{running.fileName}</Name>. {running.message}.{" "}
                      <ScreenLink to={importsPath} color="inverted">
                        Imported files
                      </ScreenLink>
                    </>
                  ),
                }
              : {
                  type: "error",
                  content: (
                    <>
                      The import of <Name>{newest!.fileName}</Name> failed: {newest!.message}.{" "}
                      <ScreenLink to={importsPath} color="inverted">
                        Imported files
                      </ScreenLink>
                    </>
                  ),
                },
          ]}
        />
      )}
      {error && <ProblemAlert error={error} />}
      <Table
        variant="container"
        resizableColumns
        stickyColumns={{ first: innerWidth < NARROW_PX ? 0 : Math.min(MOST_STICKY, keys.length) }}
        loading={!error && (!entity || readsOn || (isFetching && rows.length === 0))}
        loadingText="Reading the records"
        items={rows}
        ariaLabels={{ tableLabel: `Records of ${name}` }}
        header={
          <Header
            variant="h1"
            counter={`(${formatCount(rows.length)}${hasNextPage ? "+" : ""})`}
            description={entity?.title && entity.title !== name ? entity.title : undefined}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="refresh" ariaLabel="Refresh" onClick={() => void records.refetch()} />
                {entity && may(me, "import", entity) && <TemplateButton entity={name} />}
                {entity && may(me, "import", entity) && (
                  <Button onClick={() => void navigate(`${importsPath}&import=1`)}>Import from file</Button>
                )}
                {entity && may(me, "export", entity) && (
                  <Button onClick={() => void navigate(`/exports/new?entity=${encodeURIComponent(name)}`)}>
                    Export
                  </Button>
                )}
                <ButtonDropdown
                  variant="icon"
                  ariaLabel="Settings of the entity"
                  items={[
                    { id: importsPath, text: "Imported files" },
                    {
                      id: `/entities/${encodeURIComponent(name)}/schema`,
                      text: isAdmin(me) ? "Edit schema" : "View schema",
                    },
                    ...(isAdmin(me) ? [{ id: DELETE, text: "Delete entity" }] : []),
                  ]}
                  onItemClick={({ detail }) => (detail.id === DELETE ? setDeleting(true) : void navigate(detail.id))}
                />
              </SpaceBetween>
            }
          >
            <Name>{name}</Name>
          </Header>
        }
        columnDefinitions={[...keys, ...fields.filter((field) => !keys.includes(field))].map((field, index) => ({
          id: field,
          header: <Name>{field}</Name>,
          isRowHeader: index === 0,
          width: 170,
          minWidth: 90,
          cell: (row: Row) => <Value value={row[field]} />,
        }))}
        empty={
          <Box textAlign="center" padding="l">
            {error ? "The records could not be read." : "There are no records."}
          </Box>
        }
        footer={
          hasNextPage && (
            <Box textAlign="center">
              <Button loading={isFetching} onClick={() => void fetchNextPage()}>
                Show more
              </Button>
            </Box>
          )
        }
      />
      {deleting && <DeleteEntityDialog name={name} onClose={() => setDeleting(false)} />}
    </SpaceBetween>
  );
}

function Value({ value }: { value: unknown }) {
  if (value === null || value === undefined) return "–";
  return <Name>{formatJson(value)}</Name>;
}
