"""What is known about a table before it is read: the schema, as the detection of dialects asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .header import HeaderMatch, HeaderMismatch, likely_match
from .schema import Schema


class ExpectedTable:
    """The fields of an entity, as a file of it may have them (`tabular.detect_dialect.Expected`)."""

    def __init__(self, schema: Schema, renames: Mapping[str, str], match: Callable[[list[str]], HeaderMatch]) -> None:
        """
        Args:
            renames: field names by label.
            match: returns the fields of labels, or raises HeaderMismatch.
        """
        self._schema, self._renames, self._match = schema, renames, match
        self.field_names = [field.name for field in schema.fields]

    def named(self, labels: Sequence[str]) -> int:
        return len(likely_match(self._schema, labels, self._renames).columns)

    def fits(self, labels: list[str]) -> bool:
        try:
            self._match(labels)
        except HeaderMismatch:
            return False
        return True

    def row_check(self, labels: Sequence[str]) -> Callable[[Sequence[str]], bool]:
        columns = likely_match(self._schema, labels, self._renames).columns
        return lambda cells: not any(field.check(cells[position])[1] for position, field in columns)

    def text_columns(self, labels: Sequence[str]) -> Sequence[int]:
        columns = likely_match(self._schema, labels, self._renames).columns
        return [position for position, field in columns if field.kind.is_text]
