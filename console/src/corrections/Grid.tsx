/**
 * Rejected rows as a spreadsheet. Only the rows in sight are drawn.
 *
 * Arrows, Home, End and Page keys move; Enter, F2 or typing edits; Enter and Tab keep what was typed and go on, Alt+Enter
 * is a line break, Escape gives it up; Delete empties a cell; Ctrl+Z takes the last change back; cells are copied, and
 * pasted from a spreadsheet.
 */
import { memo, useEffect, useLayoutEffect, useRef, useState, type ClipboardEvent, type KeyboardEvent } from "react";
import { useWidth } from "../common/useColumns";
import {
  clipboardCells,
  clipboardText,
  errorsByLabel,
  isEditable,
  withBreaksOf,
  type CellError,
  type Columns,
  type Edit,
  type Edits,
  type Row as RejectedRow,
} from "./rows";
import type { Verdicts } from "./useVerdicts";

const ROW_PX = 34;
const NUMBER_PX = 84;
const COLUMN_PX = 150; // at least
const PHONE_COLUMN_PX = 130; // so that a key and a column fit beside the row's number
const MOST_LINES = 6; // of a cell that is edited
const REASON_PX = 280; // at least
const BEYOND = 8; // rows drawn above and below those in sight
const NEAR_END = 50;

interface Place {
  row: number;
  column: number;
}

interface Props {
  columns: Columns;
  /** Labels that are shown, in their order; the first `sticky` of them stay in sight. */
  shown: string[];
  sticky: number;
  rows: RejectedRow[];
  /** How many rows there are, with those that have not been read. */
  count: number;
  edits: Edits;
  verdicts: Verdicts;
  active: Place;
  onActive: (place: Place) => void;
  onText: (row: RejectedRow, label: string, text: string) => void;
  /** Gives up what was typed: the row has the correction again that it had before, if any. */
  onGiveUp: (row: RejectedRow, before: Edit | undefined) => void;
  onPaste: (place: Place, cells: string[][]) => void;
  onBegin: () => void;
  onUndo: () => void;
  onNearEnd: () => void;
  /** Goes to this column of the last row, which may not have been read. */
  onEnd: (column: number) => void;
}

