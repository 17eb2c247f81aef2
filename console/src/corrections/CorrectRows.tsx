/** Corrects the rows that an import rejected, in the page. */
import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import BreadcrumbGroup from "@cloudscape-design/components/breadcrumb-group";
import Button from "@cloudscape-design/components/button";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Toggle from "@cloudscape-design/components/toggle";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useEffectEvent, useMemo, useState } from "react";
import { useHref, useNavigate, useParams } from "react-router";
import { at, call } from "../api/client";
import { Problem } from "../api/problem";
import type { ErrorPage, Job } from "../api/types";
import { useEntity } from "../api/useEntities";
import { DownloadButton } from "../common/DownloadButton";
import { StatusText } from "../common/StatusText";
import { SelectField } from "../common/fields";
import { errorInWords, errorWithCode } from "../common/errorCodes";
import { rowsInWords } from "../common/format";
import { Leaving } from "../common/Leaving";
import { ScreenLink } from "../common/links";
import { Name } from "../common/Name";
import { say } from "../common/notices";
import { ProblemAlert } from "../common/ProblemAlert";
import { useWidth } from "../common/useColumns";
import { useAddress } from "../common/useAddress";
import { primaryKey } from "../imports/columnMapping";
import { ErrorSummary } from "../jobs/ErrorSummary";
import { useJob } from "../jobs/useJob";
import { Grid, reasonOf } from "./Grid";
import { ReplaceDialog } from "./ReplaceDialog";
import {
  errorsByLabel,
  hasExtraCells,
  hasMissingCells,
  isEditable,
  keyLabels,
  MOST_CORRECTED,
  withCells,
  withEdit,
  withoutRows,
  withPasted,
  type Row,
} from "./rows";
import { SendDialog } from "./SendDialog";
import { useEdits } from "./useEdits";
import { useRejectedRows, type RowFilter } from "./useRejectedRows";
import { useVerdicts } from "./useVerdicts";

const MOST_KEYS = 2; // that stay in sight
const OPEN_SUMMARY = 6;
const MOST_LISTED = 5;

export default function CorrectRows() {
  const { jobId = "" } = useParams();
  const read = useJob(jobId);
  if (read.error) return <ProblemAlert error={read.error} />;
  if (!read.data) return <Spinner size="large" />;
  return <Screen key={jobId} job={read.data.value} />;
}

