/** The records of an entity, and its imports that run or failed. */
import Box from "@cloudscape-design/components/box";
import BreadcrumbGroup from "@cloudscape-design/components/breadcrumb-group";
import Button from "@cloudscape-design/components/button";
import ButtonDropdown from "@cloudscape-design/components/button-dropdown";
import Flashbar from "@cloudscape-design/components/flashbar";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import CollectionPreferences from "@cloudscape-design/components/collection-preferences";
import Link from "@cloudscape-design/components/link";
import { useState } from "react";
import { useHref, useNavigate, useParams } from "react-router";
import { useEntity } from "../api/useEntities";
import { formatCount } from "../common/format";
import { Name } from "../common/Name";
import { ScreenLink } from "../common/links";
import { Pages } from "../common/Pages";
import { ProblemAlert } from "../common/ProblemAlert";
import { useAddress } from "../common/useAddress";
import { usePage } from "../common/usePage";
import { ExportNowDialog } from "../exports/now/ExportNowDialog";
import { primaryKey } from "../imports/columnMapping";
import { isRunning } from "../jobs/jobList";
import { useJobs } from "../jobs/useJobs";
import { isAdmin, may, useMe } from "../session/useMe";
import { DeleteEntityDialog } from "./DeleteEntityDialog";
import { columnsOf, PAGE_SIZES, usePreferences } from "./preferences";
import { RecordDialog } from "./RecordDialog";
import { RecordSearch } from "./RecordSearch";
import { conditionsOf, countInWords, valueInWords } from "./recordWords";
import { TemplateButton } from "./TemplateButton";
import { useCount, useRecords, type Row } from "./useRecords";

