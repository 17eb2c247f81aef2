"""What stands around rows in an export's file: header, workbook, compression. Streaming, in constant memory.

    writer = FileWriter(definition, encoder.labels, output, moment=now)
    writer.begin()
    writer.write(encoded.data, encoded.rows)    # fragments in the order of the file, as often as there are some
    written = writer.end()

The same rows give the same bytes, but for the time in a zip file's directory, which is `moment`'s. They depend on how
rows were cut into fragments only where they are compressed.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol
from xml.sax.saxutils import quoteattr

from waybill.errors import JobFailed
from waybill.exports.definition import Compression, Definition, Format
from waybill.exports.formats import DATE_STYLE, cell_format
from waybill.tabular.xlsx_sheet import MAX_ROWS

# On the rows of an export level 1 takes a third of the time of level 6 for a fifth more bytes.
_LEVEL = 1


class Output(Protocol):
    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True)
class Written:
    """A whole file: its rows without the header, and what its final bytes are."""

    rows: int
    size_bytes: int
    sha256: str


class FileWriter:
    """Writes one export's file to `output`, which it does not close.

    Args:
        labels: the names of the columns (`RowEncoder.labels`).
        moment: when the export ran, in the time zone that its file name shows.
    """

    def __init__(self, definition: Definition, labels: Sequence[str], output: Output, *, moment: datetime) -> None:
        self._definition, self._labels = definition, labels
        self._hashing = _Hashing(output)
        self._layers = [_compressed(definition, self._hashing, moment)]
        if definition.format is Format.XLSX:
            self._layers.append(_Workbook(self._layers[0], definition.entity))
        self._sink = self._layers[-1]
        self._rows_left = MAX_ROWS - definition.header if definition.format is Format.XLSX else None
        self.rows = 0

    def begin(self) -> None:
        """Write what stands before the first row."""
        for layer in self._layers:
            layer.begin()
        self._sink.write(cell_format(self._definition, self._labels).header().encode())

    def write(self, fragment: bytes, rows: int) -> None:
        """Write rows, or any piece of the bytes of rows, `rows` of which end in it.

        Raises:
            JobFailed: `xlsx-limit`, a sheet holds no more rows.
        """
        self.rows += rows
        if self._rows_left is not None and self.rows > self._rows_left:
            message = f"A sheet of a workbook holds {MAX_ROWS:,} rows, and there are more. Export as csv or jsonl."
            raise JobFailed("xlsx-limit", message)
        if fragment:
            self._sink.write(fragment)

    def end(self) -> Written:
        """Write what stands behind the last row."""
        for layer in reversed(self._layers):
            layer.end()
        return Written(self.rows, self._hashing.size_bytes, self._hashing.hash.hexdigest())


class _Hashing:
    """Hashes and counts what is written."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.hash = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        self.hash.update(data)
        self.size_bytes += len(data)
        self._output.write(data)


class _Layer(Protocol):
    def begin(self) -> None: ...
    def write(self, data: bytes, /) -> None: ...
    def end(self) -> None: ...


def _compressed(definition: Definition, output: _Hashing, moment: datetime) -> _Layer:
    if definition.compression is Compression.GZIP:
        return _Gzip(output)
    if definition.compression is Compression.ZIP:
        return _Zip(output, inner_name(definition, moment), moment)
    return _Bare(output)


def inner_name(definition: Definition, moment: datetime) -> str:
    """The name in the zip file: its own without `.zip`."""
    name = definition.file_name_at(moment)
    if name.lower().endswith(".zip"):
        name = name[:-4]
    return name if "." in name else f"{name or definition.entity}.{definition.format}"


class _Bare:
    def __init__(self, output: Output) -> None:
        self._output = output

    def begin(self) -> None:
        return

    def write(self, data: bytes) -> None:
        self._output.write(data)

    def end(self) -> None:
        return


