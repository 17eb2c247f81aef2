"""The C files of this folder as functions: `library` returns them, or None where it was not built (`make native`).

Only speed depends on it: Python code does the same, and the tests hold the two against each other.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import (
    POINTER,
    Structure,
    c_char_p,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
    sizeof,
)
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PATH = FOLDER / "native.lib"

KINDS = (
    *("ignored", "text", "digits", "words", "automaton", "email", "integer", "number", "date", "datetime"),
    *("moment", "duration", "list", "foreign"),
)
SPELLINGS = ("spelled", "spaced", "with_text")
PARTS = ("with_date", "with_time", "guarded", "unwritten")
STEPS = ("trim", "collapse", "nfc", "upper", "lower")
FLAGS = {
    name: 1 << bit
    for bit, name in enumerate(
        ("required", "key", "compared", "has_least", "has_most", "open_least", "open_most", *STEPS, *SPELLINGS, *PARTS)
    )
}
#: Of cells of foreign columns, as `enum status`.
BLANK, ABSENT, DOUBTED = 1, 2, 4
WHOLE, UNEVEN = 2**32 - 1, 2**32 - 2
MAX_KEY_BYTES = 240
MAX_COLUMNS = 16_384  # of a worksheet
EMPTY_CELL = 0


class Span(Structure):
    """Bytes that the caller owns; `of` keeps them alive."""

    _fields_ = (("at", c_char_p), ("size", c_size_t))

    @classmethod
    def of(cls, data: bytes) -> Span:
        return cls(data, len(data))


class Word(Structure):
    _fields_ = (("cell", Span), ("text", Span))


class Column(Structure):
    _fields_ = (
        ("kind", c_int32),
        ("flags", c_uint32),
        ("opening", Span),
        ("closing", Span),
        ("missing", POINTER(Span)),
        ("missing_count", c_size_t),
        ("values", POINTER(Word)),
        ("value_count", c_size_t),
        ("fallback", Span),
        ("longest_value", c_size_t),
        ("words", POINTER(Word)),
        ("word_count", c_size_t),
        ("automaton", c_char_p),
        ("accepting", c_char_p),
        ("fewest", c_size_t),
        ("most", c_size_t),
        ("least", c_int64),
        ("greatest", c_int64),
        ("least_scale", c_int32),
        ("greatest_scale", c_int32),
        ("least_text", Span),
        ("greatest_text", Span),
        ("pattern", Span),
        ("group", Span),
        ("point", c_uint8),
        ("item", c_void_p),
        ("separator", Span),
    )


class Table(Structure):
    _fields_ = (
        ("columns", POINTER(Column)),
        ("width", c_size_t),
        ("delimiter", c_uint8),
        ("quote", c_uint8),
        ("has_quote", c_uint8),
        ("is_own", c_uint8),
        ("names_uneven", c_uint8),
        ("keys", POINTER(c_uint32)),
        ("key_count", c_size_t),
        ("uniques", POINTER(c_uint32)),
        ("unique_ends", POINTER(c_size_t)),
        ("unique_count", c_size_t),
        ("key_prefix", Span),
        ("head", Span),
        ("middle", Span),
        ("tail", Span),
        ("end", Span),
    )


class Cell(Structure):
    _fields_ = (("text", Span), ("read", Span), ("stored", Span), ("identity", Span), ("marks", c_uint32))


class Unverified(Structure):
    """A record that was not approved: its index and place in the data, without its line break; and one of its cells
    (column, place, without quotes), or all of it: `column` is WHOLE. The last one of a record with fewer or more
    cells than the header, or without any text, is UNEVEN: its `cell_start` is the number of cells, 0 for one without
    text, and at most one more than the header has."""

    _fields_ = (
        ("record", c_uint32),
        ("start", c_uint32),
        ("end", c_uint32),
        ("column", c_uint32),
        ("cell_start", c_uint32),
        ("cell_end", c_uint32),
    )


class Answers(Structure):
    """What became of the cells of a foreign column: a status each, and texts and identities, a NUL behind each."""

    _fields_ = (("statuses", c_char_p), ("texts", Span), ("identities", Span))


class Output(Structure):
    _fields_ = (
        ("texts", c_void_p),
        ("texts_room", c_size_t),
        ("texts_size", c_size_t),
        ("text_ends", c_void_p),
        ("keys", c_void_p),
        ("keys_room", c_size_t),
        ("keys_size", c_size_t),
        ("numbers", c_void_p),
        ("rows", c_void_p),
        ("digests", c_void_p),
        ("key_ends", c_void_p),
        ("good", c_size_t),
        ("unverified", c_void_p),
        ("unverified_room", c_size_t),
        ("unverified_count", c_size_t),
        ("unique_digests", c_void_p),
        ("unique_nulls", c_void_p),
        ("absent", c_void_p),
        ("answers", POINTER(Answers)),
        ("cells", POINTER(Cell)),
        ("scratch", c_void_p),
    )


class OtherCell(Structure):
    """A cell of a worksheet that is no text: `type` is EMPTY_CELL, or the letter of its type."""

    _fields_ = (("cell", c_uint32), ("type", c_uint32), ("style", c_uint32))


class SheetRow(Structure):
    _fields_ = (("number", c_uint32), ("end", c_uint32), ("gaps", c_uint32))


class Sheet(Structure):
    _fields_ = (
        ("texts", Span),
        ("text_ends", c_void_p),
        ("text_count", c_size_t),
        ("gaps_left", c_size_t),
        ("cells", c_void_p),
        ("cells_room", c_size_t),
        ("cells_size", c_size_t),
        ("cell_count", c_size_t),
        ("others", c_void_p),
        ("others_room", c_size_t),
        ("other_count", c_size_t),
        ("rows", c_void_p),
        ("rows_room", c_size_t),
        ("row_count", c_size_t),
    )


class ExportColumn(Structure):
    """A column of an export's file; `letter` is the first of S, N or BOOL."""

    _fields_ = (
        ("name", Span),
        ("letter", c_uint8),
        ("is_guarded", c_uint8),
        ("point", c_uint8),
        ("absent", Span),
        ("yes", Span),
        ("no", Span),
    )


