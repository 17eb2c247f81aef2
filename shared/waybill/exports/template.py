"""An empty file of an entity for people to fill in: the header, and in a workbook what helps with each column."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple

from waybill.entities.model import Entity
from waybill.errors import Conflict
from waybill.exports.workbook_parts import (
    CONTENT,
    DATE_STYLE,
    GENERAL_STYLE,
    HEADER_STYLE,
    MAIN,
    RELATION,
    SHEET_NAME_CHARS,
    STYLES,
    TEXT_STYLE,
    XML,
    content_types,
    opened_text,
    relations,
    workbook_part,
)
from waybill.tabular.dialect import Dialect
from waybill.tabular.encodings import codec_of
from waybill.tabular.xlsx_sheet import MAX_ROWS

#: Excel takes drop-downs of this many characters in the validation itself; longer ones are cells of a hidden sheet.
_INLINE_CHARS = 255
#: What can be chosen in a drop-down has at most so many characters; a list with a longer value would refuse it.
_VALUE_CHARS = 255
_NOTE_CHARS = 2_000
_LAST_HEADER_ROW = 1_000
_LISTS = "WaybillLists"
"""The hidden sheet of what longer drop-downs offer."""
_LIST_SHEET = f'<sheet name="{_LISTS}" sheetId="2" state="hidden" r:id="rId3"/>'
#: Types whose cells a spreadsheet leaves as they are meant. All others are text: `007` stays `007`.
_GENERAL = frozenset({"integer", "number", "boolean", "year"})
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def csv_template(entity: Entity) -> bytes:
    """The header of a text file, as an import of the entity reads it: in its dialect and encoding.

    Raises:
        Conflict: its files have no header, or the encoding does not have the letters of a field's name.
    """
    dialect, row = _header_place(entity)
    text = io.StringIO()
    text.write("\r\n" * (row - 1))  # blank rows above the header are not data
    try:
        csv.writer(text, lineterminator="\r\n", **dialect.reader_options()).writerow(entity.field_names)
        return text.getvalue().encode(codec_of(entity.encoding or "utf-8"))
    except (UnicodeEncodeError, csv.Error):
        raise Conflict(
            f"The dialect or encoding of {entity.name} cannot write the name of a field. Ask for the workbook."
        ) from None


def xlsx_template(entity: Entity) -> bytes:
    """A workbook with one visible sheet: drop-downs for `enum` and booleans, text format, descriptions as notes.

    Raises:
        Conflict: its files have no header.
    """
    dialect, row = _header_place(entity)
    columns = [_Column.of(number, field) for number, field in enumerate(entity.schema["fields"], 1)]
    names = dialect.sheet_names or ()
    if len(names) > 1 or (dialect.sheet_number or 1) > 1:
        raise Conflict(f"By its dialect, workbooks of {entity.name} have several sheets: no template has them.")
    sheet = _sheet_name(entity.name if not names or "*" in names[0] else names[0])
    if sheet.casefold() == _LISTS.casefold():
        sheet = "Sheet1"
    lists = [column for column in columns if column.needs_list]
    parts = {
        "xl/workbook.xml": workbook_part(sheet, _LIST_SHEET if lists else ""),
        "xl/styles.xml": STYLES,
        "xl/worksheets/sheet1.xml": _sheet(columns, lists, row),
    }
    targets = [("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml")]
    if lists:
        parts["xl/worksheets/sheet2.xml"] = _list_sheet(lists)
        targets.append(("worksheet", "worksheets/sheet2.xml"))
    notes = [column for column in columns if column.note]
    if notes:
        parts["xl/comments1.xml"] = _comments(notes, row)
        parts["xl/drawings/vmlDrawing1.vml"] = _shapes(notes, row)
        places = ("vmlDrawing", "../drawings/vmlDrawing1.vml"), ("comments", "../comments1.xml")
        parts["xl/worksheets/_rels/sheet1.xml.rels"] = relations(*places)
    parts["xl/_rels/workbook.xml.rels"] = relations(*targets)
    parts["_rels/.rels"] = relations(("officeDocument", "xl/workbook.xml"))
    return _zipped({"[Content_Types].xml": content_types(parts), **parts})


def _header_place(entity: Entity) -> tuple[Dialect, int]:
    """The dialect of the entity's files, and the row of their header that bears the names."""
    dialect = Dialect.from_document(entity.dialect or {})
    if dialect.header_rows == ():
        raise Conflict(f"By its dialect, files of {entity.name} have no header: there is nothing to fill in.")
    row = dialect.header_rows[-1] if dialect.header_rows else 1
    if row > _LAST_HEADER_ROW:
        raise Conflict(f"The dialect of {entity.name} has the header in row {row:,}: no template is that long.")
    return dialect, row


