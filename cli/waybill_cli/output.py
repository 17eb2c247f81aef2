"""What a command prints: results on stdout, progress and remarks on stderr."""

from __future__ import annotations

import json
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from waybill_cli.failures import Failure

SHOW_AFTER_SECONDS = 1.0
GAP = "  "
MIN_COLUMN = 8
#: Those that JSON need not escape, and that terminals obey too.
CONTROLS = re.compile("[\x7f-\x9f]")
IDENTIFIER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Output:
    """The output of one command. With `as_json` stdout receives one JSON document and nothing else.

    No line has control characters: names and cells of other people's files stand in most of them.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def document(self, document: Any) -> None:
        text = json.dumps(document, indent=2, ensure_ascii=False)
        print(CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text))

    def line(self, text: str = "") -> None:
        print(safe(text))

    def result(self, document: Any, *lines: str) -> None:
        """A result: the document with `--json`, else the lines."""
        if self.as_json:
            self.document(document)
        else:
            for text in lines:
                self.line(text)

    def listing(
        self,
        listed: Mapping[str, Any],
        what: str,
        header: Sequence[str],
        row: Callable[[dict[str, Any]], Sequence[object]],
        *,
        more: str = "There are more: use --limit N or --all.",
    ) -> None:
        """A list as `Context.read_list` returns it.

        Args:
            what: names the items when there are none.
            row: the cells of an item.
            more: the remark on a list that was cut at its limit.
        """
        if self.as_json:
            self.document(listed)
        elif not listed["items"]:
            self.line(f"No {what}.")
        else:
            self.table(header, map(row, listed["items"]))
            if listed["nextToken"]:
                self.remark(more)

    def deletion(
        self, result: Mapping[str, Sequence[Any]], id_member: str, steps: Sequence[tuple[str, str]] = ()
    ) -> int:
        """What was deleted, and what was not and why. Returns the exit status.

        Args:
            result: `deleted`, a list of ids, and `failed`, a list of objects with `id_member` and `detail`.
            steps: commands to run next.
        """
        if self.as_json:
            self.document(result)
        else:
            for deleted in result["deleted"]:
                self.line(f"Deleted {deleted}")
            for failed in result["failed"]:
                self.remark(f"waybill: {failed[id_member]} not deleted: {failed['detail']}")
            self.next_steps(steps)
        return 1 if result["failed"] else 0

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Aligned columns, one line per row. In a terminal the widest columns are cut until a row fits into a line; ids
        stay whole, because people copy them."""
        from rich.cells import cell_len, set_cell_size

        lines = [list(header)]
        lines += [[safe("" if cell is None else str(cell)) for cell in row] for row in rows]
        widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
        if sys.stdout.isatty():
            least = [
                width if any(map(IDENTIFIER.fullmatch, column)) else min(width, MIN_COLUMN)
                for width, column in zip(widths, zip(*lines, strict=True), strict=True)
            ]
            widths = fitting(widths, least, shutil.get_terminal_size().columns)
        for line in lines:
            cells = [
                set_cell_size(cell, width) if cell_len(cell) <= width else f"{set_cell_size(cell, width - 1)}…"
                for cell, width in zip(line, widths, strict=True)
            ]
            self.line(GAP.join(cells).rstrip())

    def pairs(self, pairs: Iterable[tuple[str, object]]) -> None:
        """One `name  value` line for each value that is neither None nor empty."""
        shown = [(name, safe(str(value))) for name, value in pairs if value not in (None, "")]
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            self.line(f"{name.ljust(width)}  {value}")

    def next_steps(self, steps: Sequence[tuple[str, str]]) -> None:
        """Commands to run next, each with its purpose."""
        width = max((len(command) for command, _ in steps), default=0)
        for number, (command, purpose) in enumerate(steps):
            self.line(f"{'      ' if number else 'Next: '}{command.ljust(width)}  # {purpose}")

    def remark(self, text: str) -> None:
        print(safe(text), file=sys.stderr)

    def failure(self, failure: Failure) -> None:
        self.remark(f"waybill: {failure.message}")
        for detail in failure.details():
            self.remark(f"  {detail}")
        for step in failure.next_steps:
            self.remark(f"  Next: {step}")
        if self.as_json:
            self.document(failure.document())


class Progress:
    """The progress of work that takes longer than a second.

    In a terminal a bar, which disappears at the end; elsewhere one plain line.

    Args:
        description: what is being done.
        at_once: show it immediately, without waiting for a second.
    """

    def __init__(self, description: str, *, at_once: bool = False) -> None:
        self._description = safe(description)
        self._timer: threading.Timer | None = None
        if not at_once:
            self._timer = threading.Timer(SHOW_AFTER_SECONDS, self._show)
            self._timer.daemon = True
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._state: tuple[float | None, float | None, str] = (None, None, "")
        self._lock = threading.Lock()
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        if self._timer is None:
            self._show()
        else:
            self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: float | None, total: float | None, note: str) -> None:
        """Set how much is done; `total` is None while unknown."""
        with self._lock:
            self._state = (done, total, safe(note))
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, completed=done or 0, total=total, note=self._state[2])

    def update_bytes(self, done: int, total: int | None) -> None:
        seconds = max(time.monotonic() - self._started, 0.001)
        rate = done / seconds
        note = f"{size_text(done)} of {size_text(total)}" if total is not None else size_text(done)
        note += f", {size_text(round(rate))}/s"
        if total and rate:
            note += f", {duration_text((total - done) / rate)} left"
        self.update(done, total, note)

    def _show(self) -> None:
        if not sys.stderr.isatty():
            print(f"{self._description} …", file=sys.stderr, flush=True)
            return
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn
        from rich.progress import Progress as Bar

        bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        with self._lock:
            done, total, note = self._state
            self._task = bar.add_task(self._description, completed=round(done or 0), total=total, note=note)
            bar.start()
            self._bar = bar


def fitting(widths: Sequence[int], least: Sequence[int], columns: int) -> list[int]:
    """Widths of columns that fit with their gaps into a terminal: the widest one is cut first, none below its least
    width. Where that does not suffice, lines wrap."""
    fitted = list(widths)
    excess = sum(fitted) + len(GAP) * (len(fitted) - 1) - columns
    while excess > 0:
        spare = [width - minimum for width, minimum in zip(fitted, least, strict=True)]
        candidates = [index for index, left in enumerate(spare) if left > 0]
        if not candidates:
            break
        fitted[max(candidates, key=fitted.__getitem__)] -= 1
        excess -= 1
    return fitted


def safe(text: str) -> str:
    """The text with control characters escaped, so that a cell of a file cannot control the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def size_text(size_bytes: int) -> str:
    """`34.2 MB`, in powers of ten."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def duration_text(seconds: float) -> str:
    """`6.3 s`, `4 min 10 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def time_text(moment: str | None) -> str:
    """An RFC 3339 time in UTC as `2026-01-31 09:30:00Z`."""
    return "" if moment is None else f"{moment[:10]} {moment[11:19]}Z"


def rows_text(count: int | None) -> str:
    return "?" if count is None else f"{count:,}"


def counted(count: int | None, one: str) -> str:
    """`1 row`, `1,200 rows`, `? rows` of what is called `one`."""
    return f"{rows_text(count)} {one if count == 1 else one + 's'}"
