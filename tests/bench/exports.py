"""The benchmarks of exports: CPU against a simple boto3 script, and peak memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.imports import SHORT_ROWS, Workshop
from tests.bench.measure import (
    PEERS_PYTHON,
    Endpoint,
    ExportTask,
    Failed,
    PartTask,
    Program,
    Result,
    compare,
    null_dynamodb,
    peak,
)

#: Format → name of the benchmark, the peer, the goal, and which part of the rows the peer gets.
PEERS = {
    "csv": ("export-csv-vs-scan", "boto3 Table.scan + csv.DictWriter", 20, 8),
    "jsonl": ("export-jsonl-vs-scan", "boto3 Table.scan + json.dumps", 6, 8),
    "xlsx": ("export-xlsx-vs-xlsxwriter", "boto3 Table.scan + xlsxwriter", 5, 8),
    "parquet": ("export-parquet-vs-scan", "boto3 Table.scan + pyarrow", 1, 8),
}
#: The formats' memory does not grow with the table; a short one would not show when it did.
MEMORY_ROWS = 300_000


def export_benchmarks(shop: Workshop) -> Iterator[Result]:
    with null_dynamodb(shop.folder) as endpoint:
        for format, (name, peer_name, goal, divisor) in PEERS.items():
            ours = ExportTask(ours_program(endpoint, format), shop.folder / f"ours.{format}", shop.rows)
            peer, file = peer_program(endpoint, format), shop.folder / f"peer.{format}"
            check_same_rows(shop.folder, endpoint, format)
            part = ExportTask(peer, file, max(shop.rows // divisor, 2 * SHORT_ROWS))
            yield compare(name, ours, PartTask(part, ExportTask(peer, file, SHORT_ROWS)), peer_name, goal, shop.rounds)
        yield _memory("export-peak-mb", [name for name in PEERS if name != "parquet"], 96, shop, endpoint)
        yield _memory("export-parquet-peak-mb", ["parquet"], 256, shop, endpoint)


def ours_program(endpoint: Endpoint, format: str, *options: str) -> Program:
    return Program(endpoint, "ours_export.py", ("--format", format, *options))


def peer_program(endpoint: Endpoint, format: str, python: str | Path = PEERS_PYTHON) -> Program:
    return Program(endpoint, "peer_scan.py", ("--format", format), python)


def check_same_rows(folder: Path, endpoint: Endpoint, format: str, python: str | Path = PEERS_PYTHON) -> None:
    """Both write the same cells.

    Raises:
        Failed: they do not.
    """
    files = [folder / f"short-{number}.{format}" for number in range(2)]
    programs = ours_program(endpoint, format), peer_program(endpoint, format, python)
    for program, file in zip(programs, files, strict=True):
        ExportTask(program, file, SHORT_ROWS).run()
    ours, theirs = (_cells(file) for file in files)
    if ours != theirs or len(ours) < SHORT_ROWS:
        raise Failed(f"{format}: the rows are not the same")


def _cells(file: Path) -> list[object]:
    if file.suffix == ".csv":
        return [*file.read_bytes().splitlines()]
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in file.read_bytes().splitlines()]
    if file.suffix == ".parquet":
        from pyarrow import parquet

        return [*parquet.read_table(file).to_pylist()]
    from zipfile import ZipFile

    from waybill.tabular.xlsx import XlsxWorkbook

    with ZipFile(file) as archive:
        return [*XlsxWorkbook(archive).rows(0)]


def _memory(name: str, formats: Sequence[str], goal_mb: float, shop: Workshop, endpoint: Endpoint) -> Result:
    """The largest peak of some formats, the S3 client included."""
    peaks = []
    for format in formats:
        task = ExportTask(ours_program(endpoint, format, "--load-s3"), shop.folder / f"ours.{format}", MEMORY_ROWS)
        peaks.append(peak(name, task, goal_mb))
    return max(peaks, key=lambda result: result.ours)