export function Grid(props: Props) {
  const { columns, shown, sticky, rows, edits, verdicts, active, onActive, onText, onNearEnd } = props;
  const columnPx = useWidth() === "phone" ? PHONE_COLUMN_PX : COLUMN_PX;
  const grid = useRef<HTMLDivElement>(null);
  const [first, setFirst] = useState(0);
  const [inSight, setInSight] = useState(20);
  const [editing, setEditing] = useState<{ before: Edit | undefined } | null>(null);
  const from = Math.max(0, first - BEYOND);
  const to = Math.min(rows.length, first + inSight + BEYOND);

  useEffect(() => {
    if (to > rows.length - NEAR_END) onNearEnd();
  }, [to, rows.length, onNearEnd]);
  useLayoutEffect(() => {
    const element = grid.current!;
    const measure = () => setInSight(Math.ceil(element.clientHeight / ROW_PX));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const element = grid.current!;
    const top = active.row * ROW_PX;
    const [above, below] = [element.scrollTop, element.scrollTop + element.clientHeight - 2 * ROW_PX];
    if (top < above) element.scrollTop = top;
    else if (top > below) element.scrollTop = top - (element.clientHeight - 2 * ROW_PX);
    document.getElementById(cellId(active))?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [active]);

  const row = rows[active.row];
  const label = shown[active.column];
  const text = row && label !== undefined ? (edits.get(row.rowNumber)?.cells[label] ?? row.cells[label] ?? "") : "";
  const go = (down: number, right: number) =>
    onActive({
      row: Math.max(0, Math.min(rows.length - 1, active.row + down)),
      column: Math.max(0, Math.min(shown.length - 1, active.column + right)),
    });
  const edit = (replacement?: string) => {
    if (!row || label === undefined || !isEditable(row)) return;
    props.onBegin();
    setEditing({ before: edits.get(row.rowNumber) });
    if (replacement !== undefined) onText(row, label, replacement);
  };
  const leave = () => {
    setEditing(null);
    grid.current!.focus({ preventScroll: true });
  };

  const onEditKey = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    event.stopPropagation();
    if (!["Enter", "Tab", "Escape"].includes(event.key)) return;
    event.preventDefault();
    if (event.key === "Enter" && event.altKey) {
      document.execCommand("insertText", false, "\n");
      return;
    }
    leave();
    if (event.key === "Escape") props.onGiveUp(row!, editing!.before);
    else if (event.key === "Enter") go(event.shiftKey ? -1 : 1, 0);
    else go(0, event.shiftKey ? -1 : 1);
  };
  const onKey = (event: KeyboardEvent) => {
    const far = event.ctrlKey || event.metaKey;
    const moves: Record<string, [number, number]> = {
      ArrowDown: [far ? rows.length : 1, 0],
      ArrowUp: [far ? -rows.length : -1, 0],
      ArrowRight: [0, far ? shown.length : 1],
      ArrowLeft: [0, far ? -shown.length : -1],
      PageDown: [inSight - 2, 0],
      PageUp: [2 - inSight, 0],
      Home: [far ? -rows.length : 0, -shown.length],
      End: [far ? rows.length : 0, shown.length],
    };
    const move = moves[event.key];
    if (far && event.key === "End") props.onEnd(shown.length - 1);
    else if (far && event.key === "ArrowDown") props.onEnd(active.column);
    else if (move) go(...move);
    else if (event.key === "Enter" || event.key === "F2") edit();
    else if (event.key === "Delete" || event.key === "Backspace") {
      props.onBegin();
      if (row && label !== undefined) onText(row, label, "");
    } else if (event.key.length === 1 && event.getModifierState("AltGraph")) edit(event.key);
    else if (far && event.key.toLowerCase() === "z") props.onUndo();
    else if (event.key.length === 1 && !far && !event.altKey) edit(event.key === " " ? undefined : event.key);
    else return;
    event.preventDefault();
  };
  const onPaste = (event: ClipboardEvent) => {
    if (editing || !event.clipboardData.types.includes("text/plain")) return; // a picture or a file is no text
    event.preventDefault();
    props.onPaste(active, clipboardCells(event.clipboardData.getData("text/plain")));
  };

  const cells = `repeat(${shown.length}, minmax(${columnPx}px, 1fr))`;
  const style = {
    gridTemplateColumns: `${NUMBER_PX}px ${cells} minmax(${REASON_PX}px, 2fr)`,
    minInlineSize: NUMBER_PX + shown.length * columnPx + REASON_PX,
  };
  return (
    <div
      ref={grid}
      className="sheet"
      role="grid"
      tabIndex={0}
      aria-label="Rejected rows"
      aria-rowcount={props.count + 1}
      aria-colcount={shown.length + 2}
      style={{ scrollPaddingInlineStart: NUMBER_PX + sticky * COLUMN_PX, scrollPaddingBlockStart: ROW_PX }}
      aria-activedescendant={row ? cellId(active) : undefined}
      onScroll={({ currentTarget }) => setFirst(Math.floor(currentTarget.scrollTop / ROW_PX))}
      onKeyDown={onKey}
      onPaste={onPaste}
      onCopy={(event) => {
        if (editing) return;
        event.preventDefault();
        event.clipboardData.setData("text/plain", clipboardText([[text]]));
      }}
    >
      <div role="row" aria-rowindex={1} className="sheet-row sheet-head" style={style}>
        <span role="columnheader" className="sheet-cell sheet-number">
          Row
        </span>
        {shown.map((each, column) => (
          <span key={each} role="columnheader" className={cellClass(column, sticky)} style={left(column, sticky)}>
            <bdi>{each}</bdi>
          </span>
        ))}
        <span role="columnheader" className="sheet-cell">
          Reason
        </span>
      </div>
      <div role="rowgroup" style={{ blockSize: rows.length * ROW_PX, minInlineSize: style.minInlineSize }}>
        <div role="none" style={{ transform: `translateY(${from * ROW_PX}px)` }}>
          {rows.slice(from, to).map((each, index) => (
            <Row
              key={from + index}
              row={each}
              index={from + index}
              edit={edits.get(each.rowNumber)}
              judged={verdicts.errorsOf(each.rowNumber)}
              columns={columns}
              shown={shown}
              sticky={sticky}
              style={style}
              active={from + index === active.row ? active.column : -1}
              isEditing={editing !== null && from + index === active.row}
              onActive={onActive}
              onEdit={edit}
              onText={onText}
              onEditKey={onEditKey}
              onLeave={() => setEditing(null)}
            />
          ))}
        </div>
      </div>
    </div>
  );
}

