"""Small workbooks of several kinds, written by hand: they contain exactly what this module writes."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Collection, Iterable, Mapping
from xml.sax.saxutils import escape

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def zipped(parts: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def text(value: str) -> str:
    """An inline text cell."""
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'


def shared(index: int) -> str:
    return f'<c t="s"><v>{index}</v></c>'


def number(value: object, style: int = 0) -> str:
    return f'<c s="{style}"><v>{value}</v></c>'


def row(*cells: str, at: int | None = None) -> str:
    place = "" if at is None else f' r="{at}"'
    return f"<row{place}>{''.join(cells)}</row>"


def xlsx(
    rows: Iterable[str] | Mapping[str, Iterable[str]],
    *,
    formats: Iterable[str] = (),
    texts: Iterable[str] = (),
    is_1904: bool = False,
    hidden: Collection[str] = (),
    parts: Mapping[str, str | bytes] | None = None,
) -> bytes:
    """A workbook of sheets of `row`s. Style 0 is General, style n the n-th of `formats`."""
    sheets = rows if isinstance(rows, Mapping) else {"Sheet1": rows}
    numbers = range(1, len(sheets) + 1)
    codes, states = list(formats), ("visible", "hidden")
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" state="{states[name in hidden]}" r:id="rId{n}"/>'
        for n, name in zip(numbers, sheets, strict=True)
    )
    related = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
    )
    number_formats = "".join(
        f'<numFmt numFmtId="{164 + index}" formatCode="{escape(code, {chr(34): "&quot;"})}"/>'
        for index, code in enumerate(codes)
    )
    styles = "".join(f'<xf numFmtId="{number}"/>' for number in [0, *range(164, 164 + len(codes))])
    content: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><workbookPr date1904="{int(is_1904)}"/>'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{related}'
        f'<Relationship Id="rIdS" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        f'<Relationship Id="rIdT" Type="{_OFFICE}/sharedStrings" Target="/xl/sharedStrings.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><numFmts>{number_formats}</numFmts>'
        f"<cellXfs>{styles}</cellXfs></styleSheet>",
        "xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}">{"".join(texts)}</sst>',
    }
    for n, lines in zip(numbers, sheets.values(), strict=True):
        content[f"xl/worksheets/sheet{n}.xml"] = (
            f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'
        )
    return zipped({**content, **(parts or {})})


def ods(rows: Iterable[Iterable[str]]) -> bytes:
    """An OpenDocument spreadsheet of text cells."""
    return ods_of(
        "".join(
            "<table:table-row>"
            + "".join(
                f'<table:table-cell office:value-type="string"><text:p>{escape(cell)}</text:p></table:table-cell>'
                if cell
                else "<table:table-cell/>"
                for cell in cells
            )
            + "</table:table-row>"
            for cells in rows
        )
    )


def ods_of(rows: str, *, before: str = "", styles: str = "", tables: str = "", manifest: str = "") -> bytes:
    """An OpenDocument spreadsheet of one table with these rows, or of other tables."""
    names = "urn:oasis:names:tc:opendocument:xmlns"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    kinds = {"datastyle": "number", "drawing": "draw"}
    known = ("office", "table", "text", "style", "datastyle", "drawing")
    spaces = " ".join(f'xmlns:{kinds.get(name, name)}="{names}:{name}:1.0"' for name in known)
    spaces += ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    tables = tables or f'<table:table table:name="Tabelle">{rows}</table:table>'
    return zipped(
        {
            "mimetype": kind,
            "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{names}:manifest:1.0">{manifest}'
            f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>',
            "content.xml": f"<office:document-content {spaces}>"
            f"<office:automatic-styles>{styles}</office:automatic-styles><office:body><office:spreadsheet>"
            f"{before}{tables}</office:spreadsheet></office:body></office:document-content>",
        }
    )


def xlsb(rows: Iterable[Iterable[str]]) -> bytes:
    """A binary workbook of inline text cells (MS-XLSB)."""

    def record(kind: int, data: bytes) -> bytes:
        head = bytes([kind]) if kind < 128 else bytes([kind & 127 | 128, kind >> 7])
        size, length = len(data), b""
        while True:
            length += bytes([size & 127 | (128 if size > 127 else 0)])
            size >>= 7
            if not size:
                return head + length + data

    def wide(value: str) -> bytes:
        return struct.pack("<I", len(value)) + value.encode("utf-16-le")

    listed = [list(cells) for cells in rows]
    area = struct.pack("<4I", 0, len(listed) - 1, 0, max(map(len, listed)) - 1)
    sheet = record(129, b"") + record(148, area) + record(145, b"")
    for index, cells in enumerate(listed):
        sheet += record(0, struct.pack("<IIHBBBI", index, 0, 300, 0, 0, 0, 0))
        for column, cell in enumerate(cells):
            if cell:
                sheet += record(6, struct.pack("<II", column, 0) + wide(cell))
    sheet += record(146, b"") + record(130, b"")
    bundle = struct.pack("<II", 0, 1) + wide("rId1") + wide("Binary")
    workbook = record(131, b"") + record(143, b"") + record(156, bundle) + record(144, b"") + record(132, b"")
    return zipped(
        {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"/>',
            "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
            f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.bin"/></Relationships>',
            "xl/workbook.bin": workbook,
            "xl/_rels/workbook.bin.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
            f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.bin"/></Relationships>',
            "xl/worksheets/sheet1.bin": sheet,
        }
    )


def xls(rows: Iterable[Iterable[str]], *, is_protected: bool = False) -> bytes:
    """An Excel 97 workbook of text cells (MS-XLS in MS-CFB); a protected one says so, but is not encrypted."""

    def record(kind: int, data: bytes) -> bytes:
        return struct.pack("<HH", kind, len(data)) + data

    def cells_of(lines: Iterable[Iterable[str]]) -> bytes:
        data = b""
        for index, cells in enumerate(lines):
            for column, cell in enumerate(cells):
                if cell:
                    label = struct.pack("<HHHHB", index, column, 0, len(cell), 1) + cell.encode("utf-16-le")
                    data += record(0x0204, label)
        return data

    name = b"Old"
    end = record(0x000A, b"")
    globals_begin = record(0x0809, struct.pack("<HHHHII", 0x0600, 5, 0, 0, 0, 6)) + record(0x0042, b"\xb0\x04")
    if is_protected:
        globals_begin += record(0x002F, bytes(6))
    offset = len(globals_begin) + 4 + 8 + len(name) + len(end)
    bound = record(0x0085, struct.pack("<IBBBB", offset, 0, 0, len(name), 0) + name)
    sheet = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x10, 0, 0, 0, 6)) + cells_of(rows) + end
    return compound({"Workbook": globals_begin + bound + end + sheet})


def compound(streams: Mapping[str, bytes]) -> bytes:
    """A compound file of streams, each filled up to whole sectors of 512 bytes and at least 4,096."""
    free, end, fat_sector = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    padded = {name: data.ljust(max(4096, -(-len(data) // 512) * 512), b"\0") for name, data in streams.items()}

    def entry(name: str, kind: int, child: int, start: int, size: int, right: int = free) -> bytes:
        wide = (name + "\0").encode("utf-16-le")
        return (
            wide.ljust(64, b"\0")
            + struct.pack("<HBBIII", len(wide), kind, 1, free, right, child)
            + bytes(36)
            + struct.pack("<IQ", start, size)
        )

    fat = [fat_sector, end]
    body = b""
    entries = [entry("Root Entry", 5, 1, end, 0)]
    for number, (name, data) in enumerate(padded.items(), 2):
        start, sectors = len(fat), len(data) // 512
        fat += [*range(start + 1, start + sectors), end]
        right = number if number <= len(padded) else free
        entries.append(entry(name, 2, free, start, len(data), right))
        body += data
    directory = b"".join(entries).ljust(512, b"\0")
    assert len(fat) <= 128 and len(directory) == 512
    header = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + bytes(16)
        + struct.pack("<5H6x4I", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0)
        + struct.pack("<5I", 4096, end, 0, end, 0)
        + struct.pack("<109I", 0, *[free] * 108)
    )
    table = struct.pack("<128I", *fat, *[free] * (128 - len(fat)))
    return header + table + directory + body
