"""Read Parquet with pyarrow, in a process of its own.

A file of a few kilobytes can hold a value of hundreds of megabytes, and what is wrong in one may end the process that
reads it. A child with limits therefore decodes batches of rows, as texts with what each column is; if the child dies,
only this file is refused. It has the file, and one batch at a time in memory, whatever the size of row groups.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from waybill.errors import JobFailed, counted
from waybill.tabular.jsonlines import NumberText, json_text

MEMORY_BYTES = 640 * 1024**2
CPU_SECONDS = 840
#: What a batch should have in memory, and the rows it has at most.
_BATCH_BYTES, _BATCH_ROWS = 4 * 1024**2, 2_048
#: What is looked at to tell that: rows at the beginning of row groups.
_PROBED_ROWS, _PROBED_GROUPS = 16, 16
_READ_BYTES = 1024**2
_NAME_BYTES = 64 * 1024

# Exit codes of the child.
_BAD, _TOO_LARGE, _ENCRYPTED, _UNSUPPORTED = 4, 5, 6, 7
_REASONS = {
    _BAD: "it is damaged or ends too early",
    _ENCRYPTED: "it is encrypted",
    _UNSUPPORTED: "it has a compression, an encoding or a type that is not supported",
    -signal.SIGXCPU: "it takes too long; write it in several files",
}
_TOO_LARGE_REASON = "a value or a page of it takes too much memory; write smaller row groups and pages"

# What the cells of a column are, beside texts.
TEXT, NUMBER, BOOLEAN, MOMENT, NESTED, BYTES = "text", "number", "boolean", "moment", "nested", "bytes"


class Columns(NamedTuple):
    """The columns of a file: names, kinds, and the number of rows that its metadata promises."""

    names: list[str]
    kinds: list[str]
    rows: int


def bad_parquet(reason: str) -> JobFailed:
    return JobFailed("format-error", f"The Parquet file cannot be read: {reason}.")


class ParquetTable:
    """An open file.

    Args:
        path: of the file.
        cpu_seconds: the longest that reading it may take.

    Raises:
        JobFailed: `format-error`.
        TimeoutError: reading takes longer than `cpu_seconds`, where that is less than CPU_SECONDS.
    """

    def __init__(self, path: str, cpu_seconds: int = CPU_SECONDS) -> None:
        self._cpu_seconds = cpu_seconds
        environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ.get("PATH", "")}
        environment |= {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
        environment |= {"ARROW_IO_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
        if "LD_LIBRARY_PATH" in os.environ:
            environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
        # This very Python and module; the file's bytes are in a file of our own name.
        self._child = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__, path, str(cpu_seconds)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        try:
            head = self._line()
            if head is None:
                raise self._failure() or bad_parquet(_REASONS[_BAD])
            self.columns = Columns(*head)
        except BaseException:
            self.close()
            raise

    def batches(self) -> Iterator[list[list[Any]]]:
        """The columns of one batch of rows after the other. A cell is None for null, else a text, True or False, or the
        number of bytes of what is no text.

        Raises (while iterating): as the class.
        """
        rows = 0
        while (batch := self._line()) is not None:
            rows += len(batch[0])
            yield batch
        if failure := self._failure():
            raise failure
        if rows != self.columns.rows:
            raise bad_parquet(f"it promises {counted(self.columns.rows)} and has {rows:,}")

    def close(self) -> None:
        assert self._child.stdout is not None  # it is a pipe  # noqa: S101
        self._child.stdout.close()
        self._child.kill()
        self._child.wait()

    def _line(self) -> Any:
        assert self._child.stdout is not None  # it is a pipe  # noqa: S101
        line = self._child.stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def _failure(self) -> JobFailed | None:
        """Why the child has ended early; None where it has not."""
        code = self._child.wait()
        if code == -signal.SIGXCPU and self._cpu_seconds < CPU_SECONDS:
            raise TimeoutError
        return bad_parquet(_REASONS.get(code, _TOO_LARGE_REASON)) if code else None


def _serve(path: str, cpu_seconds: int) -> int:
    """The child: write the columns, then the batches, as lines of JSON."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import pyarrow as pa

    pa.set_cpu_count(1)
    try:
        for line in decoded(path):
            print(json.dumps(line))
    except MemoryError:  # also Arrow's
        return _TOO_LARGE
    except NotImplementedError:
        return _UNSUPPORTED
    except Exception as error:
        return _ENCRYPTED if "crypt" in str(error).lower() else _BAD
    return 0


def decoded(source: Any) -> Iterator[Columns | list[list[Any]]]:
    """The columns of a file, given by its path or as one that is open, then its batches, as `ParquetTable` has them.

    Raises Arrow's errors, and others, where the file is not a good one.
    """
    from pyarrow.parquet import ParquetFile

    options: dict[str, Any] = {"memory_map": False, "pre_buffer": False, "buffer_size": _READ_BYTES}
    file = ParquetFile(source, coerce_int96_timestamp_unit="us", **options)
    metadata, schema = file.metadata, file.schema_arrow
    leaves = {file.schema.column(index).path: file.schema.column(index) for index in range(len(file.schema))}
    readers = [_reader(field.type, leaves.get(field.name)) for field in schema]
    head = Columns([str(name)[:_NAME_BYTES] for name in schema.names], [kind for kind, _ in readers], metadata.num_rows)
    yield head
    if not readers:
        return
    rows = _rows_a_batch(file)
    old = [number for number, name in enumerate(schema.names) if _is_int96(leaves.get(name))]
    finer: Iterator[Any] = iter(())
    if old:  # a timestamp of the old kind has nanoseconds, which only the years 1678 to 2261 hold
        exact = ParquetFile(source, coerce_int96_timestamp_unit="ns", **options)
        finer = exact.iter_batches(batch_size=rows, columns=[schema.names[n] for n in old], use_threads=False)
    for batch in file.iter_batches(batch_size=rows, use_threads=False):
        cells = [read(column) for (_, read), column in zip(readers, batch.columns, strict=True)]
        for number, column in zip(old, next(finer).columns if old else (), strict=True):
            cells[number] = [*map(_finer, cells[number], _moments(column, ""))]
        yield cells


