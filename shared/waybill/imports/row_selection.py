"""Which rows of a rejects file a relaunch takes, and their corrections.

A row that another row of the file replaces is taken only if its key was corrected: it is another record then. Nothing
passes in silence: a correction that belongs to no row, or that the file cannot hold, ends the job before it writes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from waybill.entities.row_results import DUPLICATE_KEY, SOURCE_CHANGED
from waybill.errors import JobFailed
from waybill.imports.rejects import REJECTS_COLUMNS
from waybill.imports.rejects_reader import RejectsForm
from waybill.tabular.scan import record_text

#: Another row of the file replaces the row, or its text is gone with the file.
NOT_IMPORTABLE = (DUPLICATE_KEY, SOURCE_CHANGED)
_SHOWN_ROWS = 10
_OWN = len(REJECTS_COLUMNS)


class Taken(NamedTuple):
    """A row that is taken: its line, with its line break, whether it could be imported as it stood, and whether
    a correction has changed it."""

    line: bytes
    is_importable: bool
    is_changed: bool


@dataclass(frozen=True)
class RowSelection:
    """
    Attributes:
        form: how the rejects file is read.
        corrections: texts by label, by row number.
        only_corrected: take no other rows.
        taken: by the numbers of the rows that other jobs have taken: the job.
        keys: labels of the primary key.
    """

    form: RejectsForm
    corrections: Mapping[int, Mapping[str, str]]
    only_corrected: bool
    taken: Mapping[int, str]
    keys: Sequence[str]

    @cached_property
    def encoding(self) -> str:
        """Of the rows that are taken: the file's, or UTF-8 where that lacks a character of the corrections."""
        texts = "".join(text for cells in self.corrections.values() for text in cells.values())
        try:
            texts.encode(self.form.encoding)
        except UnicodeEncodeError:
            return "utf-8"
        return self.form.encoding

    def header(self, header: bytes) -> bytes:
        """The beginning of the file, up to its first row, as that of the rows that are taken."""
        if self.encoding == self.form.encoding:
            return header
        text = header.decode(self.form.encoding).removeprefix("\ufeff")
        return f"\ufeff{text}".encode()  # the mark tells a rejects file in UTF-8 from the entity's files

    def take(self, raw: str, corrected: set[int]) -> Taken | None:
        """A row as it is taken; None for one that is not.

        Args:
            corrected: numbers of the rows whose corrections were applied; this call adds to it.

        Raises:
            JobFailed: its correction cannot be applied.
        """
        number, type, _ = raw.split(self.form.dialect.delimiter, 2)
        row = int(number)
        is_importable = type not in NOT_IMPORTABLE and row not in self.taken
        correction, before = self.corrections.get(row), raw
        if correction is None:
            if self.only_corrected or not is_importable:
                return None
        else:
            if row in corrected:
                raise _refused(f"Row {row} stands more than once among the rejected rows", row)
            raw = self._corrected(raw, row, type, correction)
            corrected.add(row)
        is_changed = raw != before and self._cells(raw) != self._cells(before)
        return Taken(f"{raw}\n".encode(self.encoding, "replace"), is_importable, is_changed)

    def _corrected(self, raw: str, row: int, type: str, correction: Mapping[str, str]) -> str:
        if row in self.taken:
            raise self._corrected_before(row)
        if type == SOURCE_CHANGED:
            raise _refused(f"Row {row} has no text left that could be corrected", row)
        labels, cells = self.form.labels, self._cells(raw)
        if unknown := [label for label in correction if label not in self._place]:
            raise _refused(f"Row {row}: the file has no column {unknown[0]!r}", row)
        own = cells[_OWN:]
        if type == DUPLICATE_KEY and not any(self._changes(own, label, correction) for label in self.keys):
            raise _refused(f"Row {row} is replaced by a later row of its key; correct its key", row)
        if len(correction) == len(labels):
            own = [correction[label] for label in labels]
        else:
            # A blank row may have no cells at all; another row that ends early is still one, where nobody filled it up.
            width = 1 + max(self._place[label] for label in correction) if any(own) else len(labels)
            own += [""] * (width - len(own))
            for label, text in correction.items():
                own[self._place[label]] = text
        wanted = [*cells[:_OWN], *own]
        line = record_text(wanted, self.form.dialect)
        if self._cells(line) != wanted:
            raise _refused(f"Row {row}: the file's dialect cannot hold the corrected text", row)
        return line

    def _corrected_before(self, row: int) -> JobFailed:
        job_id = self.taken[row]
        rows = sorted(each for each in self.corrections if self.taken.get(each) == job_id)
        what = f"Rows {_listed(rows)} were" if len(rows) > 1 else f"Row {row} was"
        them = "them" if len(rows) > 1 else "it"
        way_on = f"Leave {them} out here, and correct there what that job rejected"
        return _refused(f"{what} corrected before, by job {job_id}. {way_on}", row)

    @cached_property
    def _place(self) -> dict[str, int]:
        return {label: place for place, label in enumerate(self.form.labels)}

    def _changes(self, cells: Sequence[str], label: str, correction: Mapping[str, str]) -> bool:
        place = self._place[label]
        return label in correction and (place >= len(cells) or cells[place] != correction[label])

    def _cells(self, raw: str) -> list[str]:
        return next(csv.reader(io.StringIO(raw, newline=""), **self.form.dialect.reader_options()), [])

    def check_all_found(self, corrected: Collection[int]) -> None:
        """
        Raises:
            JobFailed: a correction is of a row that the file does not hold.
        """
        left = sorted(self.corrections.keys() - set(corrected))
        if left:
            many = f"{len(left):,} corrections are of rows" if len(left) > 1 else "A correction is of a row"
            raise _refused(f"{many} that the job before did not reject: {_listed(left)}", left[0])


def _listed(rows: Sequence[int]) -> str:
    return ", ".join(map(str, rows[:_SHOWN_ROWS])) + (", …" if len(rows) > _SHOWN_ROWS else "")


def _refused(reason: str, row: int) -> JobFailed:
    return JobFailed("source-error", f"{reason}. Nothing was imported.", row)
