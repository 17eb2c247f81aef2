"""The figures of docs/scale.md: 100 million rows, 12 GB, by the product's own chunk arithmetic and ledger."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from tests import builders
from tests.scanning import scan_file
from tests.simulation.world import World, timeout_seconds
from waybill.aws.dynamodb import to_attributes
from waybill.bootstrap import Services
from waybill.imports.deadline import RESERVE_SECONDS
from waybill.imports.digests import KEYS_PER_PARTITION, WINDOW_KEYS, partitions_for
from waybill.imports.plan_document import ImportPlan
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.items import job_item
from waybill.jobs.leases import HEARTBEAT_SECONDS
from waybill.jobs.ledger import LedgerEntry
from waybill.jobs.model import ChunkLease, Job, Process, Status
from waybill.tabular.dialect import Dialect
from waybill.tabular.encodings import HEAD_BYTES
from waybill.tabular.scan import SCAN_BYTES, Chunk


class VirtualFile:
    """A CSV of `rows` rows of WIDTH bytes each, whose bytes are made when they are read; the first is row 0 here."""

    HEADER = b"contact_id,email,spend,joined,vip\n"
    WIDTH = 120

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.size_bytes = len(self.HEADER) + rows * self.WIDTH

    def row(self, number: int) -> bytes:
        return b"c%038d,mailbox-of-%030d@example.com,0000007.50,2026-01-31,yes\n" % (number, number)

    def bytes(self, start: int, end: int) -> bytes:
        """The bytes `[start, end)`."""
        head, end = self.HEADER[start:end], min(end, self.size_bytes)
        first = max(0, start - len(self.HEADER)) // self.WIDTH
        behind = max(0, -(-(end - len(self.HEADER)) // self.WIDTH))
        skip = max(0, start - len(self.HEADER) - first * self.WIDTH)
        body = b"".join(map(self.row, range(first, behind)))
        return head + body[skip : skip + max(0, end - start - len(head))]


SCALE = (builders.ROOT / "docs/scale.md").read_text()
MACHINE = json.loads((builders.ROOT / "infra/import.asl.json").read_text())
LIMIT_SECONDS = timeout_seconds("import_steps")
FILE = VirtualFile(100_000_000)
CHUNK_BYTES = int(builders.template()["Parameters"]["ChunkBytes"]["Default"])
WORKERS = int(builders.template()["Parameters"]["WorkersPerJob"]["Default"])
MOST_WORKERS = int(builders.template()["Parameters"]["WorkersPerJob"]["MaxValue"])
# What one worker writes when the table takes it: 16 connections, 25 rows each, 12 ms a request.
ROWS_PER_WORKER_SECOND = 30_000
START_SECONDS = 2.0  # cold start, plan, lease


def chunks_of(file: VirtualFile, chunk_bytes: int) -> list[Chunk]:
    """The chunks that a plan makes of a file of rows of one width, without reading it."""
    chunks: list[Chunk] = []
    start = len(file.HEADER)
    head = [*range(SCAN_BYTES, HEAD_BYTES, SCAN_BYTES), HEAD_BYTES]  # what was read to tell what file it is
    for read in [*head, *range(HEAD_BYTES + SCAN_BYTES, file.size_bytes + SCAN_BYTES, SCAN_BYTES)]:
        whole_rows = (min(read, file.size_bytes) - len(file.HEADER)) // file.WIDTH
        end = len(file.HEADER) + whole_rows * file.WIDTH
        if end - start >= chunk_bytes or read >= file.size_bytes:
            first = (start - len(file.HEADER)) // file.WIDTH
            chunks.append(Chunk(len(chunks), start, end, 2 + first, whole_rows - first))
            start = end
    return chunks


def test_the_chunk_arithmetic_is_that_of_a_real_plan() -> None:
    small = VirtualFile(200_000)
    planned = scan_file(io.BytesIO(small.bytes(0, small.size_bytes)), {}, None, 4 * SCAN_BYTES)
    assert chunks_of(small, 4 * SCAN_BYTES) == planned.chunks
    assert (planned.rows, planned.size_bytes) == (200_000, small.size_bytes)


def test_chunks_of_the_whole_file_are_exact_and_row_aligned() -> None:
    chunks = chunks_of(FILE, CHUNK_BYTES)
    assert chunks[0].start == len(FILE.HEADER) and chunks[-1].end == FILE.size_bytes
    assert sum(chunk.rows for chunk in chunks) == FILE.rows
    for before, after in pairwise(chunks):
        assert (before.end, before.first_row + before.rows) == (after.start, after.first_row)
        assert FILE.bytes(after.start - 1, after.start + FILE.WIDTH) == b"\n" + FILE.row(after.first_row - 2)
    assert len(chunks) == figure("Chunks")


def cold_table(seconds: float) -> float:
    """Write units a second of an on-demand table that was never used: 4,000, doubled each half hour, to the quota."""
    return min(40_000.0, 4_000.0 * 2 ** (seconds // 1_800))


def warm_table(seconds: float) -> float:
    return 40_000.0


@dataclass
class Run:
    seconds: float = 0.0
    worker_seconds: float = 0.0
    invocations: int = 0
    transactions: int = 0


@dataclass
class Worker:
    chunk: int
    rows_left: float
    part: int = 0
    part_rows: float = 0.0
    age_seconds: float = 0.0
    attempt: str = ""


def simulate(services: Services, job: Job, chunks: list[Chunk], capacity: Callable[[float], float]) -> Run:
    """Workers share the table's capacity evenly; each part is leased and committed in the real ledger."""
    run, step = Run(), 5.0
    waiting: Iterator[Chunk] = iter(chunks)
    workers: list[Worker] = []
    while True:
        while len(workers) < WORKERS and (chunk := next(waiting, None)) is not None:
            workers.append(Worker(chunk.number, chunk.rows))
        if not workers:
            return run
        rate = min(ROWS_PER_WORKER_SECOND, capacity(run.seconds) / len(workers))
        for worker in list(workers):
            if not worker.attempt:
                worker.attempt, worker.part_rows, worker.age_seconds = f"attempt-{run.invocations}", 0.0, START_SECONDS
                services.ledger.lease(job.job_id, worker.chunk, worker.attempt, 12.0)
                run.invocations += 1
            rows = min(rate * step, worker.rows_left)
            worker.rows_left -= rows
            worker.part_rows += rows
            worker.age_seconds += step
            assert worker.age_seconds < LIMIT_SECONDS, "no invocation is ended from outside"
            if worker.rows_left > 0 and worker.age_seconds < LIMIT_SECONDS - RESERVE_SECONDS:
                continue
            chunk, is_last = chunks[worker.chunk], worker.rows_left <= 0
            next_row = chunk.first_row + chunk.rows - round(worker.rows_left)
            done = sum(entry.rows for entry in services.ledger.entries(job.job_id, worker.chunk).get(worker.chunk, []))
            imported = next_row - chunk.first_row - done
            entry = LedgerEntry(worker.chunk, worker.part, worker.attempt, imported, 0, 0, 0, next_row, 0, is_last)
            services.ledger.commit(job.job_id, entry)
            run.transactions += 1
            worker.attempt, worker.part = "", worker.part + 1
            if is_last:
                workers.remove(worker)
        run.worker_seconds += step * len(workers)
        run.seconds += step


