"""The header of a table: which rows it takes, and the labels in them."""

from __future__ import annotations

from collections.abc import Sequence

from waybill.errors import JobFailed
from waybill.tabular.dialect import Dialect

MAX_LABELS = 10_000


class LabelReader:
    """Takes the rows of a table, from row 1, until it has the labels.

    Without declared header rows, the first row that is not a comment is the header. Rows above the last header row are
    not data.
    """

    def __init__(self, dialect: Dialect, field_names: Sequence[str] = ()) -> None:
        """
        Args:
            field_names: the labels of a table whose dialect says that it has no header.
        """
        self._dialect = dialect
        self._wanted = dialect.header_rows
        self._taken: list[list[str]] = []
        self.labels: list[str] = []
        self.first_row: int | None = None
        self.is_done = False
        if self._wanted == ():
            self.labels, self.is_done = list(field_names), True

    def take(self, row: int, cells: Sequence[str], is_comment: bool = False) -> None:
        """Take the next row.

        Raises:
            JobFailed: `blank-header`, or `format-error` for a header with NUL characters.
        """
        if self._wanted is None:
            if is_comment or row in self._dialect.comment_rows:
                return
            self._wanted = (row,)
        if row in self._wanted:
            self.first_row = self.first_row or row
            if len(cells) > MAX_LABELS:
                raise JobFailed(
                    "format-error", f"The header has {len(cells):,} columns; the limit is {MAX_LABELS:,}.", row
                )
            self._taken.append(list(cells))
        if row >= self._wanted[-1]:
            self._finish(row)

    def end(self, rows: int) -> None:
        """Called when the table has ended after this many rows.

        Raises:
            JobFailed: it has no header.
        """
        if self.is_done:
            return
        if rows and self._wanted:
            raise JobFailed("blank-header", f"The file ends before row {self._wanted[-1]}, where the header should be.")
        raise JobFailed("empty-file", "The file holds no rows.")

    def _finish(self, row: int) -> None:
        first = self.first_row or row
        self.labels = self._joined()
        if not any(label.strip() for label in self.labels):
            what = "The first row is blank" if row == 1 else f"The header, row {row}, is blank"
            raise JobFailed("blank-header", f"{what}; it must hold the column names.", first)
        if any("\0" in label for label in self.labels):
            raise JobFailed("format-error", "The header holds NUL characters; is this a CSV file?", first)
        self.is_done = True

    def _joined(self) -> list[str]:
        """The labels of several rows, joined column by column.

        A cell above the last row labels a group of columns: its own, and those to its right whose cell is blank.
        """
        if len(self._taken) == 1:
            return self._taken[0]
        width = max(map(len, self._taken))
        columns: list[list[str]] = [[] for _ in range(width)]
        for number, cells in enumerate(self._taken, 1):
            group = ""
            for index in range(width):
                cell = cells[index] if index < len(cells) else ""
                if number < len(self._taken):
                    group = cell = cell if cell.strip() else group
                if cell.strip():
                    columns[index].append(cell)
        return [self._dialect.header_join.join(parts) for parts in columns]
