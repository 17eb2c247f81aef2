"""Read a sheet of an .xls, .xlsb or .ods workbook with calamine, in a process of its own.

Calamine is native code that loads a whole sheet, with a cell for every position between the outermost ones: a small
file can ask for any amount of memory. A child process with limits therefore reads it and passes on row by row; when the
child dies, only this workbook is refused.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from waybill.errors import JobFailed
from waybill.tabular.compressed import Seekable
from waybill.tabular.sheets import SheetRows, Value, bad_workbook

MAX_FILE_BYTES = 32 * 1024**2
MEMORY_BYTES = 384 * 1024**2
CPU_SECONDS = 60
MAX_CELLS = 10_000_000
_COPY_BYTES = 1024**2
# The stream of an OLE file that holds an encrypted .xlsx (MS-OFFCRYPTO 1.3).
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_MOMENT = "m"
_SPAN = "s"

# Exit codes of the child.
_NO_SHEET, _BAD, _TOO_LARGE, _PASSWORD = 3, 4, 5, 6
_REASONS = {_PASSWORD: "it is protected with a password", _BAD: "it is damaged, or of an unknown kind"}


def read_sheet(file: Seekable, sheet_name: str | None, sheet_number: int, cpu_seconds: int = CPU_SECONDS) -> SheetRows:
    """Open one sheet, as `waybill.tabular.xlsx.read_sheet` does.

    Raises (also while iterating):
        JobFailed: `format-error`; `source-error` where there is no such sheet.
        TimeoutError: reading takes longer than `cpu_seconds`, where that is less than CPU_SECONDS.
    """
    if file.seek(0, 2) > MAX_FILE_BYTES:
        raise bad_workbook(f"it has more than {MAX_FILE_BYTES // 1024**2} MiB; save it as .xlsx")
    file.seek(0)
    rows = _rows(file, sheet_name, sheet_number, cpu_seconds)
    _, (name, *names) = next(rows)
    return SheetRows(str(name), [str(each) for each in names], rows)


def _rows(
    file: Seekable, sheet_name: str | None, sheet_number: int, cpu_seconds: int
) -> Iterator[tuple[int, list[Value]]]:
    """The names of the sheet and of all sheets as row 0, then its rows."""
    with tempfile.NamedTemporaryFile(suffix=".workbook") as copy:
        last = b""
        while data := file.read(_COPY_BYTES):
            if _ENCRYPTED in last + data:
                raise bad_workbook(_REASONS[_PASSWORD])
            copy.write(data)
            last = data[-len(_ENCRYPTED) :]
        copy.flush()
        wanted = json.dumps([sheet_name, sheet_number, cpu_seconds])
        environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ.get("PATH", "")}
        if "LD_LIBRARY_PATH" in os.environ:
            environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
        child = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__, copy.name, wanted],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        assert child.stdout is not None  # noqa: S101
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
    if code == _NO_SHEET:
        what = f'named "{sheet_name}"' if sheet_name is not None else f"number {sheet_number}"
        raise JobFailed("source-error", f"The workbook has no sheet {what}.")
    if code:
        raise bad_workbook(_REASONS.get(code, "it is too large for this format; save it as .xlsx"))


def _value(value: Any) -> Value:
    """A cell as the child wrote it; moments and durations are pairs of a mark and a text."""
    if isinstance(value, list):
        mark, given = value
        if mark == _SPAN:
            return timedelta(milliseconds=given)
        return time.fromisoformat(given) if len(given) < 10 or given[2] == ":" else datetime.fromisoformat(given)
    return value  # type: ignore[no-any-return]


def _serve(path: str, wanted: list[Any]) -> int:
    """The child: write the names and the sheet's rows as lines of JSON."""
    import resource

    name, number, cpu_seconds = wanted

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import python_calamine

    try:
        workbook = python_calamine.CalamineWorkbook.from_path(path)
        if name is None and number > len(workbook.sheet_names):
            return _NO_SHEET
        name = workbook.sheet_names[number - 1] if name is None else name
        if name not in workbook.sheet_names:
            return _NO_SHEET
        sheet = workbook.get_sheet_by_name(name)
    except python_calamine.PasswordError:
        return _PASSWORD
    except MemoryError:
        return _TOO_LARGE
    except Exception:
        return _BAD
    out = sys.stdout
    out.write(json.dumps([0, [name, *workbook.sheet_names]]) + "\n")
    if sheet.start is None or sheet.end is None:
        return 0
    if sheet.total_height * sheet.total_width > MAX_CELLS:
        return _TOO_LARGE
    # Rows come from row 1 on, columns from the first that is used.
    margin: list[Value] = [None] * sheet.start[1]
    for row, values in enumerate(sheet.iter_rows(), 1):
        if any(value != "" for value in values):
            out.write(json.dumps([row, margin + [_plain(value) for value in values]]) + "\n")
    out.flush()
    return 0


def _plain(value: Any) -> Any:
    if value == "":
        return None
    if isinstance(value, str | bool):
        return value
    if isinstance(value, timedelta):
        return [_SPAN, round(value / timedelta(milliseconds=1))]
    if isinstance(value, datetime | time):
        return [_MOMENT, value.isoformat()]
    if isinstance(value, date):
        return [_MOMENT, f"{value.isoformat()}T00:00:00"]
    return float(value)


if __name__ == "__main__":
    sys.exit(_serve(sys.argv[1], json.loads(sys.argv[2])))
