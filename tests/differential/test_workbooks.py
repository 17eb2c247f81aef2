"""The values of workbooks are those that openpyxl and calamine read, but for what they cannot tell."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import python_calamine
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.test_same_cells import FILES, book, opened
from waybill.tabular.sheets import Digits, NoValue

BOOKS = sorted(path.name for path in FILES.iterdir() if path.suffix in (".xlsx", ".xlsb", ".xls", ".ods"))
#: What Excel itself wrote, of public test sets.
EXCEL = sorted(path for path in (FILES.parent / "excel").iterdir() if path.suffix != ".md")
DAY_MILLISECONDS = 86_400_000


def cells(rows: Any) -> dict[tuple[int, int], Any]:
    """The cells that are not empty, by row and column from 1."""
    return {
        (row, column): value
        for row, values in rows
        for column, value in enumerate(values, 1)
        if value is not None and value != ""
    }


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, date) and not isinstance(theirs, datetime):
        theirs = datetime.combine(theirs, time())
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, Digits | float) and isinstance(theirs, int | float):
        return math.isclose(ours, theirs, rel_tol=1e-15, abs_tol=0)
    if type(ours) is not type(theirs):
        return isinstance(ours, str) and ours == str(theirs)
    if isinstance(ours, datetime | timedelta):
        return bool(abs(ours - theirs) <= timedelta(milliseconds=1))
    return bool(ours == theirs)


def is_intended(ours: Any, theirs: Any) -> bool:
    """What only one of the two can tell: errors, formulas without a value, days that never were, elapsed time."""
    if isinstance(ours, NoValue) or (isinstance(ours, str) and ours.startswith("#")):
        return theirs is None
    if isinstance(ours, str) and ours.startswith("1900-"):
        return True
    if isinstance(ours, timedelta) and isinstance(theirs, time):
        return ours == datetime.combine(date.min, theirs) - datetime.min
    if isinstance(ours, float) and ours < 0:  # a negative number with the format of a date
        return isinstance(theirs, date | timedelta)
    return False


def differences(ours: dict[Any, Any], theirs: dict[Any, Any]) -> Iterator[tuple[Any, Any, Any]]:
    for place in sorted({*ours, *theirs}):
        mine, other = ours.get(place), theirs.get(place)
        if not (same(mine, other) or is_intended(mine, other)):
            yield place, mine, other


_ZERO, _NEGATIVE = "a format whose section for zero comes first", "a negative number as a date is a good time"
_ELAPSED, _WHITE = "times over 24 hours and negative ones are texts", "white space is lost, or left around numbers"
_LOGICAL, _NONE = "logical values of LibreOffice are numbers", "a number that is none is read as one"
#: Where calamine reads a cell otherwise: what it does with it.
DIFFERENT: dict[str, dict[tuple[int, int], str]] = {
    "fmt.xls": {(6, 2): _NEGATIVE},
    "fmt.xlsx": {(6, 2): _NEGATIVE},
    "nan.xlsx": {(3, 2): _NONE},
    "same.xlsx": {(18, 2): _ZERO, (26, 2): _NEGATIVE},
    "same-libreoffice.ods": {
        (9, 2): _ELAPSED,
        (28, 2): _WHITE,
        (33, 2): _LOGICAL,
        (34, 2): _LOGICAL,
        (40, 2): _LOGICAL,
    },
    "same-libreoffice.xls": {(18, 2): _ZERO, (26, 2): _NEGATIVE},
    "same-libreoffice.xlsx": {(18, 2): _ZERO, (26, 2): _NEGATIVE},
    "same-sheetjs.xls": {(18, 2): _ZERO, (26, 2): _NEGATIVE},
    "space.xlsx": {(2, 2): _WHITE, (4, 2): _WHITE},
    "tab.ods": {(2, 2): _WHITE},
    "times.ods": dict.fromkeys([(row, 2) for row in (3, 5, 6, 8, 9, 10, 11)], _ELAPSED),
    "zeroed.xlsx": {(2, 2): _ZERO},
}
#: It refuses the white space between elements, and passes over short records of cells (MS-XLSB 2.4.304 to 2.4.310).
UNREADABLE = {"same-sheetjs.ods", "same-sheetjs.xlsb"}


def differing_places(path: Path) -> set[tuple[int, int]]:
    """Where calamine reads another value than we do, in any worksheet."""
    theirs = python_calamine.CalamineWorkbook.from_path(str(path))
    ours = book(path)
    found: set[tuple[int, int]] = set()
    for index in [index for index, tab in enumerate(ours.tabs) if tab.is_worksheet]:
        sheet = theirs.get_sheet_by_name(ours.tabs[index].name)
        top, left = sheet.start or (0, 0)
        read = cells(enumerate(sheet.to_python(skip_empty_area=True), 1 + top))
        read = {(row, column + left): value for (row, column), value in read.items()}
        found |= {place for place, _, _ in differences(cells(ours.rows(index)), read)}
    return found


@pytest.mark.parametrize("name", [name for name in BOOKS if name not in UNREADABLE])
def test_stored_workbooks_are_read_as_by_calamine(name: str) -> None:
    assert differing_places(FILES / name) == DIFFERENT.get(name, {}).keys()


@pytest.mark.parametrize("path", EXCEL, ids=lambda path: path.name)
def test_workbooks_of_excel_are_read_as_by_calamine(path: Path) -> None:
    ours = book(path)
    assert any(cells(ours.rows(index)) for index, tab in enumerate(ours.tabs) if tab.is_worksheet)
    assert not differing_places(path)


_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=20)
_FORMATS = st.sampled_from(["General", "0.00", "#,##0.00", "0%", "@", "00000", '0 "days"', "0.0E+00"])
_MOMENTS = st.datetimes(datetime(1900, 3, 1), datetime(9999, 12, 30)).map(lambda at: at.replace(microsecond=0))
_CELLS = st.one_of(
    st.none(),
    st.booleans(),
    _TEXTS.filter(lambda text: not text.startswith("=") and "_x" not in text),
    st.tuples(st.integers(-(10**15), 10**15) | st.floats(allow_nan=False, allow_infinity=False, width=32), _FORMATS),
    st.tuples(_MOMENTS, st.sampled_from(["yyyy-mm-dd hh:mm:ss", "d/m/yy h:mm", "[$-409]mmm d, yyyy;@"])),
    st.tuples(st.timedeltas(timedelta(), timedelta(days=900)).map(lambda span: span - span % timedelta(seconds=1)),
              st.just("[h]:mm:ss")),
)  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.lists(_CELLS, max_size=4), min_size=1, max_size=6))
def test_what_openpyxl_writes_is_read_as_by_itself_and_calamine(rows: list[list[Any]]) -> None:
    written = openpyxl.Workbook()
    sheet = written.active
    for row, values in enumerate(rows, 1):
        for column, value in enumerate(values, 1):
            value, form = value if isinstance(value, tuple) else (value, None)
            cell = sheet.cell(row, column)
            if isinstance(value, str):
                cell.data_type, cell._value = "s", value  # as a text, also where it looks like an error
            else:
                cell.value = value
            if form is not None:
                cell.number_format = form
    out = io.BytesIO()
    written.save(out)
    ours = cells(opened("xlsx", out.getvalue()).rows(0))
    again = openpyxl.load_workbook(io.BytesIO(out.getvalue()), data_only=True).active
    theirs = cells(enumerate(again.iter_rows(values_only=True), 1))
    assert list(differences(ours, theirs)) == []
    third = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(out.getvalue())).get_sheet_by_index(0)
    assert list(differences(ours, cells(enumerate(third.to_python(skip_empty_area=False), 1)))) == []
