"""What every field type answers; each has a module of its own beside this one."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from ..columns import CacheLane, Lane
from . import typed_cells
from .attributes import Attribute
from .export_columns import ExportLane, TypedColumns
from .native_kind import NativeKind

if TYPE_CHECKING:
    from ..cells import CheckedField

ColumnKind = Literal["text", "integer", "number", "boolean", "date", "datetime", "year"]
ORDERED = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
SIZED = frozenset({"minLength", "maxLength"})


class Property(NamedTuple):
    """A property of the descriptor that belongs to one type.

    `option` is the argument of the type's constructor that it becomes; `problem` says what is wrong with a given value,
    None when it is fine; `read` makes the argument of it.
    """

    option: str
    problem: Callable[[Any], str | None]
    read: Callable[[Any], Any] = lambda given: given


def text_problem(given: Any) -> str | None:
    return None if isinstance(given, str) else "must be a text"


def flag_problem(given: Any) -> str | None:
    return None if isinstance(given, bool) else "must be true or false"


def texts_problem(given: Any) -> str | None:
    is_fine = isinstance(given, list) and given and all(isinstance(entry, str) for entry in given)
    return None if is_fine else "must be a list of at least one text"


class FieldType:
    """One type with one format: everything that Waybill knows about it.

    | what | members |
    |---|---|
    | the schema | `name`, `formats`, `properties`, `constraints`, `has_categories` |
    | cell text ↔ value | `parse`, `parse_given`, `noun`, `units`, `identity`, `order`, `length` |
    | value ↔ DynamoDB attribute | `storage`, `letter`, `stored`, `attribute_of`, `value_of_identity`, `to_json` |
    | import, quickly | `lane` (a block of cells at once), `native` (the C library) |
    | import of typed values (workbooks, JSON Lines) | `cell_of_…` |
    | export | `to_cell`, `exported`, `is_written_as_stored`, `column` |
    | filters of exports | `is_text`, `is_ordered`, `has_elements`, `filter_…` |

    `storage` is the DynamoDB type letter of a scalar (`S`, `N`, `BOOL`); `""` when `stored` gives a whole attribute
    value as JSON text. `constraints` are those the standard allows beside `required`, `unique` and `enum`. `noun` says
    what a cell should have been: a bad one is "not {noun}". `units` are what its length counts. `formats` are the
    formats it takes; empty when its constructor checks the format itself. `column` is what a column of Parquet holds.
    """

    name: ClassVar[str]
    column: ClassVar[ColumnKind] = "text"
    formats: ClassVar[Collection[str]] = ("default",)
    properties: ClassVar[Mapping[str, Property]] = {}
    storage: ClassVar[str] = "S"
    constraints: ClassVar[frozenset[str]] = frozenset()
    has_categories: ClassVar[bool] = False
    is_text: ClassVar[bool] = False
    has_elements: ClassVar[bool] = False
    noun: str = "valid text"
    units: ClassVar[str] = "characters"

    def __init__(self, format: str = "default") -> None:
        if format == "any" and self.formats == ("default",):  # descriptors of older tools have it in fields of any type
            format = "default"
        if self.formats and format not in self.formats:
            some = len(self.formats) > 2
            words = ("one of " + ", ".join(self.formats)) if some else " or ".join(self.formats)
            raise ValueError(f"format must be {words}")
        self.format = format

    # Cell text and values

    def parse(self, cell: str) -> Any:
        """Reads a cell that is not a missing value.

        Raises:
            ValueError: the cell is not of the type; `Unreadable` when there is a reason to tell.
        """
        raise NotImplementedError

    def parse_given(self, given: Any) -> Any:
        """Reads a value of the schema itself (a bound, an enum entry): typed JSON, or text as in a cell."""
        if isinstance(given, str):
            return self.parse(given)
        raise ValueError

    def identity(self, value: Any) -> str:
        """Equal values have equal identities: record keys, `unique`, `uniqueKeys` and `enum` compare these."""
        return self.stored(value)

    def order(self, value: Any) -> Any:
        """What bounds compare."""
        return value

    def length(self, value: Any) -> int:
        """What `minLength` and `maxLength` compare."""
        return len(value)

    # DynamoDB attributes

    @property
    def letter(self) -> str:
        """The DynamoDB type letter of the whole attribute: `M` or `L` where there is no `storage`."""
        return self.storage

    def stored(self, value: Any) -> str:
        """The text inside `{"S": …}` / `{"N": …}` (not escaped), `true`/`false`, or a whole attribute as JSON."""
        return str(value)

    def attribute_of(self, text: str) -> Attribute:
        """A text, read as a cell, as the attribute that is stored. Raises ValueError where it cannot be read."""
        stored = self.stored(self.parse(text))
        if self.storage:
            return {self.storage: stored}
        attribute: Attribute = json.loads(stored)
        return attribute

    def value_of_identity(self, identity: str) -> Any:
        """What is inside the attribute of a value with this identity."""
        return identity

    def to_json(self, attribute: Attribute) -> Any:
        """The value as the records API shows it."""
        return attribute[self.storage]

    # Imports

    def lane(self, field: CheckedField) -> Lane:
        """Converts blocks of cells of a field without `enum` and `categories`."""
        return CacheLane(field) if self.storage else Lane(field)

    def native(self, limits: Mapping[str, Any]) -> NativeKind | None:
        """How the native library checks a column with these constraints (name → limit); None where it cannot."""
        return None

    def cell_of_boolean(self, value: bool, text: str) -> str:
        """A typed boolean as cell text; `text` is how the file writes it."""
        return text

    def cell_of_number(self, text: str) -> str:
        """A typed number, given as plain decimal text, as cell text."""
        return text

    def cell_of_moment(self, value: datetime | time | timedelta) -> str:
        """A workbook's date, time or elapsed time as cell text."""
        return typed_cells.moment_text(value)

    def cell_of_iso(self, text: str) -> str:
        """A date, a time or both, of a typed column and in ISO 8601, as cell text."""
        return text

    def cell_of_list(self, values: list[Any], to_json: Callable[[Any], str]) -> str:
        """An array of JSON Lines as cell text; `to_json` writes its values as they are in the file."""
        return to_json(values)

    def cell_of_set(self, members: Sequence[str]) -> str | None:
        """A DynamoDB set, written by another program, as cell text; None where an array of JSON is best."""
        return None

    # Exports

    def to_cell(self, attribute: Attribute) -> str:
        """The text an export writes; reading it again gives the same value and the same text."""
        return str(attribute[self.storage])

    @property
    def is_written_as_stored(self) -> bool:
        """Whether `exported` writes what is inside the attribute: of a number with the type's decimal character, of a
        boolean in the type's words."""
        return bool(self.storage)

    def exported(self, form: TypedColumns, guarded: bool) -> ExportLane:
        """Returns what makes an export's cells of a page's column: of the values inside the attributes, or of whole
        attributes where there is no `storage`. It raises TypeError or KeyError where a value has another type."""
        if not self.storage:
            return lambda attributes: form.nested(attributes, self.to_cell)
        return lambda values: form.texts(values, guarded=guarded)

    # Filters

    @property
    def is_ordered(self) -> bool:
        """Whether filters compare by order."""
        return bool(self.constraints & ORDERED)

    def filter_noun(self, op: str) -> str:
        """What the value of a condition must be."""
        return self.noun

    def filter_value(self, given: Any, op: str) -> Any:
        """The key of a condition's value. Raises ValueError, TypeError and others when it is of the wrong type."""
        return self.filter_key(op)(self.parse_given(given))

    def filter_key(self, op: str) -> Callable[[Any], Any]:
        """Value → what filters compare: equal values have equal keys; those of the orderings have an order too."""
        return self.order if self.is_ordered else self.identity

    def filter_reader(self, op: str) -> Callable[[Attribute], Any]:
        """Attribute as the type stores it → its key. Raises ValueError, KeyError and others for any other attribute."""
        key = self.filter_key(op)
        return lambda attribute: key(self.parse(self.to_cell(attribute)))
