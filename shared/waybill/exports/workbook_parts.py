"""What all workbooks of Office Open XML (ECMA-376) that Waybill writes have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

SHEET_NAME_CHARS = 31
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"
# Characters that XML cannot hold, carriage returns, which it would change, and text that looks like such an escape.
_UNFIT = re.compile("[\0-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
#: The formats of cells in `STYLES`.
GENERAL_STYLE, DATE_STYLE, TEXT_STYLE, HEADER_STYLE = range(4)
_SPACED = re.compile(r"^[ \t]|[ \t]\Z|\n").search


def opened_text(text: str) -> str:
    """A text in XML, with the end of the tag before it."""
    end = ' xml:space="preserve">' if _SPACED(text) else ">"
    text = _UNFIT.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    return end + text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def relations(*targets: tuple[str, str]) -> str:
    """The relationships part that names these parts (ECMA-376 part 2, 9.3): (kind, path) each, from `rId1` on."""
    inner = "".join(
        f'<Relationship Id="rId{number}" Type="{RELATION}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f'{XML}<Relationships xmlns="{PACKAGE}/relationships">{inner}</Relationships>'


def content_types(paths: Iterable[str]) -> str:
    """The part that names the kinds of all parts (ECMA-376 part 2, 10.1.2.2), of the parts below these paths."""
    kinds = {"workbook": "sheet.main", "styles": "styles", "comments1": "comments"}
    stems = {path: path.rpartition("/")[2].removesuffix(".xml") for path in paths if path.endswith(".xml")}
    overrides = "".join(
        f'<Override PartName="/{path}" ContentType="{CONTENT}.{kinds.get(stem, "worksheet")}+xml"/>'
        for path, stem in stems.items()
    )
    return (
        f'{XML}<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType='
        '"application/xml"/><Default Extension="vml" ContentType='
        f'"application/vnd.openxmlformats-officedocument.vmlDrawing"/>{overrides}</Types>'
    )


def workbook_part(sheet_name: str, more: str = "") -> str:
    """The part that lists the sheets: the first, with the relationship `rId1`, and the elements of others."""
    return (
        f'{XML}<workbook xmlns="{MAIN}" xmlns:r="{RELATION}"><sheets>'
        f'<sheet name="{escape(sheet_name)}" sheetId="1" r:id="rId1"/>{more}</sheets></workbook>'
    )


STYLES = (
    f'{XML}<styleSheet xmlns="{MAIN}">'
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '</fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