def _rows_a_batch(file: Any) -> int:
    """How many rows have some `_BATCH_BYTES`, by their size in the file, and by that of the first rows of each row
    group: texts that are repeated stand in the file once."""
    groups = range(file.metadata.num_row_groups)
    sizes = [sum(file.metadata.row_group(n).total_byte_size for n in groups) / (file.metadata.num_rows or 1)]
    for number in groups[:_PROBED_GROUPS]:
        some = next(file.iter_batches(batch_size=_PROBED_ROWS, row_groups=[number], use_threads=False), None)
        sizes += [some.nbytes / len(some)] if some is not None and len(some) else []
    return min(max(int(_BATCH_BYTES // max(*sizes, 1)), 1), _BATCH_ROWS)


def _is_int96(leaf: Any) -> bool:
    return leaf is not None and leaf.physical_type == "INT96"


def _finer(text: Any, exact: Any) -> Any:
    """A moment of the old kind: to the nanosecond where those have the same second."""
    return exact if text and exact and text[:19] == exact[:19] else text


def _reader(kind: Any, leaf: Any) -> tuple[str, Any]:
    """What the cells of a column are, and what makes them of an array."""
    import pyarrow as pa

    types = pa.types
    logical = "" if leaf is None else str(leaf.logical_type.type)
    if isinstance(kind, pa.BaseExtensionType):
        kind, own = _reader(kind.storage_type, leaf)
        return kind, lambda array: own(array.storage)
    if types.is_dictionary(kind):
        kind, read = _reader(kind.value_type, leaf)
        return kind, lambda array: read(array.dictionary_decode())
    if logical == "UUID":
        return TEXT, lambda array: [None if v is None else str(UUID(bytes=v)) for v in array.to_pylist()]
    if types.is_null(kind):
        return TEXT, lambda array: array.to_pylist()
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind) or logical == "ENUM":
        return TEXT, _texts
    if types.is_boolean(kind):
        return BOOLEAN, lambda array: array.to_pylist()
    if types.is_float16(kind):
        return NUMBER, lambda array: _as_texts(array.cast(pa.float32()))
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return NUMBER, _as_texts
    if types.is_date(kind) or types.is_time(kind):
        return MOMENT, lambda array: [_moment(text, "") for text in _as_texts(array)]
    if types.is_timestamp(kind):
        zone = "Z" if kind.tz is not None else ""
        return MOMENT, lambda array: _moments(array, zone)
    if types.is_nested(kind):
        return NESTED, lambda array: [_nested(scalar) if scalar.is_valid else None for scalar in array]
    return BYTES, lambda array: [
        None if v is None else len(v) if isinstance(v, bytes) else 0 for v in array.to_pylist()
    ]


def _nested(scalar: Any) -> str | int:
    """A nested value as JSON; 0 where it holds what JSON cannot."""
    import pyarrow as pa

    try:
        value = _plain(scalar.as_py())
    except (ValueError, OverflowError, TypeError):
        return 0
    return json_text(value or {} if pa.types.is_map(scalar.type) else value)


def _as_texts(array: Any) -> list[str | None]:
    import pyarrow as pa

    texts: list[str | None] = array.cast(pa.string()).to_pylist()
    return texts


def _texts(array: Any) -> list[str | int | None]:
    """Texts; the number of bytes of what is not valid UTF-8."""
    import pyarrow as pa

    try:
        texts: list[str | int | None] = array.cast(pa.string()).to_pylist()
        return texts
    except (UnicodeDecodeError, pa.ArrowInvalid):
        return [None if value is None else _text_of(value) for value in array.cast(pa.binary()).to_pylist()]


def _text_of(value: bytes) -> str | int:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return len(value)


def _moments(array: Any, zone: str) -> list[str | int | None]:
    import pyarrow as pa

    return [_moment(text, zone) for text in _as_texts(array.view(pa.timestamp(array.type.unit)))]


def _moment(text: str | None, zone: str) -> str | int | None:
    """A date or time in ISO 8601, without zeros at the end of its fraction; 0 for one that Arrow cannot write."""
    if text is None or text.startswith("<"):
        return None if text is None else 0
    text = text.replace(" ", "T", 1)
    return (text.rstrip("0").rstrip(".") if "." in text else text) + zone


def _plain(value: Any) -> Any:
    """A nested value as `jsonlines.json_text` takes it."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int | Decimal):
        return NumberText(f"{value:f}" if isinstance(value, Decimal) else value)
    if isinstance(value, float):
        return NumberText(repr(value)) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(item, tuple) for item in value):  # a map
            members = {str(name): _plain(member) for name, member in value}
            if len(members) < len(value):
                raise ValueError
            return members
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        raise TypeError
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


if __name__ == "__main__":
    sys.exit(_serve(sys.argv[1], int(sys.argv[2])))
