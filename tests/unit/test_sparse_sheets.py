"""A small workbook cannot ask for a million rows, or for columns that nobody filled in."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import pytest

from tests.workbooks import xlsx
from waybill.errors import JobFailed
from waybill.imports.csv_lines import MAX_BLANK_ROWS, sheet_as_csv
from waybill.tabular.compressed import open_zip
from waybill.tabular.dialect import Dialect
from waybill.tabular.xlsx import XlsxWorkbook

LAST_ROW = 1_048_576
HEADER = (1, ["id", "name"])


def lines(rows: Iterable[tuple[int, list[Any]]]) -> list[str]:
    """The lines of a sheet's rows; a piece may hold many blank ones."""
    found = sheet_as_csv(iter(rows), Dialect(), ["id", "name"], lambda labels: [str for _ in labels])
    return "".join(found).split("\n")[:-1]


def test_one_cell_in_the_last_row_makes_no_million_rows() -> None:
    begun = time.process_time()
    with pytest.raises(JobFailed, match="over 50,000 of its rows are blank, most of them") as refused:
        lines([HEADER, (2, ["1", "a"]), (LAST_ROW, ["2", "b"])])
    assert (refused.value.job_code, refused.value.row_number) == ("format-error", LAST_ROW)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize("blank", [[], [None], [None, None]])
def test_rows_without_content_after_the_last_one_do_not_count(blank: list[Any]) -> None:
    """As spreadsheets leave them where a whole column has a style."""
    styled = ((row, list(blank)) for row in range(3, LAST_ROW + 1, 1000))
    assert lines(chain([HEADER, (2, ["1", "a"])], styled, [(LAST_ROW, list(blank))])) == ["id,name", "1,a"]


def test_blank_rows_between_others_keep_their_numbers() -> None:
    found = lines([HEADER, (2, ["1", "a"]), (3, [None]), (5, ["2", "b"]), (MAX_BLANK_ROWS, ["3", "c"])])
    assert found[:5] == ["id,name", "1,a", "", "", "2,b"]
    assert (len(found), found[-1]) == (MAX_BLANK_ROWS, "3,c")


def test_a_large_sheet_may_have_many_blank_rows() -> None:
    def rows() -> Iterator[tuple[int, list[Any]]]:
        yield HEADER
        for row in range(2, 300_000, 5):
            yield row, [str(row), "a"]

    assert len(lines(rows())) == 299_997


def test_a_cell_in_the_last_column_of_each_row_asks_for_no_billion_cells() -> None:
    rows = "".join(f'<row r="{row}"><c r="XFD{row}"><v>1</v></c></row>' for row in range(2, 5_000))
    workbook = xlsx({"S": '<row r="1"><c r="A1" t="inlineStr"><is><t>id</t></is></c></row>' + rows})
    begun = time.process_time()
    with pytest.raises(JobFailed, match="hardly any of its columns have cells") as refused:
        for _ in XlsxWorkbook(open_zip(io.BytesIO(workbook))).rows(0):
            pass
    assert refused.value.job_code == "format-error"
    assert time.process_time() - begun < 5