class _Gzip:
    """RFC 1952, one member, without name and time."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._deflate = zlib.compressobj(_LEVEL, wbits=31)

    def begin(self) -> None:
        return

    def write(self, data: bytes) -> None:
        if deflated := self._deflate.compress(data):
            self._output.write(deflated)

    def end(self) -> None:
        self._output.write(self._deflate.flush())


class _Zip:
    """A zip file with one entry."""

    def __init__(self, output: Output, name: str, moment: datetime) -> None:
        self._archive = ZipStream(output, moment)
        self._name = name

    def begin(self) -> None:
        self._archive.open(self._name)

    def write(self, data: bytes) -> None:
        self._archive.write(data)

    def end(self) -> None:
        self._archive.close()
        self._archive.end()


class _Entry(NamedTuple):
    name: bytes
    crc: int
    deflated: int
    size: int
    start: int


_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
# The sizes follow the data; names are UTF-8 (APPNOTE 4.4.4).
_FLAGS = 0x0808
_DEFLATE = 8
_PLAIN, _ZIP64 = 20, 45
_MOST = 0xFFFFFFFF


class ZipStream:
    """A zip file, entry after entry, to an output without a position (APPNOTE 6.3.10, 4.3).

    Sizes are not known before an entry's data, so they follow it, in eight bytes only where four do not do; the
    directory at the end, which readers go by, has ZIP64 fields where it needs them.
    """

    def __init__(self, output: Output, moment: datetime) -> None:
        self._output = output
        self._position = 0
        self._entries: list[_Entry] = []
        year = min(max(moment.year, 1980), 2107)
        self._date = (year - 1980) << 9 | moment.month << 5 | moment.day
        self._time = moment.hour << 11 | moment.minute << 5 | moment.second // 2

    def open(self, name: str) -> None:
        """Begin an entry."""
        self._name = name.encode()
        self._start, self._crc, self._size, self._deflated = self._position, 0, 0, 0
        self._deflate = zlib.compressobj(_LEVEL, wbits=-15)
        head = _LOCAL.pack(b"PK\3\4", _PLAIN, _FLAGS, _DEFLATE, self._time, self._date, 0, 0, 0, len(self._name), 0)
        self._put(head + self._name)

    def write(self, data: bytes) -> None:
        """Write to the entry that is open."""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._put_deflated(self._deflate.compress(data))

    def close(self) -> None:
        """End the entry."""
        self._put_deflated(self._deflate.flush())
        sizes = "<4sLQQ" if max(self._size, self._deflated) > _MOST else "<4sLLL"
        self._put(struct.pack(sizes, b"PK\7\x08", self._crc, self._deflated, self._size))
        self._entries.append(_Entry(self._name, self._crc, self._deflated, self._size, self._start))

    def end(self) -> None:
        """Write the directory."""
        start = self._position
        for entry in self._entries:
            self._put(self._directory_entry(entry))
        size, count = self._position - start, len(self._entries)
        if start > _MOST:
            end_64 = self._position
            self._put(_END_64.pack(b"PK\6\6", 44, _ZIP64, _ZIP64, 0, 0, count, count, size, start))
            self._put(_LOCATOR.pack(b"PK\6\7", 0, end_64, 1))
        self._put(_END.pack(b"PK\5\6", 0, 0, count, count, size, min(start, _MOST), 0))

    def _directory_entry(self, entry: _Entry) -> bytes:
        large = [value for value in (entry.size, entry.deflated, entry.start) if value >= _MOST]
        extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
        version = _ZIP64 if large else _PLAIN
        deflated, size, start = (min(value, _MOST) for value in (entry.deflated, entry.size, entry.start))
        head = _CENTRAL.pack(
            b"PK\1\2", version, version, _FLAGS, _DEFLATE, self._time, self._date, entry.crc, deflated, size,
            len(entry.name), len(extra), 0, 0, 0, 0, start,
        )  # fmt: skip
        return head + entry.name + extra

    def _put_deflated(self, data: bytes) -> None:
        self._deflated += len(data)
        if data:
            self._put(data)

    def _put(self, data: bytes) -> None:
        self._position += len(data)
        self._output.write(data)


_SHEET_NAME_CHARS = 31
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_STYLES = (
    f'{_XML}<styleSheet xmlns="{_MAIN}">'
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/></numFmts>'
    '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '</fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
assert DATE_STYLE == 1  # noqa: S101 - the second of cellXfs


def _parts(sheet_name: str) -> dict[str, str]:
    """What a workbook holds beside its sheet, by path."""
    types = {
        "workbook": f"{_CONTENT}.sheet.main+xml",
        "worksheets/sheet1": f"{_CONTENT}.worksheet+xml",
        "styles": f"{_CONTENT}.styles+xml",
    }
    overrides = "".join(f'<Override PartName="/xl/{name}.xml" ContentType="{kind}"/>' for name, kind in types.items())

    def relations(*targets: tuple[str, str]) -> str:
        inner = "".join(
            f'<Relationship Id="rId{number}" Type="{_RELATION}/{kind}" Target="{target}"/>'
            for number, (kind, target) in enumerate(targets, 1)
        )
        return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{inner}</Relationships>'

    return {
        "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType='
        f'"application/xml"/>{overrides}</Types>',
        "_rels/.rels": relations(("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATION}"><sheets>'
        f'<sheet name={quoteattr(sheet_name)} sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relations(("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml")),
        "xl/styles.xml": _STYLES,
    }


class _Workbook:
    """Office Open XML (ECMA-376) with one sheet, whose rows are what is written."""

    # Of no use to anyone, and it would make two exports of the same rows differ.
    _NO_TIME = datetime(1980, 1, 1, tzinfo=UTC)

    def __init__(self, output: Output, entity: str) -> None:
        self._archive = ZipStream(output, self._NO_TIME)
        self._sheet_name = entity[:_SHEET_NAME_CHARS]

    def begin(self) -> None:
        for path, text in _parts(self._sheet_name).items():
            self._archive.open(path)
            self._archive.write(text.encode())
            self._archive.close()
        self._archive.open("xl/worksheets/sheet1.xml")
        self._archive.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())

    def write(self, data: bytes) -> None:
        self._archive.write(data)

    def end(self) -> None:
        self._archive.write(b"</sheetData></worksheet>")
        self._archive.close()
        self._archive.end()
