"""`year`: stored as `N`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

from .attributes import Attribute
from .base import ORDERED, ColumnKind, FieldType
from .export_columns import CachedTexts, ExportLane, TypedColumns
from .integer import whole_number_text
from .native_kind import Bound, NativeKind


class YearType(FieldType):
    """Four digits, `0000` to `9999` (XML Schema gYear without a time zone); stored as a number."""

    name: ClassVar[str] = "year"
    column: ClassVar[ColumnKind] = "year"
    storage: ClassVar[str] = "N"
    constraints: ClassVar[frozenset[str]] = ORDERED
    noun = "a year (YYYY)"

    _GRAMMAR = re.compile("[0-9]{4}")

    def parse(self, cell: str) -> int:
        if not self._GRAMMAR.fullmatch(cell):
            raise ValueError
        return int(cell)

    def parse_given(self, given: Any) -> int:
        if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= 9999:
            return given
        if isinstance(given, str):
            return self.parse(given)
        raise ValueError

    def to_json(self, attribute: Attribute) -> int:
        return int(Decimal(attribute["N"]))

    def to_cell(self, attribute: Attribute) -> str:
        return f"{int(Decimal(attribute['N'])):04d}"

    def native(self, limits: Mapping[str, Any]) -> NativeKind | None:
        """Four digits, and as a number no zero before them."""
        return None if limits else NativeKind("integer", 4, 4, least=Bound(1_000))

    def cell_of_number(self, text: str) -> str:
        return whole_number_text(text)

    @property
    def is_written_as_stored(self) -> bool:
        return False

    def exported(self, form: TypedColumns, guarded: bool) -> ExportLane:
        years = CachedTexts(lambda text: self.to_cell({"N": text}))
        return lambda values: form.numbers([years[value] for value in values], ".")
