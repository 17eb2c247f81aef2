"""Check a file as a whole before anything is written: repeated keys, unique values, existence.

Two steps of the state machine, for jobs whose policy asks for it: `check_chunk` for every chunk side by side, then
`settle_import` once. What they find is the same however often they run, so their files have fixed names:

    jobs/{id}/checks/{chunk}/{keys,unique-0,…}   digests of the chunk's valid rows
    jobs/{id}/checks/{chunk}/bad                 number of its bad rows; and rows that the table would refuse
    jobs/{id}/checks/{chunk}/losers              what the settling came to: [row, type, field, cell, message]
    jobs/{id}/checks/{keys,unique-0,…}/          the searches for equal values (`waybill.imports.repeats`)
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Container, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from waybill.aws.files import SourceChanged
from waybill.entities.row_results import RowBlock, RowError
from waybill.imports.deadline import RESERVE_SECONDS, OutOfTime, Remaining, check_time, whole_invocation
from waybill.imports.existence import comparable, existing, keys_of
from waybill.imports.keys import KeySpill, RangeReader
from waybill.imports.modes import MODES
from waybill.imports.plan import ImportPlan, read_plan
from waybill.imports.policy import Policy
from waybill.imports.repeats import Found, Loser, LoserQueue, Search, by_row
from waybill.imports.rows import RowReader
from waybill.imports.sinks import BatchSink
from waybill.imports.source import chunk_segments, read_again, row_reader
from waybill.jobs.model import Job, Status, job_prefix

if TYPE_CHECKING:
    from waybill.jobs.services import Services

DUPLICATE_KEY = "duplicate-key"
UNIQUE_ERROR = "unique-error"


def checks_prefix(job_id: str, chunk: int) -> str:
    return f"{job_prefix(job_id)}checks/{chunk:06d}/"


def read_losers(services: Services, job: Job, chunk: int) -> dict[int, RowError]:
    """What the settling took out of a chunk, by row. Where it failed nothing was written, and nothing is taken out."""
    if not job.options.get("settled"):
        return {}
    data = services.files.read(services.settings.files_bucket, checks_prefix(job.job_id, chunk) + "losers")
    return {row: RowError(row, *rest) for row, *rest in json.loads(data)}


def check_chunk(services: Services, job_id: str, number: int, remaining_seconds: Remaining = whole_invocation) -> bool:
    """Validate a chunk without writing, and spill what the settling needs to know.

    Once the job is settled this does nothing: rows are being written, and would be found in the table.

    Returns:
        Whether the chunk is done. A slow table may take longer to answer than an invocation has; what it answered is
        kept then.
    """
    job, plan = services.jobs.get(job_id), read_plan(services, job_id)
    if plan is None or job.status is not Status.IN_PROGRESS or job.options.get("settled"):
        return True
    reader = row_reader(services, job, plan)
    keys = KeySpill(max(1, plan.key_partitions))
    unique = [KeySpill(max(1, plan.key_partitions)) for _ in reader.unique_sets]
    asks_table = Policy.of(job).checks_existence and plan.key_partitions > 0  # a row without a key is always new
    bucket, prefix = services.settings.files_bucket, checks_prefix(job_id, number)
    asked_up_to, refused = _asked(services, prefix) if asks_table else (0, [])
    wrapping, bad = BatchSink.wrapping if asks_table else None, 0
    chunk = plan.chunks[number]
    for segment, row, count in chunk_segments(services.files, plan, chunk):
        block = reader.read(segment, row, count, services.clock.now(), wrapping)
        bad += len(block.errors)
        if plan.key_partitions:
            keys.add(block.digests, block.rows)
        for spill, digests in zip(unique, block.unique, strict=True):
            pairs = [(digest, at) for digest, at in zip(digests, block.rows, strict=True) if digest is not None]
            spill.add([digest for digest, _ in pairs], [at for _, at in pairs])
        if asks_table and row >= asked_up_to:
            refused += _refused(services, job, reader, block)
            if remaining_seconds() < RESERVE_SECONDS:
                services.files.put(bucket, prefix + "asked", json.dumps([row + count, refused]).encode())
                return False
    services.files.put(bucket, prefix + "keys", keys.to_bytes())
    for index, spill in enumerate(unique):
        services.files.put(bucket, f"{prefix}unique-{index}", spill.to_bytes())
    services.files.put(bucket, prefix + "bad", json.dumps({"bad": bad, "refused": refused}).encode())
    return True


def _asked(services: Services, prefix: str) -> tuple[int, list[int]]:
    """(the row up to which the table was asked before the time ran out, rows that it would refuse)."""
    try:
        row, refused = json.loads(services.files.read(services.settings.files_bucket, prefix + "asked"))
    except SourceChanged:
        return 0, []
    return row, refused


def settle_import(services: Services, job_id: str, remaining_seconds: Remaining = whole_invocation) -> bool:
    """Decide which valid rows lose: earlier ones of a key, later ones of a unique value, those the table would refuse.

    For all-or-nothing a single bad row makes the job's `refused` option: then nothing is written.

    Returns:
        Whether it is decided. When the time runs out what is done is kept, and the next invocation goes on there.
    """
    job, plan = services.jobs.get(job_id), read_plan(services, job_id)
    if plan is None or job.status is not Status.IN_PROGRESS or job.options.get("settled"):
        return True
    reader = row_reader(services, job, plan)
    searches: list[Search] = []
    try:
        if plan.key_partitions:
            searches.append(_key_search(services, job, plan, reader, remaining_seconds))
            for groups in searches[-1].batches():
                searches[-1].done(loser for rows in groups for loser in earlier_rows(rows))
        for index, names in enumerate(reader.unique_sets):
            before = list(searches)
            searches.append(_unique_search(services, job, plan, reader, index, remaining_seconds))
            for groups in searches[-1].batches():
                gone = _lost_before(before, groups)
                searches[-1].done(loser for rows in groups for loser in _later_rows(rows, names, gone))
    except OutOfTime:
        for search in searches:
            search.keep()
        return False
    is_bad = _write_losers(services, job, plan, searches)
    if job.on_error == "all-or-nothing" and is_bad:
        services.jobs.set_option(job_id, "refused", True)
    services.jobs.set_option(job_id, "settled", True)
    return True


def _write_losers(services: Services, job: Job, plan: ImportPlan, searches: Sequence[Search]) -> bool:
    """Write what the settling takes out of each chunk; says whether any row is bad."""
    bucket, is_bad = services.settings.files_bucket, False
    refusal = MODES[job.mode].refusal
    queue = LoserQueue(heapq.merge(*(search.losers() for search in searches), key=by_row))
    for chunk in plan.chunks:
        prefix = checks_prefix(job.job_id, chunk.number)
        found = json.loads(services.files.read(bucket, prefix + "bad"))
        losers = {row: RowError(row, None, None, refusal.type, None, refusal.message) for row in found["refused"]}
        losers |= {loser.row: loser.error for loser in queue.before(chunk.first_row + chunk.rows)}
        is_bad |= bool(found["bad"] or losers)
        services.files.put(bucket, prefix + "losers", json.dumps([losers[row] for row in sorted(losers)]).encode())
    return is_bad


def earlier_rows(rows: Sequence[Found]) -> Iterator[Loser]:
    """Of the valid rows of one key the last wins."""
    *earlier, winner = rows
    message = f"The same key stands again in row {winner.row}, which wins."
    for found in earlier:
        yield Loser(RowError(found.row, None, None, DUPLICATE_KEY, found.value, message), found.raw)


def _later_rows(rows: Sequence[Found], names: Sequence[str], gone: Container[int]) -> Iterator[Loser]:
    """Of the valid rows of one unique value the first stays; those in `gone` do not count."""
    left = [found for found in rows if found.row not in gone]
    for found in left[1:]:
        message = f"The same value of {', '.join(names)} stands in row {left[0].row} already."
        yield Loser(RowError(found.row, found.field_number, names[0], UNIQUE_ERROR, found.value, message))


def _lost_before(searches: Sequence[Search], groups: Sequence[Sequence[Found]]) -> set[int]:
    """Those of the rows that lost in an earlier search."""
    rows = {found.row for group in groups for found in group}
    return {loser.row for search in searches for loser in search.losers() if loser.row in rows}


def _key_search(
    services: Services, job: Job, plan: ImportPlan, reader: RowReader, remaining_seconds: Remaining
) -> Search:
    def found(row: int, block: RowBlock, position: int) -> Found:
        return Found(row, block.keys[position])

    return _search(services, job, plan, reader, "keys", found, remaining_seconds)


def _unique_search(
    services: Services, job: Job, plan: ImportPlan, reader: RowReader, index: int, remaining_seconds: Remaining
) -> Search:
    def found(row: int, block: RowBlock, position: int) -> Found:
        return Found(row, *reader.unique_value(block.raw(row), index))

    return _search(services, job, plan, reader, f"unique-{index}", found, remaining_seconds)


def _search(
    services: Services,
    job: Job,
    plan: ImportPlan,
    reader: RowReader,
    name: str,
    found: Callable[[int, RowBlock, int], Found],
    remaining_seconds: Remaining,
) -> Search:
    """The search for rows with equal digests in the files `name` of the chunks' checks."""
    bucket = services.settings.files_bucket

    def key_reader(chunk: int) -> RangeReader:
        key = checks_prefix(job.job_id, chunk) + name

        def read(start: int, end: int) -> bytes:
            check_time(remaining_seconds)
            return services.files.read(bucket, key, start, end)

        return read

    def read_rows(wanted: frozenset[int], first_chunk: int) -> Iterator[tuple[int, Found]]:
        again = read_again(
            services.files,
            plan,
            reader,
            wanted,
            first_chunk,
            services.clock.now(),
            partial(check_time, remaining_seconds),
        )
        for chunk, row, block, position in again:
            yield chunk, found(row, block, position)

    reads = [key_reader(chunk.number) for chunk in plan.chunks]
    prefix = f"{job_prefix(job.job_id)}checks/{name}/"
    return Search(services.files, bucket, prefix, reads, max(1, plan.key_partitions), read_rows)


def _refused(services: Services, job: Job, reader: RowReader, block: RowBlock) -> list[int]:
    """Rows whose record does not stand in the table as the mode requires."""
    mode = MODES[job.mode]
    attributes = reader.key_attributes
    keys = keys_of(block.texts, attributes, mode.shape == "update")
    there = existing(services.dynamodb, reader.table, keys, attributes, own_table=reader.target is None)
    stands = (comparable(key, attributes) in there for key in keys)
    return [row for row, is_there in zip(block.rows, stands, strict=True) if is_there is (mode.requires == "absent")]
