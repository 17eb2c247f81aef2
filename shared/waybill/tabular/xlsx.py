"""Read sheets of an Office Open XML workbook as streams of rows (ECMA-376 part 1, chapter 18).

Own code over the standard library's expat, because available readers load a whole sheet and do not provide what files
of unknown origin need: memory that does not grow with the sheet (only the shared texts are kept), the texts of error
cells, exact row numbers, and limits that hold while reading. A formula counts as the value that was last saved, macros
are never read, a document type declaration is refused.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Callable, Iterator
from functools import cached_property

from waybill.tabular.sheets import Parts, Tab, Value, bad_workbook
from waybill.tabular.xlsx_formats import BUILT_IN, Format, format_of
from waybill.tabular.xlsx_sheet import SheetParser, Shortcut
from waybill.tabular.xlsx_texts import TextParser, Texts
from waybill.tabular.xlsx_xml import BROKEN_XML, OwnNames, new_parser, relations_in

MAX_SHARED_TEXT_BYTES = 128 * 1024**2
MAX_PART_BYTES = 16 * 1024**2
MAX_SHEET_BYTES = 4 * 1024**3

_Parse = Callable[[bytes, bool], object]
_See = Callable[[str, str, dict[str, str]], None]


class XlsxWorkbook:
    """An open workbook (`waybill.tabular.sheets.Workbook`).

    Raises:
        JobFailed: `format-error`.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._parts = Parts(archive)
        root = self._relations("_rels/.rels", "")
        self._path = next((path for kind, path in root.values() if kind == "officeDocument"), "xl/workbook.xml")
        folder, name = posixpath.split(self._path)
        self._related = self._relations(posixpath.join(folder, "_rels", f"{name}.rels"), folder)
        self.tabs = list[Tab]()
        self._tab_relations: list[str] = []
        self._is_1904 = False
        self._parse(self._path, self._see_workbook)

    def _see_workbook(self, inside: str, tag: str, attributes: dict[str, str]) -> None:
        if tag == "sheet" and inside == "sheets":
            relation = next((value for name, value in attributes.items() if name.endswith("/relationships id")), "")
            is_visible = attributes.get("state", "visible") == "visible"
            is_worksheet = self._related.get(relation, ("",))[0] == "worksheet"
            self.tabs.append(Tab(attributes.get("name", ""), is_visible, is_worksheet))
            self._tab_relations.append(relation)
        elif tag == "workbookPr" and inside == "workbook":
            self._is_1904 = attributes.get("date1904") in ("1", "true", "on")

    def rows(self, tab: int) -> Iterator[tuple[int, list[Value]]]:
        _, path = self._related[self._tab_relations[tab]]
        parser = SheetParser(self._formats, self._texts, self._is_1904)
        feed = Shortcut(parser, self._texts.sheet()).feed
        for _ in self._blocks(path, feed, MAX_SHEET_BYTES):
            if parser.rows:
                yield from parser.rows
                parser.rows.clear()

    def _part_of(self, kind: str) -> str:
        return next((path for one, path in self._related.values() if one == kind), "")

    def _relations(self, path: str, folder: str) -> dict[str, tuple[str, str]]:
        data = self._parts.read(path, MAX_PART_BYTES)
        return {} if data is None else relations_in(data, folder)

    @cached_property
    def _formats(self) -> list[Format]:
        """The number format of each cell style."""
        path = self._part_of("styles")
        codes: dict[int, str] = {}
        formats: list[Format] = []

        def see(inside: str, tag: str, attributes: dict[str, str]) -> None:
            if tag == "numFmt" and inside == "numFmts":
                codes[int(attributes.get("numFmtId", "0"))] = attributes.get("formatCode", "")
            elif tag == "xf" and inside == "cellXfs":
                number = int(attributes.get("numFmtId", "0"))
                formats.append(format_of(codes.get(number, BUILT_IN.get(number, ""))))

        if path in self._parts:
            self._parse(path, see)
        return formats

    @cached_property
    def _texts(self) -> Texts:
        texts, path = Texts(), self._part_of("sharedStrings")
        if path in self._parts:
            parser = TextParser(texts)
            self._feed(path, parser.feed, MAX_SHARED_TEXT_BYTES)
        return texts

    def _parse(self, path: str, see: _See) -> None:
        """Call `see` with the name of each element, after that of the one around it; "" is one of an extension."""
        parser, own, around = new_parser(), OwnNames(), [""]

        def start(name: str, attributes: dict[str, str]) -> None:
            tag = own(name)
            see(around[-1], tag, attributes)
            around.append(tag)

        parser.StartElementHandler = start
        parser.EndElementHandler = lambda _: around.pop()
        self._feed(path, parser.Parse, MAX_PART_BYTES)

    def _feed(self, path: str, parse: _Parse, max_bytes: int) -> None:
        for _ in self._blocks(path, parse, max_bytes):
            pass

    def _blocks(self, path: str, parse: _Parse, max_bytes: int) -> Iterator[None]:
        """Feed a part to a parser, block by block."""
        try:
            for data in self._parts.blocks(path, max_bytes):
                parse(data, False)
                yield
            parse(b"", True)
            yield
        except BROKEN_XML:
            raise bad_workbook("its XML is broken") from None
        except (ValueError, OverflowError):
            raise bad_workbook("it contains an invalid value") from None
