"""What a format declares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from waybill.exports.compression import Output

if TYPE_CHECKING:
    from waybill.exports.definition import Definition
    from waybill.exports.formats.cells import CellFormat


class Framing(Protocol):
    """The file around rows. It writes to an output that it does not close."""

    def begin(self, header: bytes) -> None:
        """Write what comes before the first row, `header` last."""

    def write(self, data: bytes, rows: int) -> None:
        """Write rows, or any piece of the bytes of rows, `rows` of which end in it.

        Raises:
            JobFailed: the format's row limit is reached.
        """

    def end(self) -> None:
        """Write what comes after the last row."""


class NoFraming:
    """Rows are all that the file has, after its header."""

    def __init__(self, output: Output, definition: Definition) -> None:
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
        cells: makes what writes the cells of a file, for its definition and the names of its columns.
        framing: makes what writes the file around the rows.
        dialect_members: members of a Table Dialect that the format follows; None for all that a writer can follow.
        parts_can_be_joined: whether the rows of parts, written side by side, follow each other in a file as they are.
            Otherwise one invocation extracts the whole table.
    """

    name: str
    extension: str
    content_type: str
    cells: Callable[[Definition, Sequence[str]], CellFormat]
    framing: Callable[[Output, Definition], Framing] = NoFraming
    dialect_members: frozenset[str] | None = None
    parts_can_be_joined: bool = True