const DELETE = "delete";
const EXPORT = "export";
const MOST_STICKY = 2;
const NARROW_PX = 700; // below, sticky columns would leave no place for others

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
  const [query, set] = useAddress();
  const [preferences, setPreferences] = usePreferences(name);
  const { pageSize } = preferences;
  const [opened, setOpened] = useState<Row | null>(null);
  const search = { key: query.get("key"), conditions: conditionsOf(query.get("filter")) };
  const [page, setPage] = usePage({ ...search, pageSize });
  // One more than the page shows tells whether there is another page. Both are read again when an import has ended.
  const records = useRecords(name, search, page * pageSize + 1, finished);
  const count = useCount(name, finished);
  const rows = records.rows.slice((page - 1) * pageSize, page * pageSize);
  const error = records.error ?? entityError;
  const isSearched = search.key !== null || search.conditions.length > 0;
  const found = `${formatCount(records.rows.length)}${records.hasMore ? "+" : ""}`;
  const total = count && countInWords(count);

  const importsPath = `/imports?entity=${encodeURIComponent(name)}`;
  const newest = imports.jobs[0];
  const running = imports.jobs.find(({ status }) => status === "IN_PROGRESS") ?? imports.jobs.find(isRunning);
  const fields = entity?.schema.fields.map((field) => field.name) ?? [];
  const keys = entity ? primaryKey(entity.schema) : [];
  const columns = columnsOf(fields, keys, preferences);
  const visible = columns.filter((column) => column.visible);
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
                      {running.status === "WAITING" ? "A file waits to be imported" : "A file is being imported"}:{" "}
                      <Name>{running.fileName}</Name>. {running.message}.{" "}
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
        wrapLines={preferences.wrapLines}
        stickyColumns={{ first: innerWidth < NARROW_PX ? 0 : Math.min(MOST_STICKY, keys.length) }}
        loading={!error && (!entity || (records.isReading && rows.length === 0))}
        loadingText="Reading the records"
        items={rows}
        ariaLabels={{ tableLabel: `Records of ${name}` }}
        header={
          <Header
            variant="h1"
            counter={isSearched ? `(${found}${total ? ` of ${total}` : ""})` : `(${total ?? found})`}
            description={
              <>
                {entity?.title && entity.title !== name && (
                  <div>
                    <Name>{entity.title}</Name>
                  </div>
                )}
                {visible.length < fields.length && (
                  <div>
                    {formatCount(visible.length)} of {formatCount(fields.length)} fields are shown; the preferences
                    choose them, and the key of a record opens all.
                  </div>
                )}
              </>
            }
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="refresh" ariaLabel="Refresh" onClick={records.refresh} />
                {entity && may(me, "import", entity) && <TemplateButton entity={name} />}
                {entity && may(me, "import", entity) && (
                  <Button onClick={() => void navigate(`${importsPath}&import=1`)}>Import from file</Button>
                )}
                {entity && may(me, "export", entity) && <Button onClick={() => set({ dialog: EXPORT })}>Export</Button>}
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
        columnDefinitions={visible.map(({ id }, index) => ({
          id,
          header: <Name>{id}</Name>,
          isRowHeader: index === 0,
          width: 170,
          minWidth: 90,
          cell: (row: Row) => {
            const value = <Name>{valueInWords(row[id])}</Name>;
            return index > 0 ? value : <Link onFollow={() => setOpened(row)}>{value}</Link>;
          },
        }))}
        filter={
          entity && (
            <RecordSearch
              entity={entity}
              search={search}
              change={({ key = search.key, conditions = search.conditions }) =>
                set({ key, filter: conditions.length ? JSON.stringify(conditions) : null })
              }
            />
          )
        }
        pagination={
          <Pages
            page={page}
            count={Math.max(page, Math.ceil(records.rows.length / pageSize))}
            hasMore={records.hasMore}
            onPage={setPage}
          />
        }
        preferences={
          <CollectionPreferences
            title="Preferences"
            confirmLabel="Confirm"
            cancelLabel="Cancel"
            preferences={{
              pageSize,
              wrapLines: preferences.wrapLines,
              contentDisplay: columns,
            }}
            pageSizePreference={{
              title: "Records on a page",
              options: PAGE_SIZES.map((size) => ({ value: size, label: `${size} records` })),
            }}
            wrapLinesPreference={{ label: "Wrap lines", description: "Shows the whole of long values" }}
            contentDisplayPreference={{
              title: "Columns",
              description: "Which fields are columns, and in which order. The key is always shown.",
              enableColumnFiltering: true,
              options: columns.map(({ id }) => ({ id, label: id, alwaysVisible: keys.includes(id) })),
            }}
            onConfirm={({ detail }) =>
              setPreferences({
                pageSize: detail.pageSize ?? pageSize,
                wrapLines: detail.wrapLines ?? false,
                columns: detail.contentDisplay?.map(({ id, visible }) => ({ id, visible })) ?? null,
              })
            }
          />
        }
        empty={
          <Box textAlign="center" padding="l">
            <SpaceBetween size="s">
              {error
                ? "The records could not be read."
                : records.hasPaused
                  ? "None of the records that were read so far matches."
                  : isSearched
                    ? "No record matches."
                    : "There are no records."}
              {isSearched && !records.hasPaused && (
                <Button onClick={() => set({ key: null, filter: null })}>Show all records</Button>
              )}
            </SpaceBetween>
          </Box>
        }
        footer={
          records.hasPaused && (
            <Box textAlign="center">
              <Button onClick={records.readOn}>Search further</Button>
            </Box>
          )
        }
      />
      {opened && entity && <RecordDialog entity={entity} row={opened} onClose={() => setOpened(null)} />}
      {entity && query.get("dialog") === EXPORT && may(me, "export", entity) && (
        <ExportNowDialog
          entity={entity}
          conditions={search.conditions}
          onClose={() => set({ dialog: null }, { replace: true })}
        />
      )}
      {deleting && <DeleteEntityDialog name={name} onClose={() => setDeleting(false)} />}
    </SpaceBetween>
  );
}
