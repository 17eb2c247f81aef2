"""Read one sheet of an Office Open XML workbook as a stream of rows (ECMA-376 part 1, chapter 18).

Own code over the standard library's expat, because what files of strangers need is not to be had from readers that
load a sheet at once: memory that does not grow with the sheet (only the shared texts are kept), the texts of error
cells, exact row numbers, and limits that hold while reading. Formulas count by the value that was last saved, macros
are never looked at, a document type declaration is refused.
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
        sheet_name: wins over the number, which counts from 1 in the order of the tabs.

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
        return SheetRows(name, self._rows(path, self._formats(styles), self._shared_texts(texts)))

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
        """What the number format of each cell style makes of a number."""
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
            raise bad_workbook("it holds a value that is none") from None


def check_part(info: zipfile.ZipInfo, max_bytes: int) -> None:
    """
    Raises:
        JobFailed: `format-error`, the part is encrypted or much larger than that of a table.
    """
    if info.flag_bits & 1:
        raise bad_workbook("it is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise bad_workbook("it is compressed in a way that is not read")
    if info.file_size > max_bytes:
        raise bad_workbook(f"{posixpath.basename(info.filename)} has more than {max_bytes // 1024**2:,} MiB")
    if info.file_size > RATIO_COUNTS_FROM_BYTES and info.file_size > MAX_RATIO * info.compress_size:
        raise bad_workbook(f"it decompresses to over {MAX_RATIO} times its size, as no table does")


def _refuse_declaration(*_: object) -> None:
    raise bad_workbook("it has a document type declaration")


def _new_parser() -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = 64 * 1024
    parser.StartDoctypeDeclHandler = _refuse_declaration
    parser.EntityDeclHandler = _refuse_declaration
    return parser


_ESCAPE = re.compile("_x((?![Dd][89A-Fa-f])[0-9A-Fa-f]{4})_")


def _plain(text: str) -> str:
    """Text with `_x000D_` and the like as the characters they stand for (ECMA-376 part 1, 22.9.2.19)."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


