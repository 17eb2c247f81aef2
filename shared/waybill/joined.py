"""Many texts in one bytes object, each followed by a comma: the requests of a million rows take only a few objects."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import overload


class JoinedTexts(Sequence[bytes]):
    """`data` holds the texts, each followed by a comma; `ends[i]` is the offset just after the comma of text i."""

    __slots__ = ("_data", "_ends", "_first")

    def __init__(self, data: bytes, ends: array[int], first: int = 0) -> None:
        self._data, self._ends = data, ends
        self._first = first  # offset of the first text

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self._ends))
            if step != 1:
                return [self[place] for place in range(start, stop, step)]
            return JoinedTexts(self._data, self._ends[start:stop], self._start(start))
        place = range(len(self._ends))[index]
        return self._data[self._start(place) : self._ends[place] - 1]

    def _start(self, place: int) -> int:
        return self._ends[place - 1] if place else self._first

    def joined(self) -> bytes:
        """Returns the texts separated by commas."""
        return self._data[self._first : self._ends[-1] - 1] if self._ends else b""


def join(texts: Sequence[bytes]) -> bytes:
    """Returns the texts separated by commas."""
    return texts.joined() if isinstance(texts, JoinedTexts) else b",".join(texts)