interface RowProps extends Pick<Props, "columns" | "shown" | "sticky" | "onActive" | "onText"> {
  row: RejectedRow;
  index: number;
  edit: Edit | undefined;
  judged: CellError[] | undefined;
  style: object;
  /** The number of its active column; -1 for none. */
  active: number;
  isEditing: boolean;
  onEdit: () => void;
  onEditKey: (event: KeyboardEvent) => void;
  onLeave: () => void;
}

const Row = memo(
  function Row({ row, index, edit, judged, columns, shown, sticky, style, active, isEditing, ...on }: RowProps) {
    const reason = reasonOf({ row, edit, judged });
    const errors = errorsByLabel(edit ? (judged ?? []) : row.errors, columns);
    return (
      <div role="row" aria-rowindex={index + 2} className="sheet-row" style={style}>
        <span role="rowheader" className="sheet-cell sheet-number">
          {row.rowNumber}
        </span>
        {shown.map((label, column) => {
          const text = edit?.cells[label] ?? row.cells[label] ?? "";
          const found = errors.get(label);
          const state = found ? " sheet-bad" : edit?.cells[label] !== undefined ? " sheet-changed" : "";
          const isActive = active === column;
          const isTyped = isActive && isEditing;
          return (
            <span
              key={label}
              id={cellId({ row: index, column })}
              role="gridcell"
              aria-invalid={found ? true : undefined}
              aria-readonly={!isEditable(row)}
              title={
                found?.map(({ message }) => message).join("; ") ??
                (text.length > 20 || isBroken(text) ? text : undefined)
              }
              className={`${cellClass(column, sticky)}${state}${isActive ? " sheet-active" : ""}${isTyped ? " sheet-typed" : ""}`}
              style={left(column, sticky)}
              onMouseDown={() => !isTyped && on.onActive({ row: index, column })}
              onDoubleClick={() => !isEditing && on.onEdit()}
            >
              {isTyped ? (
                <textarea
                  autoFocus
                  aria-label={`${label}, row ${row.rowNumber}`}
                  rows={Math.min(MOST_LINES, text.split("\n").length)}
                  value={text.replaceAll(/\r\n|\r/g, "\n")}
                  onFocus={({ target }) => target.setSelectionRange(text.length, text.length)}
                  onChange={(event) => on.onText(row, label, withBreaksOf(text, event.target.value))}
                  onKeyDown={on.onEditKey}
                  onBlur={on.onLeave}
                />
              ) : (
                <bdi>{isBroken(text) ? text.replaceAll(/\r\n|\r|\n/g, "↵") : text}</bdi>
              )}
            </span>
          );
        })}
        <span role="gridcell" className="sheet-cell" title={reason}>
          {reason}
        </span>
      </div>
    );
  },
  (before, after) =>
    before.row === after.row &&
    before.index === after.index &&
    before.edit === after.edit &&
    before.judged === after.judged &&
    before.shown === after.shown &&
    before.active === after.active &&
    before.isEditing === after.isEditing &&
    after.active < 0, // the active row has the newest handlers
);

/** Why a row is rejected, or that it is not. */
export function reasonOf({ row, edit, judged }: Pick<RowProps, "row" | "edit" | "judged">): string {
  if (row.isRepeated) return "Another row has this number: neither can be corrected here.";
  if (!isEditable(row)) return "Too long to be corrected here: download the rows.";
  if (edit && !judged) return "Checking…";
  if (edit && judged!.length === 0) return "✓ Fits now";
  return reasons(edit ? judged! : row.errors);
}

/** In one line, with the names of the fields. */
function reasons(errors: CellError[]): string {
  return errors.map(({ fieldName, message }) => (fieldName ? `${fieldName}: ${message}` : message)).join("; ");
}

function isBroken(text: string): boolean {
  return /[\r\n]/.test(text);
}

function cellId({ row, column }: Place): string {
  return `sheet-${row}-${column}`;
}

function cellClass(column: number, sticky: number): string {
  return column < sticky ? "sheet-cell sheet-key" : "sheet-cell";
}

/** Sticky columns stand side by side. */
function left(column: number, sticky: number) {
  return column < sticky ? { insetInlineStart: NUMBER_PX + column * COLUMN_PX } : undefined;
}