@pytest.mark.parametrize(("name", "capacity"), [("cold", cold_table), ("warm", warm_table)])
def test_the_whole_file_is_imported_within_the_figures(name: str, capacity: Callable[[float], float]) -> None:
    world = World()
    with world.open():
        run, stored, ledger, chunks = load(world.services, capacity)
    assert sorted(ledger) == [chunk.number for chunk in chunks]
    for parts in ledger.values():
        assert parts[-1].is_last and [part.part for part in parts] == list(range(len(parts)))
    assert stored.counts.imported == FILE.rows and not stored.leases
    transitions = 6 + 3 * len(chunks) + 2 * (run.invocations - len(chunks))
    assert run.seconds < MACHINE["TimeoutSeconds"]
    assert run.seconds / 60 == pytest.approx(figure("Minutes of loading", name), rel=0.05)
    assert run.invocations == pytest.approx(figure("Invocations of load", name), rel=0.05)
    assert transitions == pytest.approx(figure("State transitions", name), rel=0.05)
    assert run.worker_seconds / HEARTBEAT_SECONDS == pytest.approx(figure("Heartbeats", name), rel=0.05)


def load(
    services: Services, capacity: Callable[[float], float]
) -> tuple[Run, Job, dict[int, list[LedgerEntry]], list[Chunk]]:
    """Load the whole file: the run, the job and its ledger after it, and its chunks."""
    job = Job("job", Process.IMPORT, Status.WAITING, "e", "uid", "f.csv", services.clock.now(), "alice")
    services.jobs.register(job, {})
    services.jobs.begin(job.job_id)
    chunks = chunks_of(FILE, CHUNK_BYTES)
    services.jobs.set_plan(job.job_id, FILE.rows, len(chunks), {})
    run = simulate(services, job, chunks, capacity)
    return run, services.jobs.get(job.job_id), services.ledger.entries(job.job_id), chunks


