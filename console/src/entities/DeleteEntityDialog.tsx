/** Deletes an entity: says what hangs on it and what is in the way, and asks for its name. */
import Alert from "@cloudscape-design/components/alert";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { at, call, pages } from "../api/client";
import { READ_ONCE } from "../api/queryClient";
import type { Entity, Export, Job, Page, RecordCount, Source } from "../api/types";
import { ConfirmDialog } from "../common/ConfirmDialog";
import { counted, formatCount } from "../common/format";
import { ScreenLink } from "../common/links";
import { Name } from "../common/Name";
import { say } from "../common/notices";
import { ProblemAlert } from "../common/ProblemAlert";
import { StatusText } from "../common/StatusText";
import { isRunning } from "../jobs/jobList";
import { countInWords } from "./recordWords";

const COUNTED = 100;
const MOST_SOURCES = 1_000;
const NAMED = 5;

export function DeleteEntityDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const navigate = useNavigate();
  const [typed, setTyped] = useState("");
  const read = useQuery({
    ...READ_ONCE,
    queryKey: ["entities", name, "dependents"],
    queryFn: ({ signal }) => dependentsOf(name, signal),
  });
  const remove = async () => {
    await call("DELETE", at`entities/${name}`);
    say("The entity was deleted", <Name>{name}</Name>);
    await navigate("/entities");
  };
  const found = read.data;
  return (
    <ConfirmDialog
      header="Delete this entity?"
      confirmText="Delete"
      isDisabled={typed !== name || read.isPending || (found !== undefined && found.inTheWay.length > 0)}
      onConfirm={remove}
      onClose={onClose}
    >
      {read.isPending && <StatusText type="loading">Looking for what hangs on it</StatusText>}
      {read.error && <ProblemAlert error={read.error} />}
      {found && found.inTheWay.length > 0 && (
        <Alert type="error" header="This is in the way">
          <ul>
            {found.inTheWay.slice(0, NAMED).map(({ what, name, path }) => (
              <li key={path}>
                {what}{" "}
                <ScreenLink to={path}>
                  <Name>{name}</Name>
                </ScreenLink>
              </li>
            ))}
          </ul>
          {found.inTheWay.length > NAMED && <>and {formatCount(found.inTheWay.length - NAMED)} more</>}
        </Alert>
      )}
      {found && (
        <Alert type="warning" header="This cannot be undone">
          <ul>
            <li>
              {recordsInWords(found.records)}: {found.isForeign ? "left in their table" : "deleted"}
            </li>
            {hangsOn(found).map(([what, fate]) => (
              <li key={what}>
                {what}: {fate}
              </li>
            ))}
          </ul>
        </Alert>
      )}
      <FormField label={`Type ${name} to confirm`}>
        <Input
          value={typed}
          autoComplete={false}
          spellcheck={false}
          onChange={({ detail }) => setTyped(detail.value)}
        />
      </FormField>
    </ConfirmDialog>
  );
}

interface Count {
  count: number;
  isAll: boolean;
}

interface Dependents {
  /** Null: nobody can tell. */
  records: RecordCount | null;
  /** Whether the records are in a table that is not Waybill's. */
  isForeign: boolean;
  jobs: Count;
  exports: Count;
  sources: Count;
  /** Each with the screen where something can be done about it. */
  inTheWay: { what: string; name: string; path: string }[];
}

async function dependentsOf(entity: string, signal: AbortSignal): Promise<Dependents> {
  const [records, jobs, exports, sources, entities] = await Promise.all([
    call<RecordCount>("GET", at`entities/${entity}/records/count`, { signal }).catch(() => null),
    pages<Job>("jobs", { entity }, { wanted: COUNTED, signal }),
    pages<Export>("exports", { entity }, { wanted: COUNTED, signal }),
    pages<Source>("sources", {}, { wanted: MOST_SOURCES, signal }),
    pages<Entity>("entities", {}, { wanted: 10_000, signal }),
  ]);
  const names = ({ schema }: Entity) =>
    (schema.foreignKeys ?? []).some(({ reference }) => reference.resource === entity);
  const ownSources = sources.items.filter((source) => source.entity === entity);
  return {
    records,
    isForeign: Boolean(entities.items.find(({ name }) => name === entity)?.target),
    jobs: count(jobs),
    exports: count(exports),
    sources: { count: ownSources.length, isAll: sources.nextToken === null },
    inTheWay: [
      ...jobs.items.filter(isRunning).map(({ jobId, process, status, fileName }) => ({
        what: `The ${process} that ${status === "WAITING" ? "waits" : "runs"}:`,
        name: fileName,
        path: `/status?q=${jobId}`,
      })),
      ...exports.items
        .filter(({ status, isRunning }) => status === "SCHEDULED" || status === "IN_PROGRESS" || isRunning)
        .map(({ exportId, name, status }) => ({
          what: status === "SCHEDULED" ? "The scheduled export" : "The running export",
          name,
          path: `/exports?tab=${status}&export=${exportId}`,
        })),
      ...ownSources
        .filter(({ status, isRunning }) => status === "SCHEDULED" || isRunning)
        .map(({ sourceId, name, isRunning }) => ({
          what: isRunning ? "The running source" : "The scheduled source",
          name,
          path: `/sources/${sourceId}`,
        })),
      ...entities.items
        .filter((other) => other.name !== entity && names(other))
        .map(({ name }) => ({
          what: "A foreign key of the entity",
          name,
          path: `/entities/${encodeURIComponent(name)}/schema`,
        })),
    ],
  };
}

function count({ items, nextToken }: Page<unknown>): Count {
  return { count: items.length, isAll: nextToken === null };
}

function recordsInWords(records: RecordCount | null): string {
  if (records === null) return "Its records";
  return `${countInWords(records)} ${records.count === 1 ? "record" : "records"}`;
}

/** What there is, and what becomes of it. */
function hangsOn({ jobs, exports, sources }: Dependents): [string, string][] {
  const lines: [Count, string, string, string][] = [
    [jobs, "import or export", "imports and exports", "hidden at once, files and all"],
    [exports, "export definition", "export definitions", "deleted"],
    [sources, "source", "sources", "deleted"],
  ];
  return lines
    .filter(([{ count, isAll }]) => count > 0 || !isAll)
    .map(([{ count, isAll }, one, many, fate]) => [`${counted(count, one, many)}${isAll ? "" : " or more"}`, fate]);
}