class _Column(NamedTuple):
    number: int
    """From 1 on."""
    name: str
    style: int
    values: tuple[str, ...]
    """What its drop-down offers; empty for none."""
    note: str

    @classmethod
    def of(cls, number: int, field: dict[str, Any]) -> _Column:
        constraints = field.get("constraints") or {}
        type_ = field.get("type", "any")
        values: Sequence[Any] = constraints.get("enum") or ()
        if type_ == "boolean" and not values:
            values = [(field.get("trueValues") or ["true"])[0], (field.get("falseValues") or ["false"])[0]]
        if type_ == "date" and field.get("format", "default") == "default":
            style = DATE_STYLE
        else:
            style = GENERAL_STYLE if type_ in _GENERAL else TEXT_STYLE
        is_nested = any(isinstance(value, (dict, list)) for value in values)
        offered = () if is_nested else tuple(map(_text, values))
        if any(len(text) > _VALUE_CHARS for text in offered):
            offered = ()
        return cls(number, field["name"], style, offered, str(field.get("description") or "")[:_NOTE_CHARS])

    @property
    def letters(self) -> str:
        return _letters(self.number)

    @property
    def needs_list(self) -> bool:
        """Whether its drop-down is longer than Excel takes in place, or holds what would be divided there."""
        inline = ",".join(self.values)
        return len(inline) > _INLINE_CHARS or any("," in value or value != value.strip() for value in self.values)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _letters(number: int) -> str:
    """1 → A, 27 → AA."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _sheet_name(name: str) -> str:
    """A name that Excel takes: 31 characters, without those of references."""
    return "".join("_" if char in "[]:*?/\\" else char for char in name)[:SHEET_NAME_CHARS].strip("'") or "Sheet1"


def _cell(place: str, text: str, style: int) -> str:
    return f'<c r="{place}" s="{style}" t="inlineStr"><is><t{opened_text(text)}</t></is></c>'


def _sheet(columns: Sequence[_Column], lists: Sequence[_Column], row: int) -> str:
    widths = "".join(
        f'<col min="{column.number}" max="{column.number}" width="{min(max(len(column.name) + 2, 12), 60)}" '
        f'style="{column.style}" customWidth="1"/>'
        for column in columns
    )
    labels = "".join(_cell(f"{column.letters}{row}", column.name, HEADER_STYLE) for column in columns)
    frozen = f'<pane ySplit="{row}" topLeftCell="A{row + 1}" activePane="bottomLeft" state="frozen"/>'
    offered = [column for column in columns if column.values]
    validations = "".join(_drop_down(column, lists, row) for column in offered)
    return (
        f'{XML}<worksheet xmlns="{MAIN}" xmlns:r="{RELATION}">'
        f'<sheetViews><sheetView workbookViewId="0" tabSelected="1">{frozen}</sheetView></sheetViews>'
        f'<cols>{widths}</cols><sheetData><row r="{row}">{labels}</row></sheetData>'
        + (f'<dataValidations count="{len(offered)}">{validations}</dataValidations>' if offered else "")
        + ('<legacyDrawing r:id="rId1"/>' if any(column.note for column in columns) else "")
        + "</worksheet>"
    )


def _drop_down(column: _Column, lists: Sequence[_Column], row: int) -> str:
    if column in lists:
        letters = _letters(lists.index(column) + 1)
        source = f"{_LISTS}!${letters}$1:${letters}${len(column.values)}"
    else:
        inline = ",".join(column.values).replace('"', '""')
        source = f'"{inline}"'
    cells = f"{column.letters}{row + 1}:{column.letters}{MAX_ROWS}"
    return (
        f'<dataValidation type="list" allowBlank="1" showErrorMessage="1" sqref="{cells}">'
        f"<formula1>{escape(source, quote=False)}</formula1></dataValidation>"
    )


def _list_sheet(lists: Sequence[_Column]) -> str:
    rows = (
        f'<row r="{row}">'
        + "".join(
            _cell(f"{_letters(number)}{row}", column.values[row - 1], TEXT_STYLE)
            for number, column in enumerate(lists, 1)
            if row <= len(column.values)
        )
        + "</row>"
        for row in range(1, max(len(column.values) for column in lists) + 1)
    )
    return f'{XML}<worksheet xmlns="{MAIN}"><sheetData>{"".join(rows)}</sheetData></worksheet>'


def _comments(columns: Sequence[_Column], row: int) -> str:
    notes = "".join(
        f'<comment ref="{column.letters}{row}" authorId="0">'
        f"<text><r><t{opened_text(column.note)}</t></r></text></comment>"
        for column in columns
    )
    return (
        f'{XML}<comments xmlns="{MAIN}"><authors><author></author></authors>'
        f"<commentList>{notes}</commentList></comments>"
    )


def _shapes(columns: Sequence[_Column], row: int) -> str:
    """Where notes are shown (ECMA-376 part 4, 19.4: SpreadsheetML keeps them in VML)."""
    shapes = "".join(
        f'<v:shape id="note{number}" type="#_x0000_t202" style="position:absolute;width:200pt;height:80pt;'
        'visibility:hidden" fillcolor="#ffffe1" o:insetmode="auto"><v:fill color2="#ffffe1"/>'
        '<x:ClientData ObjectType="Note"><x:MoveWithCells/><x:SizeWithCells/><x:AutoFill>False</x:AutoFill>'
        f"<x:Row>{row - 1}</x:Row><x:Column>{column.number - 1}</x:Column></x:ClientData></v:shape>"
        for number, column in enumerate(columns, 1)
    )
    return (
        '<xml xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" '
        'xmlns:x="urn:schemas-microsoft-com:office:excel"><v:shapetype id="_x0000_t202" coordsize="21600,21600" '
        'o:spt="202" path="m,l,21600r21600,l21600,xe"><v:stroke joinstyle="miter"/></v:shapetype>'
        f"{shapes}</xml>"
    )


def _zipped(parts: dict[str, str]) -> bytes:
    """The parts in a zip file, always the same bytes for the same entity."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in parts.items():
            archive.writestr(zipfile.ZipInfo(path, _NO_TIME), text.encode(), zipfile.ZIP_DEFLATED)
    return data.getvalue()


class Template(NamedTuple):
    """A kind of template: the media type of its files, and what makes one."""

    media_type: str
    write: Callable[[Entity], bytes]


#: The kinds of templates, by the extension of their files.
TEMPLATES = {
    "csv": Template("text/csv", csv_template),
    "xlsx": Template(f"{CONTENT}.sheet", xlsx_template),
}
