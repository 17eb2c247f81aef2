"""The shared texts of a workbook."""

from __future__ import annotations

from array import array

from waybill import native
from waybill.tabular.sheets import bad_workbook
from waybill.tabular.xlsx_native import NativeSheet, read_shared_texts
from waybill.tabular.xlsx_xml import OwnNames, Splitter, new_parser, unescaped

MAX_SHARED_TEXTS = 4_000_000


class Texts:
    """Texts by index, without an object for each, because there may be millions."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._ends = array("Q", [0])

    def append(self, text: str) -> None:
        self._data += text.encode()
        self._ends.append(len(self._data))
        self._check_count()

    def read(self, data: bytes, start: int) -> int:
        """Reads the items that the C library knows. Returns where the first other one begins."""
        library = native.library()
        if library is None:
            return start
        end, texts, ends = read_shared_texts(library, data, start, len(self._data))
        self._data += texts
        self._ends.extend(ends)
        self._check_count()
        return end

    def sheet(self) -> NativeSheet | None:
        """What reads the rows of a sheet with these texts; None without the C library. No text may be added then."""
        library = native.library()
        return None if library is None else NativeSheet(library, self._data, self._ends)

    def _check_count(self) -> None:
        if len(self) > MAX_SHARED_TEXTS:
            raise bad_workbook(f"it has more than {MAX_SHARED_TEXTS:,} shared texts")

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> str:
        return self._data[self._ends[index] : self._ends[index + 1]].decode()


class TextParser:
    """Shared texts: of each `si` the `t` elements, but for those of phonetic guides (`rPh`)."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._parts: list[str] = []
        self._is_text = self._is_guide = False
        self._own = OwnNames()
        self._parser = new_parser()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._split = Splitter(b"</si>", self._parser)

    def feed(self, data: bytes, final: bool) -> None:
        for item in self._split.take(data, final, self._texts.read):
            self._read(item)

    def _read(self, item: str) -> None:
        if item.startswith("<si><t>") and item.endswith("</t></si>") and item.count("<") == 4 and "&" not in item:
            self._texts.append(unescaped(item[7:-9]))
        else:
            self._split.parse(item)

    def _start(self, name: str, _: dict[str, str]) -> None:
        tag = self._own(name)
        if tag == "t":
            self._is_text = not self._is_guide
        elif tag == "rPh":
            self._is_guide = True

    def _end(self, name: str) -> None:
        tag = self._own(name)
        if tag == "t":
            self._is_text = False
        elif tag == "rPh":
            self._is_guide = False
        elif tag == "si":
            self._texts.append(unescaped("".join(self._parts)))
            self._parts.clear()

    def _text(self, data: str) -> None:
        if self._is_text:
            self._parts.append(data)
