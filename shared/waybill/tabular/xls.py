"""Read sheets of an .xls workbook (MS-XLS) with xlrd, in a process of its own.

xlrd loads a whole sheet, and a small file can ask for much memory. A child process with limits therefore reads it and
passes on row by row; if the child dies, only this workbook is refused.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from math import isfinite
from typing import Any

from waybill.tabular.compressed import Seekable
from waybill.tabular.sheets import Digits, NoValue, Tab, Value, bad_workbook
from waybill.tabular.xlsx_formats import GENERAL, format_of, typed_number

MAX_FILE_BYTES = 32 * 1024**2
MEMORY_BYTES = 384 * 1024**2
CPU_SECONDS = 60
_COPY_BYTES = 1024**2
# The stream of an OLE file that holds an encrypted .xlsx (MS-OFFCRYPTO 1.3).
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_MOMENT = "m"
_SPAN = "s"
_DIGITS = "d"
_NOTHING = "n"

# Exit codes of the child.
_BAD, _TOO_LARGE, _PASSWORD, _OTHER = 4, 5, 6, 7
_REASONS = {
    _PASSWORD: "it is protected with a password",
    _BAD: "it is damaged or ends too early",
    _OTHER: "it is another kind of document, no workbook",
}


class XlsWorkbook:
    """An open workbook (`waybill.tabular.sheets.Workbook`).

    Raises:
        JobFailed: `format-error`.
        TimeoutError: reading takes longer than `cpu_seconds`, where that is less than CPU_SECONDS.
    """

    def __init__(self, file: Seekable, cpu_seconds: int = CPU_SECONDS) -> None:
        if file.seek(0, 2) > MAX_FILE_BYTES:
            raise bad_workbook(f"it has more than {MAX_FILE_BYTES // 1024**2} MiB; save it as .xlsx")
        self._file, self._cpu_seconds = file, cpu_seconds
        tabs = list(_rows(file, None, cpu_seconds))
        self.tabs = [Tab(str(name), bool(visible), bool(worksheet)) for _, (name, visible, worksheet) in tabs]

    def rows(self, tab: int) -> Iterator[tuple[int, list[Value]]]:
        return _rows(self._file, tab, self._cpu_seconds)


def _rows(file: Seekable, tab: int | None, cpu_seconds: int) -> Iterator[tuple[int, list[Value]]]:
    """The rows of a sheet; without a tab, (name, whether it is visible, and a worksheet) of each."""
    file.seek(0)
    with tempfile.NamedTemporaryFile(suffix=".workbook") as copy:
        last = b""
        while data := file.read(_COPY_BYTES):
            if _ENCRYPTED in last + data:
                raise bad_workbook(_REASONS[_PASSWORD])
            copy.write(data)
            last = data[-len(_ENCRYPTED) :]
        copy.flush()
        wanted = json.dumps([tab, cpu_seconds])
        environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ.get("PATH", "")}
        if "LD_LIBRARY_PATH" in os.environ:
            environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
        # This very Python and module; the file's bytes arrive in a file of our own name, the options as one argument.
        child = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__, copy.name, wanted],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert child.stdout is not None  # it is a pipe  # noqa: S101
        try:
            for line in child.stdout:
                number, values = json.loads(line)
                yield number, [_value(value) for value in values]
            code = child.wait()
        finally:
            child.stdout.close()
            child.kill()
            child.wait()
    if code == -signal.SIGXCPU and cpu_seconds < CPU_SECONDS:
        raise TimeoutError
    if code:
        raise bad_workbook(_REASONS.get(code, "it is too large for this format; save it as .xlsx"))


def _value(value: Any) -> Value:
    """A cell as the child wrote it; moments, durations and digits are pairs of a mark and what they are."""
    if isinstance(value, list):
        mark, given = value
        if mark == _DIGITS:
            digits = Digits(given[0])
            digits.width = given[1]
            return digits
        if mark == _NOTHING:
            return NoValue(given)
        if mark == _SPAN:
            return timedelta(milliseconds=given)
        return time.fromisoformat(given) if len(given) < 10 or given[2] == ":" else datetime.fromisoformat(given)
    return value  # type: ignore[no-any-return]


def _serve(path: str, wanted: list[Any]) -> int:
    """The child: write the tabs, or the rows of one, as lines of JSON."""
    import resource

    tab, cpu_seconds = wanted

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import xlrd

    try:
        with open(os.devnull, "w") as nowhere:
            book = xlrd.open_workbook(path, nowhere, on_demand=True, formatting_info=True, ragged_rows=True)
            if tab is None:
                for sheet in book._all_sheets_map:
                    known = sheet >= 0
                    shown = [book._sheet_names[sheet], book._sheet_visibility[sheet] == 0] if known else ["", False]
                    print(json.dumps([0, [*shown, known]]))
                return 0
            _write_rows(book, book._all_sheets_map[tab])
    except MemoryError:
        return _TOO_LARGE
    except xlrd.XLRDError as error:
        text = str(error)
        return _PASSWORD if "encrypted" in text else _OTHER if "Can't find workbook" in text else _BAD
    except Exception:
        return _BAD
    return 0


def _write_rows(book: Any, number: int) -> None:
    import xlrd

    formats = [format_of(book.format_map[form.format_key].format_str) for form in book.xf_list]
    # Some programs write numbers without saying how they are shown.
    book._xf_index_to_xl_type_map = defaultdict(lambda: xlrd.XL_CELL_NUMBER, book._xf_index_to_xl_type_map)
    sheet = book.sheet_by_index(number)
    for row in range(sheet.nrows):
        types, values = sheet.row_types(row), sheet.row_values(row)
        cells: list[Any] = []
        for column, (kind, value) in enumerate(zip(types, values, strict=True)):
            if kind in (xlrd.XL_CELL_NUMBER, xlrd.XL_CELL_DATE):
                style = sheet._cell_xf_indexes[row][column]
                form = formats[style] if 0 <= style < len(formats) else GENERAL
                cells.append(
                    _plain(typed_number(value, form, book.datemode == 1)) if isfinite(value) else [_NOTHING, str(value)]
                )
            elif kind == xlrd.XL_CELL_TEXT:
                cells.append(value)
            elif kind == xlrd.XL_CELL_BOOLEAN:
                cells.append(bool(value))
            elif kind == xlrd.XL_CELL_ERROR:
                cells.append(xlrd.error_text_from_code.get(value, "#UNKNOWN!"))
            else:
                cells.append(None)
        if any(cell is not None for cell in cells):
            sys.stdout.write(json.dumps([row + 1, cells]) + "\n")


def _plain(value: Value) -> Any:
    if isinstance(value, NoValue):
        return [_NOTHING, str(value)]
    if isinstance(value, Digits):
        return [_DIGITS, [float(value), value.width]]
    if isinstance(value, timedelta):
        return [_SPAN, round(value / timedelta(milliseconds=1))]
    return [_MOMENT, value.isoformat()] if isinstance(value, datetime | time) else value


if __name__ == "__main__":
    sys.exit(_serve(sys.argv[1], json.loads(sys.argv[2])))
