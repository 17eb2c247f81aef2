/** The records of an entity, and what is being done to them. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import BreadcrumbGroup from "@cloudscape-design/components/breadcrumb-group";
import Button from "@cloudscape-design/components/button";
import ButtonDropdown from "@cloudscape-design/components/button-dropdown";
import Flashbar from "@cloudscape-design/components/flashbar";
import Header from "@cloudscape-design/components/header";
import Modal from "@cloudscape-design/components/modal";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useEffect, useState } from "react";
import { useHref, useNavigate, useParams } from "react-router";
import { at, call } from "../client";
import type { Entity, Page } from "../contract";
import { count, Name } from "../format";
import { isRunning, useJobs } from "../jobs";
import { ScreenLink } from "../links";
import { isAdmin, may, useMe } from "../me";
import { ProblemText, say } from "../notices";
import { Problem } from "../problem";

const DELETE = "delete";

type Row = Record<string, unknown>;

export default function EntityView() {
  const { name = "" } = useParams();
  return <View key={name} name={name} />;
}

function View({ name }: { name: string }) {
  const me = useMe();
  const navigate = useNavigate();
  const back = useHref("/entities");
  const [entity, setEntity] = useState<Entity | null>(null);
  const [rows, setRows] = useState<Row[]>([]);
  const [nextToken, setNextToken] = useState<string | null>(null);
  const [loading, setLoading] = useState(true);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [deleting, setDeleting] = useState(false);
  const imports = useJobs({ process: "import", entity: name });

  const read = async (from: string | null) => {
    setLoading(true);
    try {
      const page = await call<Page<Row>>("GET", at`entities/${name}/records`, {
        query: { limit: 100, nextToken: from },
      });
      setRows((old) => (from ? [...old, ...page.items] : page.items));
      setNextToken(page.nextToken);
      setProblem(null);
    } catch (error) {
      setProblem(Problem.of(error));
    } finally {
      setLoading(false);
    }
  };
  useEffect(() => {
    call<Entity>("GET", at`entities/${name}`).then(setEntity, (error: unknown) => setProblem(Problem.of(error)));
  }, [name]);
  const finished = imports.jobs.filter((job) => job.status === "COMPLETED" && !job.dryRun).length;
  useEffect(() => void read(null), [name, finished]); // anew when an import has ended

  const importsPath = `/imports?entity=${encodeURIComponent(name)}`;
  const newest = imports.jobs[0];
  const running = imports.jobs.find(({ status }) => status === "IN_PROGRESS") ?? imports.jobs.find(isRunning);
  const fields = entity?.schema.fields.map((field) => field.name) ?? [];
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
      {problem && (
        <Alert type="error" header={problem.title}>
          <ProblemText problem={problem} />
        </Alert>
      )}
      <Table
        variant="container"
        wrapLines
        loading={!problem && (!entity || (loading && rows.length === 0))}
        loadingText="Reading the records"
        items={rows}
        ariaLabels={{ tableLabel: `Records of ${name}` }}
        header={
          <Header
            variant="h1"
            counter={`(${count(rows.length)}${nextToken ? "+" : ""})`}
            description={entity?.title && entity.title !== name ? entity.title : undefined}
            actions={
              <SpaceBetween direction="horizontal" size="xs">
                <Button iconName="refresh" ariaLabel="Refresh" onClick={() => void read(null)} />
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
        columnDefinitions={fields.map((field, index) => ({
          id: field,
          header: <Name>{field}</Name>,
          isRowHeader: index === 0,
          cell: (row: Row) => <Value value={row[field]} />,
        }))}
        empty={
          <Box textAlign="center" padding="l">
            {problem ? "The records could not be read." : "There are no records."}
          </Box>
        }
        footer={
          nextToken && (
            <Box textAlign="center">
              <Button loading={loading} onClick={() => void read(nextToken)}>
                Show more
              </Button>
            </Box>
          )
        }
      />
      {deleting && <DeleteEntity name={name} onClose={() => setDeleting(false)} />}
    </SpaceBetween>
  );
}

function DeleteEntity({ name, onClose }: { name: string; onClose: () => void }) {
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const remove = async () => {
    setBusy(true);
    setProblem(null);
    try {
      await call("DELETE", at`entities/${name}`);
      say("The entity was deleted", <Name>{name}</Name>);
      await navigate("/entities");
    } catch (error) {
      setProblem(Problem.of(error));
      setBusy(false);
    }
  };
  return (
    <Modal
      visible
      onDismiss={onClose}
      header="Delete this entity?"
      footer={
        <Box float="right">
          <SpaceBetween direction="horizontal" size="xs">
            <Button variant="link" onClick={onClose}>
              Cancel
            </Button>
            <Button variant="primary" loading={busy} onClick={() => void remove()}>
              Delete
            </Button>
          </SpaceBetween>
        </Box>
      }
    >
      <SpaceBetween size="m">
        <Alert type="warning">
          The records of <Name>{name}</Name> are deleted, and its imports and exports disappear from the lists. This
          cannot be taken back.
        </Alert>
        {problem && (
          <Alert type="error" header={problem.title}>
            <ProblemText problem={problem} />
          </Alert>
        )}
      </SpaceBetween>
    </Modal>
  );
}

function Value({ value }: { value: unknown }) {
  if (value === null || value === undefined) return "–";
  return <Name>{typeof value === "object" ? JSON.stringify(value) : String(value)}</Name>;
}
