"""The benchmarks of imports: CPU against the peers, and peak memory."""

from __future__ import annotations

import json
import math
import re
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.make_files import bad_rows, schema_path, write_file
from tests.bench.measure import (
    HERE,
    PEERS_PYTHON,
    Endpoint,
    Failed,
    PartTask,
    Program,
    Result,
    Task,
    compare,
    null_dynamodb,
    peak,
    say,
)

BAD_SHARE = 0.3
#: What a worker meets on AWS: a request of 25 rows takes 12 ms, S3 gives 85 MB in a second, 16 requests are under way.
WRITE_MILLISECONDS, ROWS_A_REQUEST, CONNECTIONS, S3_MB_PER_SECOND = 12, 25, 16, 85
SHORT_ROWS = 1_000
WORKBOOK_ROWS = 100_000
#: Validation is measured on a file as they come; `import-bad-rows-vs-clean` has the bad one.
FEW_BAD_SHARE = 0.01
#: Times that the large files repeat LARGE_PART_ROWS narrow rows (about 12.5 MB).
LARGE_PART_ROWS = 100_000
TIMES_FOR_200_MB = 16
TIMES_FOR_2_000_000 = 20
TIMES_FOR_2_GB = 160


@dataclass(frozen=True)
class Workshop:
    """Where the files are made, how long they are, and how often each program runs."""

    folder: Path
    rows: int
    rounds: int

    def file(self, kind: str, rows: int, bad_share: float = 0.0) -> Path:
        """A file of `make_files`, made once."""
        file = self.folder / f"{kind}-{rows}-{bad_share}.csv"
        if not file.exists():
            say(f"making {file.name}")
            write_file(file, rows, kind, bad_share)
        return file

    def repeated(self, times: int, bad_share: float = BAD_SHARE, kind: str = "narrow") -> Path:
        """A large file with bad rows, quickly: one part of it again and again, the first two digits of each key (an
        account number), and of each reference, telling which time it is."""
        part = self.file(kind, LARGE_PART_ROWS, bad_share)
        file = part.with_name(f"{kind}-{times}-times-{bad_share}.csv")
        if not file.exists():
            say(f"making {file.name}")
            schema_path(file).write_bytes(schema_path(part).read_bytes())
            header, rows = part.read_bytes().split(b"\n", 1)
            with file.open("wb") as out:
                out.write(header + b"\n")
                for time in range(times):
                    out.write(re.sub(rb"(?m)(^|,R)[0-9]{2}(?=[0-9]{6})", rb"\g<1>%02d" % (time % 100), rows))
        return file

    def task(self, program: Program, kind: str = "narrow", rows: int | None = None, bad_share: float = 0.0) -> Task:
        """A program that imports a file: the good rows must arrive."""
        rows = rows or self.rows
        return Task(program, self.file(kind, rows, bad_share), rows, rows - bad_rows(rows, bad_share))

    def part(self, program: Program, divisor: int, bad_share: float = 0.0, writes: bool = True) -> PartTask:
        """A slow peer, on a part of the file."""
        rows = max(self.rows // divisor, 2 * SHORT_ROWS)
        tasks = [
            Task(program, self.file("narrow", size, bad_share), size, size - bad_rows(size, bad_share) if writes else 0)
            for size in (rows, SHORT_ROWS)
        ]
        return PartTask(*tasks)


def import_benchmarks(shop: Workshop) -> Iterator[Result]:
    with null_dynamodb(shop.folder) as endpoint:
        ours = Program(endpoint, "ours_import.py")
        shop.task(ours, rows=SHORT_ROWS).run()  # compiles the modules
        yield from _against_peers(shop, endpoint, ours)
        yield _validation(shop, endpoint)
        yield from _against_duckdb(shop, endpoint)
        yield compare(
            "import-mixed-vs-plain",
            shop.task(ours, "mixed"),
            shop.task(ours, "plain"),
            "ours, the rows in default formats",
            1.5,
            shop.rounds,
            less_is_better=True,
        )
        yield from _against_the_floor(shop, endpoint, ours)
        yield compare(
            "import-bad-rows-vs-clean",
            shop.task(ours, bad_share=BAD_SHARE),
            shop.task(ours),
            "ours, without bad rows",
            1.2,
            shop.rounds,
            less_is_better=True,
        )
        yield from _memory(shop, endpoint)
        yield from _other_containers(shop, endpoint)
        yield _wall_time(shop, endpoint)


def _wall_time(shop: Workshop, endpoint: Endpoint) -> Result:
    """Elapsed time of a worker, against the slowest of what it does at once: reading S3, working, and waiting.

    Working is loading with neither delay: checking, signing and TLS. The other two are calculated, from the bytes of
    the file and from the requests.
    """
    task, speed = shop.task(Program(endpoint, "ours_import.py")), ("--read-mb-per-second", str(S3_MB_PER_SECOND))
    loaded, working = [], []
    with null_dynamodb(shop.folder, "--latency-ms", str(WRITE_MILLISECONDS)) as slow:
        delayed = replace(task, program=Program(slow, "ours_import.py", speed))
        for number in range(shop.rounds):
            say(f"import-wall-vs-slowest: round {number + 1} of {shop.rounds}")
            loaded.append(json.loads(delayed.run().output)["loaded"])
            working.append(json.loads(task.run().output)["loaded"])
    alone = {
        "reading": task.file.stat().st_size / S3_MB_PER_SECOND / 1e6,
        "working": statistics.median(working),
        "waiting": math.ceil(task.puts / ROWS_A_REQUEST) / CONNECTIONS * WRITE_MILLISECONDS / 1e3,
    }
    ours, slowest = statistics.median(loaded), max(alone.values())
    names = ", ".join(f"{name} {seconds / task.rows * 1e6:.2f}" for name, seconds in alone.items())
    return Result(
        "import-wall-vs-slowest",
        ours / task.rows * 1e6,
        slowest / task.rows * 1e6,
        f"alone: {names}",
        "µs/row",
        ours / slowest,
        1.2,
        less_is_better=True,
    )


def _against_peers(shop: Workshop, endpoint: Endpoint, ours: Program) -> Iterator[Result]:
    """Validation and writing, against peers that write without checking the cells."""
    batch_writer = Program(endpoint, "peer_batch_writer.py")
    yield compare(
        "import-vs-batch-writer",
        shop.task(ours),
        shop.part(batch_writer, 12),
        "csv.DictReader + boto3 batch_writer",
        27,
        shop.rounds,
    )
    awswrangler = Program(endpoint, "peer_awswrangler.py", python=PEERS_PYTHON)
    yield compare(
        "import-vs-awswrangler",
        shop.task(ours),
        shop.part(awswrangler, 30),
        "awswrangler dynamodb.put_csv",
        40,
        shop.rounds,
    )


def _validation(shop: Workshop, endpoint: Endpoint) -> Result:
    """Validation alone, of a file with bad rows; both must find the same errors."""
    ours = Program(endpoint, "ours_import.py", ("--validate",))
    frictionless = Program(endpoint, "peer_frictionless.py", python=PEERS_PYTHON)
    short = shop.file("narrow", 2 * SHORT_ROWS, BAD_SHARE)
    found, expected = (json.loads(program.run(short, 0).output)["errors"] for program in (ours, frictionless))
    if found != expected or len(found) < bad_rows(2 * SHORT_ROWS, BAD_SHARE):
        raise Failed(f"{len(found)} errors found, {len(expected)} by frictionless, or not the same ones")
    return compare(
        "validate-vs-frictionless",
        Task(ours, shop.repeated(TIMES_FOR_2_000_000, FEW_BAD_SHARE), TIMES_FOR_2_000_000 * LARGE_PART_ROWS, 0),
        shop.part(frictionless, 6, FEW_BAD_SHARE, writes=False),
        "frictionless Resource.validate",
        50,
        shop.rounds,
    )


def _against_duckdb(shop: Workshop, endpoint: Endpoint) -> Iterator[Result]:
    """Validation alone; both must find as many good rows in a file with bad ones."""
    ours = Program(endpoint, "ours_import.py", ("--validate",))
    duckdb = Program(endpoint, "peer_duckdb.py", python=PEERS_PYTHON)
    for kind, bad_share in (("narrow", BAD_SHARE), ("mixed", 0.0)):
        file = shop.file(kind, 2 * SHORT_ROWS, bad_share)
        found, expected = (json.loads(program.run(file, 0).output)["valid"] for program in (ours, duckdb))
        if found != expected:
            raise Failed(f"{found} good rows found in the {kind} file, {expected} by DuckDB")
    for name, kind, goal in (("validate-vs-duckdb", "narrow", 0.9), ("validate-mixed-vs-duckdb", "mixed", 1.5)):
        rows = TIMES_FOR_2_000_000 * LARGE_PART_ROWS
        file = shop.repeated(TIMES_FOR_2_000_000, FEW_BAD_SHARE if kind == "narrow" else 0.0, kind)
        tasks = Task(ours, file, rows, 0), Task(duckdb, file, rows, 0)
        yield compare(name, *tasks, "DuckDB read_csv, one thread", goal, shop.rounds, less_is_better=True)
        if kind == "mixed":
            file.unlink()  # 300 MB


def _against_the_floor(shop: Workshop, endpoint: Endpoint, ours: Program) -> Iterator[Result]:
    for name, kind in (("import-vs-floor", "narrow"), ("import-wide-vs-floor", "wide")):
        requests = shop.folder / f"{kind}.requests"
        task = shop.task(ours, kind)
        with null_dynamodb(shop.folder, "--record", requests) as recorder:
            shop.task(Program(recorder, "ours_import.py"), kind).run()
        yield compare(
            name,
            task,
            shop.task(Program(endpoint, "peer_floor.py", ("--requests", requests)), kind),
            "csv.reader + the same requests, ready",
            1.5,
            shop.rounds,
            less_is_better=True,
        )
        requests.unlink()


def _memory(shop: Workshop, endpoint: Endpoint) -> Iterator[Result]:
    yield csv_memory(shop, endpoint, TIMES_FOR_200_MB)
    ours = Program(endpoint, "ours_import.py", ("--load-s3",))
    yield peak("import-xlsx-peak-mb", Task(ours, workbook(shop), WORKBOOK_ROWS, WORKBOOK_ROWS), 256)


def _other_containers(shop: Workshop, endpoint: Endpoint) -> Iterator[Result]:
    """Workbooks and Parquet: reading alone, and with the rows checked and written, against readers of every cell."""
    file, rows = workbook(shop), WORKBOOK_ROWS
    ours, reading = Program(endpoint, "ours_import.py"), Program(endpoint, "ours_sheet.py")
    for name, program, puts, reader, goal in (
        ("read-xlsx-vs-fastexcel", reading, 0, "fastexcel", 1.3),
        ("read-xlsx-vs-calamine", reading, 0, "calamine", 1.3),
        ("import-xlsx-vs-calamine", ours, rows, "calamine", 3),
    ):
        yield compare(
            name,
            Task(program, file, rows, puts),
            Task(Program(endpoint, "peer_sheet.py", ("--reader", reader), PEERS_PYTHON), file, rows, 0),
            f"{reader}, the same sheet read",
            goal,
            shop.rounds,
            less_is_better=True,
        )
    parquet = shop.folder / "narrow.parquet"
    peer = Program(endpoint, "peer_parquet.py", python=PEERS_PYTHON)
    replace(peer, options=("--make", shop.file("narrow", rows))).run(parquet, 0)
    schema_path(parquet).write_bytes(schema_path(shop.file("narrow", rows)).read_bytes())
    yield compare(
        "import-parquet-vs-pyarrow",
        Task(ours, parquet, rows, rows),
        Task(peer, parquet, rows, 0),
        "pyarrow, the same file read into values",
        3,
        shop.rounds,
        less_is_better=True,
    )


def csv_memory(shop: Workshop, endpoint: Endpoint, times: int) -> Result:
    """Peak memory of a large CSV with bad rows, the S3 client included."""
    ours = Program(endpoint, "ours_import.py", ("--load-s3",))
    rows, bad = times * LARGE_PART_ROWS, times * bad_rows(LARGE_PART_ROWS, BAD_SHARE)
    return peak("import-peak-mb", Task(ours, shop.repeated(times), rows, rows - bad), 90)


def workbook(shop: Workshop) -> Path:
    """A narrow file as .xlsx."""
    csv_file = shop.file("narrow", WORKBOOK_ROWS)
    file = csv_file.with_suffix(".xlsx")
    if not file.exists():
        say(f"making {file.name}")
        subprocess.run([PEERS_PYTHON, HERE / "make_workbook.py", csv_file, file], check=True)
    return file


def large_csv_memory(shop: Workshop) -> Result:
    with null_dynamodb(shop.folder) as endpoint:
        return csv_memory(shop, endpoint, TIMES_FOR_2_GB)
