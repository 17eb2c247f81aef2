"""Scans a delimited text file directly, without the rest of an import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from waybill.errors import JobFailed
from waybill.tabular.detect_dialect import Expected, table_dialect
from waybill.tabular.dialect import Dialect
from waybill.tabular.encodings import text_format
from waybill.tabular.records import Readable
from waybill.tabular.scan import Chunk, Hashing, Pushback, read_head, scan_table


@dataclass(frozen=True)
class ScannedFile:
    """The result of a scan. `header` is the header as text; `detected` is what the job shows."""

    labels: list[str]
    header: str
    chunks: list[Chunk]
    rows: int
    size_bytes: int
    sha256: str
    encoding: str
    dialect: Dialect
    detected: dict[str, Any]
    warnings: Mapping[str, str]


def scan_file(
    stream: Readable,
    dialect_document: Mapping[str, Any],
    declared_encoding: str | None,
    chunk_bytes: int,
    field_names: Sequence[str] = (),
    expected: Expected | None = None,
) -> ScannedFile:
    """Scan a delimited text file directly.

    Args:
        stream: the file from its first byte.
        dialect_document: a Table Dialect; what it leaves open is detected.
        declared_encoding: a Python codec name, or None to detect it.
        chunk_bytes: a chunk ends with the first block of records that brings it to this size.
        field_names: the labels of a file that is declared to have no header.
        expected: what is known about the table, for the detection of its dialect.

    Raises:
        JobFailed: `empty-file`, `encoding-error` (also for what must be recoded before it can be cut), `format-error`,
            `blank-header`, `row-too-long` or `source-error` (a dialect that cannot be used), with the row where there
            is one.
    """
    hashing = Hashing(stream)
    head = read_head(hashing)
    if not head:
        raise JobFailed("empty-file", "The file is empty.")
    found = text_format(head, declared_encoding)
    if not found.is_cuttable:
        raise JobFailed("encoding-error", f"Files in {found.encoding} cannot be cut as they stand.")
    detected = table_dialect(dialect_document, found.decode(head), expected)
    dialect = detected.dialect
    rest = Pushback(head[len(found.bom) :], hashing)
    scanned = scan_table(rest, dialect, found.encoding, chunk_bytes, start=len(found.bom), field_names=field_names)
    return ScannedFile(
        labels=scanned.labels,
        header=scanned.header,
        chunks=scanned.chunks,
        rows=scanned.rows,
        size_bytes=hashing.size_bytes,
        sha256=hashing.hexdigest(),
        encoding=found.encoding,
        dialect=dialect,
        detected={
            "encoding": found.encoding,
            "bom": bool(found.bom),
            "delimiter": dialect.delimiter,
            "headerRow": scanned.header_row,
        },
        warnings=detected.warnings,
    )
