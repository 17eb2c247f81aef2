"""`native.c` as functions, where it was built (`make native`): `library` is None where it was not.

Nothing depends on it but speed. What it does is done by Python code too, and the tests hold the two against each other.
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
)
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("native.lib")
SOURCE = Path(__file__).with_name("native.c")

KINDS = ("ignored", "text", "digits", "words", "automaton", "email", "integer", "number", "date", "datetime")
REQUIRED, KEY, HAS_LEAST, HAS_MOST, OPEN_LEAST, OPEN_MOST = (1 << bit for bit in range(6))
WHOLE = 2**32 - 1
MAX_KEY_BYTES = 240
UNVERIFIED_NUMBERS = 6


class Span(Structure):
    """Bytes that are somebody else's; `of` keeps them alive."""

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
    )


class Table(Structure):
    _fields_ = (
        ("columns", POINTER(Column)),
        ("width", c_size_t),
        ("delimiter", c_uint8),
        ("quote", c_uint8),
        ("has_quote", c_uint8),
        ("is_own", c_uint8),
        ("keys", POINTER(c_uint32)),
        ("key_count", c_size_t),
        ("key_prefix", Span),
        ("head", Span),
        ("middle", Span),
        ("tail", Span),
        ("end", Span),
    )


class Cell(Structure):
    _fields_ = (("text", Span), ("stored", Span), ("marks", c_uint32))


class Output(Structure):
    _fields_ = (
        ("texts", c_void_p),
        ("texts_room", c_size_t),
        ("texts_size", c_size_t),
        ("text_ends", c_void_p),
        ("keys", c_void_p),
        ("keys_room", c_size_t),
        ("keys_size", c_size_t),
        ("rows", c_void_p),
        ("digests", c_void_p),
        ("key_ends", c_void_p),
        ("good", c_size_t),
        ("unverified", c_void_p),
        ("unverified_room", c_size_t),
        ("unverified_count", c_size_t),
        ("cells", POINTER(Cell)),
        ("unquoted", c_void_p),
    )


@lru_cache(maxsize=1)
def library() -> Any:
    """The functions of `native.c`; None where the library was not built, or of another source than stands beside it."""
    if sys.byteorder == "big":  # files have numbers as most machines have them
        return None
    try:
        found = ctypes.CDLL(str(PATH))
    except OSError:
        return None
    found.waybill_source.restype = c_char_p
    if SOURCE.exists() and sha256(SOURCE.read_bytes()).hexdigest().encode() != found.waybill_source():
        return None
    for name, result, arguments in _FUNCTIONS:
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    return found


_FUNCTIONS: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
    ("waybill_digest", c_uint64, (c_char_p, c_size_t)),
    ("waybill_load_rows", c_int, (POINTER(Table), c_char_p, c_size_t, c_size_t, c_uint64, POINTER(Output))),
    ("waybill_count", c_size_t, (c_char_p, c_size_t, c_uint8)),
    ("waybill_cut", c_int, (c_char_p, c_size_t, c_uint8, c_uint8, c_int, POINTER(c_size_t))),
    ("waybill_partition", None, (c_void_p, c_void_p, c_size_t, c_size_t, c_void_p, c_void_p, c_void_p)),
    ("waybill_repeats", c_int, (c_void_p, c_size_t, c_void_p, c_size_t)),
)