function Screen({ job }: { job: Job }) {
  const { jobId } = job;
  const isPhone = useWidth() === "phone";
  const navigate = useNavigate();
  const back = useHref("/imports");
  const [query, set] = useAddress();
  const filter: RowFilter = { type: query.get("type"), fieldName: query.get("field") };
  const list = useRejectedRows(jobId, filter);
  const { rows, labels, fields } = list;
  const { edits, isKept, isLost, begin, change, undo, canUndo, keepAsSent } = useEdits(jobId);
  const verdicts = useVerdicts(jobId, labels, edits);
  const { data: entity, isPending: isEntityPending } = useEntity(job.entity);
  const { data: summary, isPending: isSummaryPending } = useErrorSummary(jobId);
  const [place, setPlace] = useState({ filter: "", row: 0, column: 0 });
  const [dialog, setDialog] = useState<"replace" | "send" | null>(null);
  const [readingOn, setReadingOn] = useState(0);
  const [leftOut, setLeftOut] = useState<string | null>(null);
  const repeated = useMemo(
    () => [...new Set(rows.filter((row) => row.isRepeated).map((row) => row.rowNumber))],
    [rows],
  );
  const allColumns = query.get("columns") === "all";

  const [keys, shown] = useMemo(() => {
    const columns = { labels, fields };
    const keys = keyLabels(entity ? primaryKey(entity.schema) : [], columns);
    const named = new Set((summary ?? []).map(({ fieldName }) => fieldName));
    const bad = labels.filter((label, index) => named.has(fields[index] ?? null) || named.has(label));
    const wanted = new Set(allColumns || bad.length === 0 ? labels : bad);
    return [keys, [...keys, ...labels.filter((label) => wanted.has(label) && !keys.includes(label))]];
  }, [labels, fields, entity, summary, allColumns]);
  const filterKey = JSON.stringify(filter);
  const activeRow = Math.max(0, Math.min(place.row, rows.length - 1));
  const firstColumn = isPhone ? 0 : Math.min(keys.length, shown.length - 1); // the first behind the keys
  const active = useMemo(
    () => (place.filter === filterKey ? { ...place, row: activeRow } : { row: 0, column: firstColumn }),
    [place, filterKey, activeRow, firstColumn],
  );
  const goTo = (row: number, column: number) => setPlace({ filter: filterKey, row, column });
  /** Reads rows on for what needs them; a failed read is shown as that of the list, besides what `otherwise` does. */
  const readOn = async (upTo: number, then: (rows: Row[]) => void, otherwise = () => {}) => {
    setReadingOn((count) => count + 1);
    await list.readUpTo(upTo).then(then, otherwise);
    setReadingOn((count) => count - 1);
  };
  const paste = (at: { row: number; column: number }, cells: string[][]) => {
    const fill = (read: Row[]) => {
      const target = { rows: read.slice(at.row), labels: shown.slice(at.column) };
      begin();
      change((known) => withPasted(known, target, cells)[0]);
      setLeftOut(withPasted(edits, target, cells)[1]);
    };
    return readOn(at.row + Math.min(cells.length, MOST_CORRECTED), fill, () =>
      setLeftOut("Nothing was pasted, because the rows could not be read. Paste again."),
    );
  };
  useEffect(() => {
    if (repeated.length) change((known) => withoutRows(known, ({ row }) => repeated.includes(row.rowNumber)));
    // Whenever more of them were read.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [repeated]);
  const current = rows[active.row];
  const judged = current && verdicts.errorsOf(current.rowNumber);
  const wayOut = current && isEditable(current) ? widthInWords(current) : null;

  const total =
    (summary ?? []).length && !filter.type && !filter.fieldName ? job.counts.rejected + job.counts.unprocessed : null;
  const which = inWords(filter, list.hasMore ? null : rows.length);
  const types = [...new Set((summary ?? []).map(({ type }) => type))];
  const names = [...new Set((summary ?? []).map(({ fieldName }) => fieldName).filter((name) => name !== null))];
  const nextBad = () => {
    for (let step = 1; step <= rows.length; step++) {
      const index = (active.row + step) % rows.length;
      const row = rows[index]!;
      const errors = edits.has(row.rowNumber) ? (verdicts.errorsOf(row.rowNumber) ?? []) : row.errors;
      if (!errors.length) continue;
      const bad = errorsByLabel(errors, { labels, fields });
      return goTo(
        index,
        Math.max(
          0,
          shown.findIndex((label) => bad.has(label)),
        ),
      );
    }
  };

  return (
    <SpaceBetween size="s">
      <BreadcrumbGroup
        items={[
          { text: "Imported files", href: back },
          { text: job.fileName, href: "#" },
        ]}
        onFollow={(event) => {
          event.preventDefault();
          if (event.detail.href === back) void navigate("/imports");
        }}
      />
      <Header
        variant="h1"
        description={
          <>
            Rows of <Name>{job.fileName}</Name> that were not imported. Correct them here; they are checked as you type,
            and keep their row numbers.
          </>
        }
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <DownloadButton paths={[at`jobs/${jobId}/rejects`]} disabled={!job.links.rejects} />
            <Button
              variant="primary"
              disabled={edits.size === 0 || !job.links.rejects}
              disabledReason={job.links.rejects ? "No row is corrected yet." : "The files of this import have expired."}
              onClick={() => setDialog("send")}
            >
              Import corrected rows
            </Button>
          </SpaceBetween>
        }
      >
        Correct rows
      </Header>
      {!job.links.rejects && <Alert type="info">This import left no rows to correct, or they have expired.</Alert>}
      {summary && summary.length > 0 && (
        <ExpandableSection headerText="Errors by kind" defaultExpanded={!isPhone && summary.length <= OPEN_SUMMARY}>
          <ErrorSummary summary={summary} onChoose={({ type, fieldName }) => set({ type, field: fieldName })} />
        </ExpandableSection>
      )}
      <div className="tools">
        <SelectField
          label="Kind of error"
          value={filter.type ?? ""}
          options={[["", "All kinds"], ...types.map((type) => [type, errorWithCode(type)] as const)]}
          onChange={(type) => set({ type })}
        />
        <SelectField
          label="Column with an error"
          value={filter.fieldName ?? ""}
          options={[["", "All columns"], ...names.map((name) => [name, name] as const)]}
          onChange={(field) => set({ field })}
        />
        <SpaceBetween direction="horizontal" size="xs" alignItems="center">
          <Button disabled={!rows.length} onClick={() => setDialog("replace")}>
            Replace in all rows
          </Button>
          <Button disabled={!rows.length} onClick={nextBad}>
            Next error
          </Button>
          <Button iconName="undo" disabled={!canUndo} onClick={undo}>
            Undo
          </Button>
          <Toggle
            checked={allColumns}
            onChange={({ detail }) => set({ columns: detail.checked ? "all" : null }, { replace: true })}
          >
            All columns
          </Toggle>
        </SpaceBetween>
      </div>
      <Leaving form={{ isChanged: isLost, settle: () => change(() => new Map()) }} />
      {!isKept && (
        <Alert type="warning">
          These corrections are more than this browser keeps: import them before you leave this screen or load it again.
        </Alert>
      )}
      <SentCorrections edits={edits} begin={begin} change={change} />
      {repeated.length > 0 && (
        <Alert type="warning">
          {repeated.length === 1 ? "The row number" : "The row numbers"} {listed(repeated)}{" "}
          {repeated.length === 1 ? "stands" : "stand"} at more than one row, as in a file of several rejects files.
          Their number does not tell these rows apart, so they cannot be corrected here: correct them in the rejects
          files that they come from, and import each of those by itself.
        </Alert>
      )}
      {leftOut && (
        <Alert type="warning" dismissible dismissAriaLabel="Dismiss" onDismiss={() => setLeftOut(null)}>
          {leftOut}
        </Alert>
      )}
      {list.error && <ProblemAlert error={list.error} />}
      {verdicts.problem && <ProblemAlert error={verdicts.problem} />}
      {edits.size >= MOST_CORRECTED && (
        <Alert type="warning">
          {rowsInWords(MOST_CORRECTED)} are corrected, as many as one import takes: import these, then go on with the
          others.
        </Alert>
      )}
      <SpaceBetween direction="horizontal" size="l" alignItems="center">
        <Box>
          <span aria-live="polite">
            {readingOn && list.hasMore ? (
              <StatusText type="in-progress">Reading on: {rowsInWords(rows.length)}</StatusText>
            ) : edits.size === 0 ? (
              <>
                {rowsInWords(rows.length)} read{list.hasMore ? ", more follow as you scroll" : ""}. Enter edits a cell,
                Alt+Enter is a line break in it; cells from a spreadsheet can be pasted.
              </>
            ) : verdicts.pending ? (
              <StatusText type="in-progress">Checking {rowsInWords(verdicts.pending)}</StatusText>
            ) : verdicts.bad ? (
              <StatusText type="warning">
                {rowsInWords(edits.size)} corrected, {rowsInWords(verdicts.bad)} with errors left
              </StatusText>
            ) : (
              <StatusText type="success">{rowsInWords(edits.size)} corrected, no errors left</StatusText>
            )}
          </span>
        </Box>
        {current && wayOut !== null && !edits.has(current.rowNumber) && (
          <Button
            onClick={() => {
              begin();
              change((known) => withCells(known, current, {}));
            }}
          >
            {wayOut}
          </Button>
        )}
        {current && (
          <Box variant="small">
            Row {current.rowNumber}: {reasonOf({ row: current, edit: edits.get(current.rowNumber), judged })}
          </Box>
        )}
      </SpaceBetween>
      {list.isPending || isEntityPending || isSummaryPending ? ( // else columns would move below the cursor
        <Spinner size="large" />
      ) : rows.length === 0 && !list.hasMore ? (
        <Box padding="l" textAlign="center">
          No row matches the filters.
        </Box>
      ) : (
        <Grid
          columns={{ labels, fields }}
          shown={shown}
          sticky={Math.min(MOST_KEYS, keys.length)}
          rows={rows}
          count={total ?? rows.length}
          edits={edits}
          verdicts={verdicts}
          active={active}
          onActive={({ row, column }) => goTo(row, column)}
          onBegin={begin}
          onUndo={undo}
          onGiveUp={(row, before) => change((known) => withEdit(known, row.rowNumber, before))}
          onText={(row, label, text) => change((known) => withCells(known, row, { [label]: text }))}
          onPaste={(at, cells) => void paste(at, cells)}
          onEnd={(column) => void readOn(MOST_CORRECTED, (read) => goTo(read.length - 1, column))}
          onNearEnd={() => list.hasMore && !list.isFetching && !list.error && list.readMore()}
        />
      )}
      {dialog === "replace" && (
        <ReplaceDialog
          list={list}
          label={labels[fields.indexOf(filter.fieldName)] ?? shown[active.column] ?? labels[0]!}
          entityFields={entity?.schema.fields}
          edits={edits}
          verdicts={verdicts}
          which={which}
          onReplace={(next) => {
            begin();
            change(() => next);
          }}
          onClose={() => setDialog(null)}
        />
      )}
      {dialog === "send" && (
        <SendDialog
          job={job}
          labels={labels}
          edits={edits}
          verdicts={verdicts}
          onSent={(childId) => {
            keepAsSent(childId);
            say("The import of the corrected rows is queued", <Name>{job.fileName}</Name>);
            void navigate("/imports");
          }}
          onClose={() => setDialog(null)}
        />
      )}
    </SpaceBetween>
  );
}

/** Tells what became of corrections that were sent, and forgets them once they were imported. */
function SentCorrections({ edits, begin, change }: Pick<ReturnType<typeof useEdits>, "edits" | "begin" | "change">) {
  const sent = [...edits.values()].filter(({ sentWith }) => sentWith !== undefined);
  const childId = sent[0]?.sentWith ?? null;
  const { data, error } = useJob(childId);
  const child = data?.value;
  const isImported = child?.status === "COMPLETED";
  const forget = useEffectEvent(() => {
    const { imported, rejected, unprocessed } = child!.counts;
    const left = rejected + unprocessed;
    say(
      "The corrected rows were imported",
      left ? `${rowsInWords(imported)}. ${rowsInWords(left)} are left: correct them in that import.` : undefined,
    );
    change((known) => withoutRows(known, ({ sentWith }) => sentWith === childId));
  });
  useEffect(() => {
    if (isImported) forget();
  }, [isImported]);
  if (!childId || isImported) return null;
  const isMissing = !child && error !== null && Problem.of(error).status === 404;
  if (!child && !isMissing) return error && <ProblemAlert error={error} />;
  const fate = child ? fateOf(child) : "has been deleted. They can be sent again.";
  return (
    <Alert
      type={child?.status === "FAILED" ? "warning" : "info"}
      action={
        <Button
          onClick={() => {
            begin();
            change((known) => withoutRows(known, ({ sentWith }) => sentWith === childId));
          }}
        >
          Discard them
        </Button>
      }
    >
      The corrections of {rowsInWords(sent.length)} were sent with the import{" "}
      <ScreenLink to={`/status?q=${childId}`}>{childId}</ScreenLink>, which {fate}
    </Alert>
  );
}

function fateOf({ status, error }: Job): string {
  if (status === "CANCELED") return "was canceled. They can be sent again.";
  if (status === "FAILED") return `failed. ${error?.message ?? ""} They can be sent again.`;
  return `${status === "WAITING" ? "is queued" : "is in progress"}. They are kept here until it has imported them.`;
}

/** The first numbers of a list. */
function listed(numbers: number[]): string {
  const more = numbers.length - MOST_LISTED;
  return numbers.slice(0, MOST_LISTED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function useErrorSummary(jobId: string) {
  return useQuery({
    queryKey: ["jobs", "errors", jobId, "summary"],
    queryFn: ({ signal }) => call<ErrorPage>("GET", at`jobs/${jobId}/errors`, { query: { limit: 1 }, signal }),
    select: ({ summary }) => summary,
  });
}

/** How the number of cells of a row is made good where no cell has to be corrected; null where it is right. */
function widthInWords(row: Row): string | null {
  if (hasExtraCells(row)) return `Leave out the extra cells of row ${row.rowNumber}`;
  return hasMissingCells(row) ? `Leave the missing cells of row ${row.rowNumber} empty` : null;
}

/** Which rows a replacement is about. */
function inWords({ type, fieldName }: RowFilter, count: number | null): string {
  const rows = count === null ? "All rows" : count === 1 ? "The one row" : `All ${count} rows`;
  const error = [type && errorInWords(type), fieldName && `in ${fieldName}`].filter(Boolean).join(" ");
  return error ? `${rows} with an error: ${error}.` : `${rows} that were not imported.`;
}
