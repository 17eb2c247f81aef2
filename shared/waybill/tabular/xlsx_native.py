"""Reads what is frequent in workbooks with the C library: shared texts, and rows whose every cell has its usual form.

The library stops before whatever else there is, which the readers beside this file take.
"""

from __future__ import annotations

import ctypes
from array import array
from typing import Any, NamedTuple

from waybill.native import OtherCell, Sheet, SheetRow, Span

# For a block of the sheet (`sheets.BLOCK_BYTES`); rows for which there is no room are left to the other readers.
CELLS_ROOM_BYTES = 256 * 1024
MAX_CELLS, MAX_ROWS = 32 * 1024, 4 * 1024
_LEAST_ITEM_BYTES = len("<si><t></t></si>")


class NativeRows(NamedTuple):
    """Rows of a sheet. `end` is where the next one begins in the data.

    `cells` are texts, a NUL behind each; `others` are the cells that are none: the cell's index, its type, as in the
    file or `native.EMPTY_CELL`, and its style. `rows` are their numbers, or 0, then the index of the cell after the
    last, and how many of the cells only fill a gap.
    """

    end: int
    cells: str
    others: tuple[array[int], array[int], array[int]]
    rows: tuple[array[int], array[int], array[int]]


class NativeSheet:
    """Reads the rows of one sheet.

    Args:
        texts: the shared texts, one after the other; they stay as they are from now on.
        ends: the offset before the first text, and after each.
    """

    def __init__(self, library: Any, texts: bytearray, ends: array[int]) -> None:
        self._library = library
        held = (ctypes.c_char * len(texts)).from_buffer(texts)
        self._kept = held, ends
        self._cells = ctypes.create_string_buffer(CELLS_ROOM_BYTES)
        self._others, self._rows = (OtherCell * MAX_CELLS)(), (SheetRow * MAX_ROWS)()
        self._sheet = Sheet(
            texts=Span(ctypes.cast(held, ctypes.c_char_p), len(texts)),
            text_ends=ends.buffer_info()[0],
            text_count=len(ends) - 1,
            cells=ctypes.addressof(self._cells),
            cells_room=CELLS_ROOM_BYTES,
            others=ctypes.addressof(self._others),
            others_room=MAX_CELLS,
            rows=ctypes.addressof(self._rows),
            rows_room=MAX_ROWS,
        )

    def read(self, data: bytes, start: int, gaps_left: int) -> NativeRows:
        """Reads rows from `start` on, which fill gaps with up to `gaps_left` cells; perhaps none."""
        sheet = self._sheet
        sheet.gaps_left = gaps_left
        end = self._library.waybill_sheet_rows(data, start, len(data), sheet)
        return NativeRows(
            end,
            ctypes.string_at(sheet.cells, sheet.cells_size).decode(),
            _columns(sheet.others, sheet.other_count),
            _columns(sheet.rows, sheet.row_count),
        )


def read_shared_texts(library: Any, data: bytes, start: int, base: int) -> tuple[int, bytes, array[int]]:
    """(where the first item of another form begins, the texts before it, the offset after each from `base` on)."""
    texts, ends = ctypes.create_string_buffer(len(data)), array("Q", bytes(8 * (len(data) // _LEAST_ITEM_BYTES)))
    found = (ctypes.c_size_t * 2)()
    address = ends.buffer_info()[0]
    end = library.waybill_shared_texts(data, start, len(data), base, texts, address, found)
    return end, texts.raw[: found[0]], ends[: found[1]]


def _columns(address: int, count: int) -> tuple[array[int], array[int], array[int]]:
    """Three numbers each, by place."""
    numbers = array("I", ctypes.string_at(address, 12 * count))
    return numbers[0::3], numbers[1::3], numbers[2::3]
