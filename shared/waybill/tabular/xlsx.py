"""Read one sheet of an Office Open XML workbook as a stream of rows (ECMA-376 part 1, chapter 18).

Own code over the standard library's expat, because available readers load a whole sheet and do not provide what files
of unknown origin need: memory that does not grow with the sheet (only the shared texts are kept), the texts of error
cells, exact row numbers, and limits that hold while reading. A formula counts as the value that was last saved, macros
are never read, a document type declaration is refused.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Callable, Iterator
from xml.parsers import expat

from waybill.errors import JobFailed
from waybill.tabular.compressed import damage_told
from waybill.tabular.sheets import SheetRows, Value, bad_workbook, check_part
from waybill.tabular.xlsx_formats import BUILT_IN, Format, format_of
from waybill.tabular.xlsx_sheet import SheetParser, Shortcut
from waybill.tabular.xlsx_texts import TextParser, Texts
from waybill.tabular.xlsx_xml import BLOCK_BYTES, new_parser

MAX_SHARED_TEXT_BYTES = 128 * 1024**2
MAX_PART_BYTES = 16 * 1024**2
MAX_SHEET_BYTES = 4 * 1024**3

_Parse = Callable[[bytes, bool], object]
_See = Callable[[str, dict[str, str]], None]


def read_sheet(archive: zipfile.ZipFile, sheet_name: str | None, sheet_number: int) -> SheetRows:
    """Open one sheet of a workbook.

    Args:
        sheet_name: takes precedence over the number, which counts from 1 in the order of the tabs.

    Raises (also while iterating):
        JobFailed: `format-error`; `source-error` where there is no such sheet.
    """
    return _Workbook(archive).sheet(sheet_name, sheet_number)


class _Workbook:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._parts = {info.filename.lstrip("/").lower(): info for info in archive.infolist()}
        root = self._relations("_rels/.rels", "")
        self._path = next((path for kind, path in root.values() if kind == "officeDocument"), "xl/workbook.xml")
        folder, name = posixpath.split(self._path)
        self._related = self._relations(f"{folder}/_rels/{name}.rels", folder)
        self._sheets: list[tuple[str, str]] = []
        self._is_1904 = False
        self._parse(self._path, self._see_workbook)

    def _see_workbook(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "sheet":
            relation = next((value for name, value in attributes.items() if name.endswith(":id")), "")
            self._sheets.append((attributes.get("name", ""), relation))
        elif tag == "workbookPr":
            self._is_1904 = attributes.get("date1904") in ("1", "true", "on")

    def sheet(self, wanted: str | None, number: int) -> SheetRows:
        if wanted is not None:
            found = [sheet for sheet in self._sheets if sheet[0] == wanted]
        else:
            found = self._sheets[number - 1 : number]
        if not found:
            what = f'named "{wanted}"' if wanted is not None else f"number {number}"
            raise JobFailed("source-error", f"The workbook has no sheet {what}.")
        name, relation = found[0]
        kind, path = self._related.get(relation, ("", ""))
        if kind != "worksheet":
            raise JobFailed("source-error", f'"{name}" is no worksheet.')
        styles = next((path for kind, path in self._related.values() if kind == "styles"), "")
        texts = next((path for kind, path in self._related.values() if kind == "sharedStrings"), "")
        names = [title for title, one in self._sheets if self._related.get(one, ("",))[0] == "worksheet"]
        return SheetRows(name, names, self._rows(path, self._formats(styles), self._shared_texts(texts)))

    def _relations(self, path: str, folder: str) -> dict[str, tuple[str, str]]:
        """Relation id → (kind, path of the part)."""
        found: dict[str, tuple[str, str]] = {}

        def see(tag: str, attributes: dict[str, str]) -> None:
            if tag == "Relationship" and attributes.get("TargetMode") != "External":
                target = attributes.get("Target", "")
                target = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
                kind = attributes.get("Type", "").rpartition("/")[2]
                found[attributes.get("Id", str(len(found)))] = (kind, posixpath.normpath(target))

        if path.lower() in self._parts:
            self._parse(path, see)
        return found

    def _formats(self, path: str) -> list[Format]:
        """The number format of each cell style."""
        codes: dict[int, str] = {}
        formats: list[Format] = []
        inside = ""

        def see(tag: str, attributes: dict[str, str]) -> None:
            nonlocal inside
            if tag in ("cellXfs", "cellStyleXfs", "dxfs"):
                inside = tag
            elif tag == "numFmt" and inside != "dxfs":
                codes[int(attributes.get("numFmtId", "0"))] = attributes.get("formatCode", "")
            elif tag == "xf" and inside == "cellXfs":
                number = int(attributes.get("numFmtId", "0"))
                formats.append(format_of(codes.get(number, BUILT_IN.get(number, ""))))

        if path and path.lower() in self._parts:
            self._parse(path, see)
        return formats

    def _shared_texts(self, path: str) -> Texts:
        texts = Texts()
        if path and path.lower() in self._parts:
            parser = TextParser(texts)
            self._feed(path, parser.feed, MAX_SHARED_TEXT_BYTES)
        return texts

    def _rows(self, path: str, formats: list[Format], texts: Texts) -> Iterator[tuple[int, list[Value]]]:
        parser = SheetParser(formats, texts, self._is_1904)
        feed = Shortcut(parser).feed
        for _ in self._blocks(path, feed, MAX_SHEET_BYTES):
            if parser.rows:
                yield from parser.rows
                parser.rows.clear()

    def _parse(self, path: str, see: _See) -> None:
        parser = new_parser()
        parser.StartElementHandler = lambda name, attributes: see(name.rpartition(":")[2], attributes)
        self._feed(path, parser.Parse, MAX_PART_BYTES)

    def _feed(self, path: str, parse: _Parse, max_bytes: int) -> None:
        for _ in self._blocks(path, parse, max_bytes):
            pass

    def _blocks(self, path: str, parse: _Parse, max_bytes: int) -> Iterator[None]:
        """Feed a part to a parser, block by block."""
        info = self._parts.get(path.lower())
        if info is None:
            raise bad_workbook("a part of it is missing")
        check_part(info, max_bytes)
        try:
            with damage_told("The workbook is damaged or ends too early.", "format-error"):
                part = self._archive.open(info)
            while True:
                with damage_told("The workbook is damaged or ends too early.", "format-error"):
                    data = part.read(BLOCK_BYTES)
                parse(data, not data)
                yield
                if not data:
                    return
        except expat.ExpatError:
            raise bad_workbook("its XML is broken") from None
        except (ValueError, OverflowError):
            raise bad_workbook("it contains an invalid value") from None