def test_sizes_stay_within_the_quotas() -> None:
    chunks = chunks_of(FILE, CHUNK_BYTES)
    plan = ImportPlan(
        ObjectVersion("b" * 40, "drop/contacts/" + "k" * 40, "e" * 36), ["label"] * 8, "header", chunks, "utf-8", False,
        "0" * 64, Dialect(), partitions_for(FILE.rows),
    )  # fmt: skip
    job_id = "00000000-0000-4000-8000-000000000000"
    assert len(plan.to_json(job_id)) / 1000 == pytest.approx(figure("plan.json, KB"), rel=0.1)
    assert partitions_for(FILE.rows) * KEYS_PER_PARTITION >= FILE.rows
    assert -(-FILE.rows // WINDOW_KEYS) == figure("Requests for each key file")
    now = builders.START
    job = Job(
        job_id, Process.IMPORT, Status.IN_PROGRESS, "contacts", job_id, "f" * 40, now, "s3:123456789012",
        source_bucket="b" * 40, source_key="drop/contacts/" + "k" * 40, source_etag="e" * 36, started_at=now,
        heartbeat_at=now, detected={"encoding": "utf-8", "bom": False, "delimiter": ",", "headerRow": 1},
    )  # fmt: skip
    lease = ChunkLease("a" * 32, 250_000, 249_000, 1_000, 1_750_000_000_000)
    item_kb = {}
    for workers in (WORKERS, MOST_WORKERS):
        leased = replace(job, leases={number: lease for number in range(100, 100 + workers)})
        item_kb[workers] = -(-item_bytes(to_attributes(job_item(leased))) // 1024)
        assert item_kb[workers] * workers / HEARTBEAT_SECONDS < 1_000, "write units a second that one partition takes"
    assert item_kb[WORKERS] == figure("Job item at full concurrency, KB")
    assert f"with {MOST_WORKERS} it has {item_kb[MOST_WORKERS]} KB" in SCALE


def item_bytes(attributes: dict) -> int:  # type: ignore[type-arg]
    """The size by which DynamoDB bills (Developer Guide, *DynamoDB item sizes and formats*)."""

    def size(attribute: dict) -> int:  # type: ignore[type-arg]
        ((kind, value),) = attribute.items()
        if kind == "M":
            return 3 + sum(1 + len(name) + size(member) for name, member in value.items())
        if kind == "N":
            return len(value) // 2 + 2
        return len(value) if kind == "S" else 1

    return sum(len(name) + size(attribute) for name, attribute in attributes.items())


def figure(label: str, column: str = "") -> float:
    """A number of docs/scale.md: the first after a table row's label, or that of the column `cold` or `warm`."""
    found = re.search(rf"^\| {re.escape(label)} \|([^\n]*)\|$", SCALE, re.MULTILINE)
    assert found is not None, label
    cells = found[1].split("|")
    cell = cells[1 if column == "warm" else 0]
    return float(re.findall(r"[\d,.]*\d", cell)[0].replace(",", ""))