class ExportTable(Structure):
    _fields_ = (
        ("columns", POINTER(ExportColumn)),
        ("width", c_size_t),
        ("gone", Span),
        ("line_end", Span),
        ("delimiter", c_uint8),
        ("quote", c_uint8),
        ("quotes_empty", c_uint8),
        ("is_special", c_char_p),
        ("constant_bytes", c_size_t),
    )


class FoundValue(Structure):
    _fields_ = (("kind", c_uint32), ("next", c_uint32), ("text", Span))


class PageRows(Structure):
    _fields_ = (
        ("text", c_void_p),
        ("room", c_size_t),
        ("scratch", c_void_p),
        ("found", POINTER(FoundValue)),
        ("size", c_size_t),
        ("count", c_size_t),
        ("items", c_size_t),
        ("key_start", c_size_t),
        ("key_end", c_size_t),
    )


_STRUCTURES: tuple[type[Structure], ...] = (
    Span,
    Word,
    Column,
    Table,
    Cell,
    Unverified,
    Answers,
    Output,
    OtherCell,
    SheetRow,
    Sheet,
    ExportColumn,
    ExportTable,
    FoundValue,
    PageRows,
)


def _layout() -> list[int]:
    """Sizes and offsets as `waybill_layout` lists them."""
    sizes: list[int] = []
    for structure in _STRUCTURES:
        sizes += [sizeof(structure), *(getattr(structure, name).offset for name, *_ in structure._fields_)]
    return [*sizes, MAX_KEY_BYTES, WHOLE, UNEVEN, MAX_COLUMNS, 0]


def _names() -> str:
    """Kinds and flags as `waybill_names` lists them."""
    return "".join(f"{name.upper()} " for name in (*KINDS, *FLAGS))


def source_hash() -> str:
    """SHA-256 of the C files."""
    found = sha256()
    for path in sorted([*FOLDER.glob("*.c"), *FOLDER.glob("*.h")]):
        found.update(path.read_bytes())
    return found.hexdigest()


@lru_cache(maxsize=1)
def library() -> Any:
    """The functions of the C files; None where the library was not built, was built of other sources than those beside
    it, or lays out its structures differently from ours."""
    if sys.byteorder == "big":  # the files that it writes are little-endian
        return None
    try:
        found = ctypes.CDLL(str(PATH))
    except OSError:
        return None
    found.waybill_source.restype = c_char_p
    if found.waybill_source() != source_hash().encode():
        return None
    found.waybill_layout.restype = POINTER(c_size_t)  # not before: an older library may lack it
    found.waybill_names.restype = c_char_p
    layout = found.waybill_layout()
    if found.waybill_names() != _names().encode() or not all(
        layout[place] == size for place, size in enumerate(_layout())
    ):
        return None
    for name, result, arguments in _FUNCTIONS:
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    return found


_FUNCTIONS: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
    ("waybill_digest", c_uint64, (c_char_p, c_size_t)),
    ("waybill_load_rows", c_int, (POINTER(Table), c_char_p, c_size_t, c_size_t, c_uint64, POINTER(Output))),
    ("waybill_constant_bytes", c_size_t, (POINTER(Table),)),
    ("waybill_scratch_bytes", c_size_t, (POINTER(Table), c_size_t)),
    (
        "waybill_collect",
        c_int,
        (POINTER(Table), c_char_p, c_size_t, c_size_t, POINTER(Output), c_void_p, POINTER(c_size_t)),
    ),
    ("waybill_is_utf8", c_int, (c_char_p, c_size_t)),
    ("waybill_count", c_size_t, (c_char_p, c_size_t, c_uint8)),
    ("waybill_cut_lines", c_int, (c_char_p, c_size_t, c_uint8, POINTER(c_size_t))),
    ("waybill_cut", c_int, (c_char_p, c_size_t, c_uint8, c_uint8, c_int, POINTER(c_size_t))),
    ("waybill_partition_sizes", None, (c_void_p, c_size_t, c_size_t, c_void_p)),
    ("waybill_partition", None, (c_void_p, c_void_p, c_size_t, c_size_t, c_void_p, c_void_p, c_void_p)),
    ("waybill_is_plain_xml", c_int, (c_char_p, c_size_t)),
    ("waybill_sheet_rows", c_size_t, (c_char_p, c_size_t, c_size_t, POINTER(Sheet))),
    (
        "waybill_shared_texts",
        c_size_t,
        (c_char_p, c_size_t, c_size_t, c_uint64, c_void_p, c_void_p, POINTER(c_size_t)),
    ),
    (
        "waybill_page_rows",
        c_int,
        (c_char_p, c_size_t, POINTER(ExportTable), c_char_p, c_size_t, POINTER(PageRows)),
    ),
    ("waybill_repeats", c_int, (c_void_p, c_size_t, c_void_p, c_size_t)),
)
