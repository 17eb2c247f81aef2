"""What a format declares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from waybill.exports.compression import Output

if TYPE_CHECKING:
    from waybill.entities.fields import Field
    from waybill.entities.fieldtypes.export_columns import Cells
    from waybill.exports.definition import Definition
    from waybill.exports.formats.cells import CellFormat


class Column(NamedTuple):
    """A column of a file. `field` is None for the mark of deleted records."""

    label: str
    field: Field | None


class Framing(Protocol):
    """The file around rows. It writes to an output that it does not close."""

    needs_survey: bool = False
    """Whether `survey` must see all rows before `begin`."""

    def survey(self, data: bytes) -> None:
        """Note what must be known of the rows before the file begins.

        Raises:
            JobFailed: the rows do not fit into one file.
        """

    def begin(self, header: bytes) -> None:
        """Write what comes before the first row, `header` last."""

    def write(self, data: bytes, rows: int) -> None:
        """Write rows, or any piece of the bytes of rows, `rows` of which end in it.

        Raises:
            JobFailed: the format's row limit is reached.
        """

    def learn(self, surveyed: Framing) -> None:
        """Take what another file of the same rows has noted in `survey`."""

    def flush(self) -> None:
        """Write what is held back, so that `most` is exact but for what is still to come."""

    def most(self, size_bytes: int) -> int:
        """How many bytes it writes at most from now to its end, if so many bytes of rows still come."""
        return size_bytes

    def end(self) -> None:
        """Write what comes after the last row."""


class Rows(Protocol):
    """Finds the rows in what `CellFormat.rows` gives."""

    def end(self, data: bytes) -> int:
        """Where the last whole row ends of data that begin with a row; 0 without a whole row."""

    def count(self, data: bytes) -> int:
        """How many rows these are, all of them whole."""

    def cut(self, data: bytes, rows: int) -> tuple[bytes, bytes]:
        """The first so many of whole rows, or as many as there are; and the others."""


class DelimitedRows(Rows):
    """Rows that each end with the same bytes.

    Args:
        end: of a row.
        quote: within two of which no row ends; a quote in a cell is doubled.
    """

    def __init__(self, end: bytes = b"\n", quote: bytes | None = None) -> None:
        self._end, self._quote = end, quote

    def end(self, data: bytes) -> int:
        quotes, after = self._quotes(data, 0, len(data)), len(data)
        at = data.rfind(self._end)
        while at >= 0:
            quotes -= self._quotes(data, at, after)
            if quotes % 2 == 0:
                return at + len(self._end)
            after, at = at, data.rfind(self._end, 0, at)
        return 0

    def count(self, data: bytes) -> int:
        if self._quote is None or self._quote not in data:
            return data.count(self._end)
        return b"".join(data.split(self._quote)[::2]).count(self._end)

    def cut(self, data: bytes, rows: int) -> tuple[bytes, bytes]:
        if self.count(data) <= rows:
            return data, b""
        quotes = begin = 0
        while rows:
            end = data.find(self._end, begin) + len(self._end)
            quotes += self._quotes(data, begin, end)
            begin = end
            rows -= quotes % 2 == 0
        return data[:begin], data[begin:]

    def _quotes(self, data: bytes, begin: int, end: int) -> int:
        return 0 if self._quote is None else data.count(self._quote, begin, end)


def _lines(_: Definition) -> Rows:
    return DelimitedRows()


class NoFraming(Framing):
    """Rows are all that the file has, after its header."""

    def __init__(self, output: Output, definition: Definition, columns: Sequence[Column]) -> None:
        self._output = output

    def begin(self, header: bytes) -> None:
        if header:
            self._output.write(header)

    def write(self, data: bytes, rows: int) -> None:
        self._output.write(data)

    def end(self) -> None:
        return


@dataclass(frozen=True)
class Format:
    """A format of export files.

    Attributes:
        extension: of file names, without a dot.
        cells: makes what writes the cells of a file, for its definition and its columns.
        framing: makes what writes the file around the rows.
        dialect_members: members of a Table Dialect that the format follows; None for all that a writer can follow.
        parts_can_be_joined: whether the rows of parts, written side by side, follow each other in a file as they are.
            Otherwise one invocation extracts the whole table.
        fit: field → what checks its cells, or makes them what its column holds. It raises `cells.CellRefused`.
        labels_problem: what is wrong with the names of columns; None when they are fine.
        max_rows: of a file, with its header; None without a limit.
        compresses_itself: whether no compression can be asked for.
        guards_formulas: whether texts get the formula guard when a definition asks for it.
        rows: makes what finds the rows in the bytes of a file of a definition.
        knows_size: whether the size that a file will have is known while it is written.
    """

    name: str
    extension: str
    content_type: str
    cells: Callable[[Definition, Sequence[Column]], CellFormat]
    framing: Callable[[Output, Definition, Sequence[Column]], Framing] = NoFraming
    dialect_members: frozenset[str] | None = None
    parts_can_be_joined: bool = True
    fit: Callable[[Field], Callable[[Cells], Cells] | None] | None = None
    labels_problem: Callable[[Sequence[str]], str | None] | None = None
    max_rows: int | None = None
    compresses_itself: bool = False
    guards_formulas: bool = True
    rows: Callable[[Definition], Rows] = _lines
    knows_size: bool = True