class _Texts:
    """Texts by index, without an object for each: there may be millions."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._ends = array("Q", [0])

    def append(self, text: str) -> None:
        if len(self._ends) > MAX_SHARED_TEXTS:
            raise bad_workbook(f"it has more than {MAX_SHARED_TEXTS:,} shared texts")
        self._data += text.encode()
        self._ends.append(len(self._data))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> str:
        return self._data[self._ends[index] : self._ends[index + 1]].decode()


class _TextParser:
    """Shared texts: of each `si` the `t` elements, but for those of phonetic guides (`rPh`)."""

    def __init__(self, texts: _Texts) -> None:
        self._texts = texts
        self._parts: list[str] = []
        self._is_text = self._is_guide = False
        self._parser = _new_parser()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._split = _Splitter(b"</si>", self._parser)

    def feed(self, data: bytes, final: bool) -> None:
        for item in self._split.take(data, final):
            if item.startswith("<si><t>") and item.endswith("</t></si>") and item.count("<") == 4 and "&" not in item:
                self._texts.append(_plain(item[7:-9]))
            else:
                self._split.parse(item)

    def _start(self, name: str, _: dict[str, str]) -> None:
        tag = name.rpartition(":")[2]
        if tag == "t":
            self._is_text = not self._is_guide
        elif tag == "rPh":
            self._is_guide = True

    def _end(self, name: str) -> None:
        tag = name.rpartition(":")[2]
        if tag == "t":
            self._is_text = False
        elif tag == "rPh":
            self._is_guide = False
        elif tag == "si":
            self._texts.append(_plain("".join(self._parts)))
            self._parts.clear()

    def _text(self, data: str) -> None:
        if self._is_text:
            self._parts.append(data)


class _Splitter:
    """Cuts XML behind each end tag of one element, for readers that take the usual spelling of it without a parser.

    Items come only while that is safe: from the first comment, processing instruction, CDATA section, control character
    or foreign encoding on, everything goes to the parser. So does what stands before the first item and, by `parse`,
    each item of another spelling; what the parser sees is well-formed, with the items taken elsewhere left out.
    """

    def __init__(self, end_tag: bytes, parser: expat.XMLParserType) -> None:
        self._end_tag = end_tag
        self._start_tag = end_tag.replace(b"</", b"<").rstrip(b">")
        self._parser = parser
        self._carry = b""
        self._is_begun = self._is_given_up = False

    def take(self, data: bytes, final: bool) -> Iterator[str]:
        if self._is_given_up:
            self._parser.Parse(data, final)
            return
        buffer = self._carry + data
        if self._is_begun:
            is_safe = _is_safe(self._carry[-1:] + data)
        else:
            buffer = self._begin(buffer)
            is_safe = _is_safe(buffer)
        items: list[str] = []
        if self._is_begun and is_safe:
            end = buffer.rfind(self._end_tag) + len(self._end_tag)
            if end >= len(self._end_tag):
                try:
                    items = buffer[:end].decode().split(self._end_tag.decode())[:-1]
                    buffer = buffer[end:]
                except UnicodeDecodeError:
                    self._is_given_up = True
        elif self._is_begun:
            self._is_given_up = True
        self._carry = buffer
        for item in items:
            yield item + self._end_tag.decode()
        if final or self._is_given_up or len(buffer) > _LONGEST_ITEM_BYTES:
            self._is_given_up, self._carry = True, b""
            self._parser.Parse(buffer, final)

    def parse(self, item: str) -> None:
        self._parser.Parse(item.encode(), False)

    def _begin(self, buffer: bytes) -> bytes:
        """Give the parser what stands before the first item."""
        at = buffer.find(self._start_tag)
        if at < 0 and len(buffer) < _BLOCK_BYTES:
            return buffer
        head = buffer[: max(at, 0)]
        declared = re.search(rb"encoding=[\"']([^\"']*)", head)
        if at < 0 or b"<!" in head or (declared and declared[1].lower() != b"utf-8"):
            self._is_given_up = True
            return buffer
        self._is_begun = True
        self._parser.Parse(head, False)
        return buffer[at:]


_LONGEST_ITEM_BYTES = 1024 * 1024
_CONTROLS = bytes(set(range(32)) - set(b"\t\n"))


def _is_safe(data: bytes) -> bool:
    return not (b"<!" in data or b"<?" in data or len(data.translate(None, _CONTROLS)) < len(data))


_ATTRIBUTES = r'(?: [\w:.-]+="[^"<&]*")*+'
_CELL = (
    r'<c(?: r="([A-Z]+)[0-9]+")?(?: s="([0-9]+)")?(?: t="([a-zA-Z]+)")?'
    rf"(?:/>|>(?:<f{_ATTRIBUTES}(?:/>|>[^<]*</f>))?"
    r'(?:<v>([^<&]*)</v>|<is><t(?: xml:space="preserve")?>([^<&]*)</t></is>)?</c>)'
)
_PLAIN_ROW = re.compile(rf"\s*<row({_ATTRIBUTES})>")
_SPLIT_CELLS = re.compile(_CELL).split
_ROW_NUMBER = re.compile(r' r="([0-9]+)"').search


class _Shortcut:
    """Reads rows in the spelling of the usual programs faster than the parser does, and leaves it the rest."""

    def __init__(self, parser: _SheetParser) -> None:
        self._parser = parser
        self._split = _Splitter(b"</row>", parser.parser)

    def feed(self, data: bytes, final: bool) -> None:
        for item in self._split.take(data, final):
            head = _PLAIN_ROW.match(item)
            # What stands between cells, then the five groups of a cell, over and over.
            parts: list[str | None] = _SPLIT_CELLS(item[head.end() : -len("</row>")]) if head else ["?"]
            if head is None or any(parts[::6]):
                self._split.parse(item)
            else:
                number = _ROW_NUMBER(head[1])
                self._parser.take_row(int(number[1]) if number else None, parts)


class _SheetParser:
    """The rows of a sheet, as far as it has been fed."""

    def __init__(self, formats: list[_Format], texts: _Texts, is_1904: bool) -> None:
        self.rows: list[tuple[int, list[Value]]] = []
        self._formats, self._texts, self._is_1904 = formats, texts, is_1904
        self._row = self._chars = 0
        self._cells: list[Value] = []
        self._type, self._style = "n", 0
        self._parts: list[str] = []
        self._is_value = self._is_guide = self._is_inline = False
        self._columns: dict[str, int] = {}
        self._letters = _Letters()
        # Styles that show a number as it is, as sheets name them.
        self._plain_styles: set[str | None] = {str(number) for number, form in enumerate(formats) if form == _GENERAL}
        if not formats or formats[0] == _GENERAL:
            self._plain_styles.add(None)
        self._numbers: dict[tuple[str, int], Value] = {}
        self.parser = _new_parser()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if ":" in name:
            name = name.rpartition(":")[2]
        if name == "c":
            self._begin_cell(attributes)
        elif name == "v":
            self._is_value = True
        elif name == "t":
            self._is_value, self._type, self._is_inline = not self._is_guide, "inlineStr", True
        elif name == "row":
            self._begin_row(int(attributes["r"]) if "r" in attributes else None)
        elif name == "rPh":
            self._is_guide = True

    def take_row(self, number: int | None, parts: list[str | None]) -> None:
        """A row that was read without the parser: `parts[1::6]` are the letters of its cells, then their styles, types,
        values and inline texts."""
        self._begin_row(number)
        values, plain, texts = self._cells, self._plain_styles, self._texts
        places = parts[1::6]
        in_order = places == self._letters.first(len(places))
        cells = zip(places, parts[2::6], parts[3::6], parts[4::6], parts[5::6], strict=True)
        for place, style, kind, value, inline in cells:
            if not in_order and place is not None:
                self._skip_to(self._place(place))
            if not value:
                values.append(None if inline is None else _plain(inline))
            elif kind == "s" and value.isdigit() and int(value) < len(texts):
                values.append(texts[int(value)])
            elif kind is None and style in plain and value.isascii() and value[-1].isdigit():
                values.append(float(value))
            else:
                self._type, self._style = kind or "n", int(style or 0)
                values.append(self._value(value))
        self._end_row()

    def _begin_row(self, number: int | None) -> None:
        number = self._row + 1 if number is None else number
        if not self._row < number <= MAX_ROWS:
            raise bad_workbook("its rows are out of order", number)
        self._row, self._cells, self._chars = number, [], 0

    def _end_row(self) -> None:
        if len(self._cells) > MAX_COLUMNS:
            raise bad_workbook(f"it has more than {MAX_COLUMNS:,} columns", self._row)
        if self._cells:
            self.rows.append((self._row, self._cells))

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        place = attributes.get("r")
        if place is not None:
            self._skip_to(self._place(place.rstrip("0123456789")))
        self._type, self._is_inline = attributes.get("t", "n"), False
        self._style = int(attributes.get("s", "0"))

    def _skip_to(self, column: int) -> None:
        gap = column - len(self._cells)
        if gap < 0 or column >= MAX_COLUMNS:
            raise bad_workbook("its cells are out of order", self._row)
        self._cells += [None] * gap

    def _place(self, letters: str) -> int:
        column = self._columns.get(letters)
        if column is None:
            column = 0
            for letter in letters:
                if not "A" <= letter <= "Z" or column > MAX_COLUMNS:
                    raise bad_workbook("a cell has no place", self._row)
                column = column * 26 + ord(letter) - 64
            column -= 1
            self._columns[letters] = column
        return column

    def _text(self, data: str) -> None:
        if self._is_value:
            self._parts.append(data)
            self._chars += len(data)
            if self._chars > RECORD_CAP_BYTES:
                raise JobFailed("row-too-long", f"Row {self._row} is longer than 16 MiB.", self._row)

    def _end(self, name: str) -> None:
        if ":" in name:
            name = name.rpartition(":")[2]
        if name == "v" or name == "t":
            self._is_value = False
        elif name == "c":
            parts = self._parts
            if parts:
                self._cells.append(self._value("".join(parts)))
                parts.clear()
            else:
                self._cells.append("" if self._is_inline else None)
        elif name == "row":
            self._end_row()
        elif name == "rPh":
            self._is_guide = False

    def _value(self, text: str) -> Value:
        kind = self._type
        if kind == "s":
            return self._shared(text)
        if kind == "n":
            known = self._numbers.get((text, self._style))
            if known is None:
                known = self._number(text)
                if len(self._numbers) < 10_000:
                    self._numbers[text, self._style] = known
            return known
        if kind == "b":
            return text.strip() in ("1", "true")
        if kind == "d":
            return _iso_date(text)
        return _plain(text)  # str, inlineStr, and e: the error's name

    def _shared(self, text: str) -> str:
        index = int(text)
        if not 0 <= index < len(self._texts):
            raise bad_workbook("a text is missing", self._row)
        return self._texts[index]

    def _number(self, text: str) -> Value:
        value = float(text)
        if not isfinite(value):
            raise ValueError
        form = self._formats[self._style] if 0 <= self._style < len(self._formats) else _GENERAL
        if form.kind:
            return serial_value(value, form.kind, self._is_1904)
        if form.zeros and value == int(value):
            digits = Digits(value)
            digits.width = form.zeros
            return digits
        return value


class _Letters:
    """The letters of the columns: A, B, …, Z, AA, …"""

    def __init__(self) -> None:
        self._all: list[str] = []

    def first(self, count: int) -> list[str]:
        while len(self._all) < min(count, MAX_COLUMNS):
            letters, rest = "", len(self._all) + 1
            while rest:
                rest, digit = divmod(rest - 1, 26)
                letters = chr(65 + digit) + letters
            self._all.append(letters)
        return self._all[:count]


@dataclass(frozen=True)
class _Format:
    """`kind`: `date`, `time` or `elapsed` where the format shows a moment, else empty; `zeros`: its width, where it is
    zeros alone."""

    kind: str = ""
    zeros: int = 0


_GENERAL = _Format()
_BUILT_IN = {  # ECMA-376 part 1, 18.8.30, with the East Asian dates
    **dict.fromkeys([14, 15, 16, 17, 27, 28, 29, 30, 31, 36, 50, 51, 52, 53, 54, 57, 58], "yyyy-mm-dd"),
    22: "yyyy-mm-dd hh:mm",
    **dict.fromkeys([18, 19, 20, 21, 32, 33, 34, 35, 45, 47, 55, 56], "hh:mm:ss"),
    46: "[h]:mm:ss",
}
_LITERALS = re.compile(r'"[^"]*"?|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE)


def _format(code: str) -> _Format:
    """What a number format code shows (18.8.31): only its first section counts."""
    first = _LITERALS.sub("", code).partition(";")[0].lower()
    if not first or "general" in first:
        return _GENERAL
    if re.search(r"\[[hms]+\]", first):
        return _Format("elapsed")
    if "y" in first or "d" in first or ("m" in first and not re.search("[hs]", first)):
        return _Format("date")
    if re.search("[hs]", first):
        return _Format("time")
    return _Format(zeros=len(first)) if re.fullmatch("0{2,15}", first) else _GENERAL


_LAST_SERIAL = 2_958_466  # 10000-01-01
_DAY_MILLISECONDS = 86_400_000


def serial_value(serial: float, kind: str, is_1904: bool) -> Value:
    """A serial number as the moment that its format shows, to the millisecond.

    The 1900 system counts a 29 February 1900 (serial 60) that there never was, and a day 0: both come back as text, so
    that they are no dates. A number that is no moment stays a number.
    """
    if not 0 <= serial < _LAST_SERIAL:
        return serial
    if kind == "elapsed":
        return timedelta(milliseconds=round(serial * _DAY_MILLISECONDS))
    milliseconds = round(serial * _DAY_MILLISECONDS)
    days, rest = divmod(milliseconds, _DAY_MILLISECONDS)
    clock = (datetime.min + timedelta(milliseconds=rest)).time()
    if days == 0 and (kind == "time" or (rest and not is_1904)):
        return clock
    if is_1904:
        days += 1462  # 1904-01-01 is day 1,462 of the 1900 system
    elif days in (0, 60):
        day = "1900-01-00" if days == 0 else "1900-02-29"
        return f"{day}T{clock.isoformat('auto')}" if rest else day
    elif days < 60:
        days += 1
    if days >= _LAST_SERIAL:
        return serial
    return datetime(1899, 12, 30) + timedelta(days=days, milliseconds=rest)


def _iso_date(text: str) -> Value:
    """A cell of type `d`: ISO 8601. What the standard library cannot read, or has an offset, stays text."""
    try:
        is_time = text[:1] == "T" or text[2:3] == ":"
        value = time.fromisoformat(text) if is_time else datetime.fromisoformat(text)
    except ValueError:
        return text
    return text if value.tzinfo else value
