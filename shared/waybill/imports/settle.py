"""Check a file as a whole before anything is written: repeated keys, unique values, existence.

Two steps of the state machine, for jobs whose policy asks for it: `check_chunk` for every chunk side by side, then
`settle_import` once. What they find is the same however often they run, so their files have fixed names:

    jobs/{id}/checks/{chunk}/{keys,unique-0,…}   digests of the chunk's valid rows
    jobs/{id}/checks/{chunk}/bad                 number of its bad rows; and rows that the table would refuse
    jobs/{id}/checks/{chunk}/losers              what the settling came to: [row, type, field, cell, message]
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from waybill.imports.blocks import RowBlock
from waybill.imports.existence import comparable, existing, keys_of
from waybill.imports.keys import KeySpill, in_batches, repeated_by_partition
from waybill.imports.plan import ImportPlan, read_plan
from waybill.imports.policy import Policy
from waybill.imports.reports import RowError
from waybill.imports.results import job_prefix
from waybill.imports.rows import RowReader
from waybill.imports.sinks import EXISTS, NOT_FOUND, NoSink
from waybill.imports.source import chunk_segments, read_again, row_reader
from waybill.jobs.model import Job, Status

if TYPE_CHECKING:
    from waybill.bootstrap import Services

DUPLICATE_KEY = "duplicate-key"
UNIQUE_ERROR = "unique-error"


def checks_prefix(job_id: str, chunk: int) -> str:
    return f"{job_prefix(job_id)}checks/{chunk:06d}/"


def read_losers(services: Services, job: Job, chunk: int) -> dict[int, RowError]:
    """What the settling took out of a chunk, by row."""
    data = services.files.read(services.settings.files_bucket, checks_prefix(job.job_id, chunk) + "losers")
    return {row: RowError(row, *rest) for row, *rest in json.loads(data)}


def check_chunk(services: Services, job_id: str, number: int) -> None:
    """Validate a chunk without writing, and spill what the settling needs to know.

    Once the job is settled this does nothing: rows are being written, and would be found in the table.
    """
    job, plan = services.jobs.get(job_id), read_plan(services, job_id)
    if plan is None or job.status is not Status.IN_PROGRESS or job.options.get("settled"):
        return
    policy = Policy.of(job)
    reader = row_reader(services, job, plan)
    keys = KeySpill(max(1, plan.key_partitions))
    unique = [KeySpill(max(1, plan.key_partitions)) for _ in reader.unique_sets]
    refused: list[int] = []
    bad = 0
    chunk = plan.chunks[number]
    for segment, row, count in chunk_segments(services.files, plan, chunk):
        block = reader.read(segment, row, count, services.clock(), NoSink.wrapping)
        bad += len(block.errors)
        if plan.key_partitions:
            keys.add(block.digests, block.rows)
        for spill, digests in zip(unique, block.unique, strict=True):
            pairs = [(digest, at) for digest, at in zip(digests, block.rows, strict=True) if digest is not None]
            spill.add([digest for digest, _ in pairs], [at for _, at in pairs])
        if policy.checks_existence and plan.key_partitions:  # a row without a key is always new
            refused += _refused(services, job, reader, block)
    bucket, prefix = services.settings.files_bucket, checks_prefix(job_id, number)
    services.files.put(bucket, prefix + "keys", keys.to_bytes())
    for index, spill in enumerate(unique):
        services.files.put(bucket, f"{prefix}unique-{index}", spill.to_bytes())
    services.files.put(bucket, prefix + "bad", json.dumps({"bad": bad, "refused": refused}).encode())


def settle_import(services: Services, job_id: str) -> None:
    """Decide which valid rows lose: earlier ones of a key, later ones of a unique value, those the table would refuse.

    For all-or-nothing a single bad row makes the job's `refused` option: then nothing is written.
    """
    job, plan = services.jobs.get(job_id), read_plan(services, job_id)
    if plan is None or job.status is not Status.IN_PROGRESS or job.options.get("settled"):
        return
    reader = row_reader(services, job, plan)
    losers = _key_losers(services, job, plan)
    for index, names in enumerate(reader.unique_sets):
        losers |= _unique_losers(services, job, plan, index, names, losers)
    bad = 0
    refusal = EXISTS if job.mode == "insert" else NOT_FOUND
    for chunk in plan.chunks:
        prefix = checks_prefix(job_id, chunk.number)
        found = json.loads(services.files.read(services.settings.files_bucket, prefix + "bad"))
        bad += found["bad"]
        for row in found["refused"]:
            losers.setdefault(row, RowError(row, None, None, refusal[0], None, refusal[1]))
    rows = sorted(losers)
    for chunk in plan.chunks:
        first, behind = bisect_left(rows, chunk.first_row), bisect_left(rows, chunk.first_row + chunk.rows)
        mine = [losers[row] for row in rows[first:behind]]
        body = json.dumps(mine).encode()
        services.files.put(services.settings.files_bucket, checks_prefix(job_id, chunk.number) + "losers", body)
    if job.on_error == "all-or-nothing" and (bad or losers):
        services.jobs.set_option(job_id, "refused", True)
    services.jobs.set_option(job_id, "settled", True)


def _key_losers(services: Services, job: Job, plan: ImportPlan) -> dict[int, RowError]:
    """Every valid row but the last of each key."""
    losers: dict[int, RowError] = {}
    for rows in _groups(services, job, plan, "keys", "keys"):
        *earlier, winner = rows
        for row, key, _ in earlier:
            message = f"The same key stands again in row {winner[0]}, which wins."
            losers[row] = RowError(row, None, None, DUPLICATE_KEY, key, message)
    return losers


def _unique_losers(
    services: Services, job: Job, plan: ImportPlan, index: int, names: Sequence[str], gone: Mapping[int, RowError]
) -> dict[int, RowError]:
    """Every valid row but the first of each value."""
    losers: dict[int, RowError] = {}
    for rows in _groups(services, job, plan, f"unique-{index}", index):
        left = [found for found in rows if found[0] not in gone]
        for row, value, number in left[1:]:
            message = f"The same value of {', '.join(names)} stands in row {left[0][0]} already."
            losers[row] = RowError(row, number, names[0], UNIQUE_ERROR, value, message)
    return losers


def _groups(
    services: Services, job: Job, plan: ImportPlan, name: str, what: str | int
) -> Iterator[list[tuple[int, str, int | None]]]:
    """Rows of the file that share a value: (row, its text, field number), ascending, two or more in each list.

    Equal digests make rows suspects; they are read again and their real values compared.
    """
    bucket = services.settings.files_bucket
    reader = row_reader(services, job, plan)
    partitions = max(1, plan.key_partitions)
    keys = [checks_prefix(job.job_id, chunk.number) + name for chunk in plan.chunks]
    reads = [partial(services.files.read, bucket, key) for key in keys]
    for suspects in in_batches(repeated_by_partition(reads, partitions)):
        groups: dict[str, list[tuple[int, str, int | None]]] = {}
        for row, value, number in _values(services, job, plan, reader, suspects, what):
            groups.setdefault(value, []).append((row, value, number))
        yield from (rows for rows in groups.values() if len(rows) > 1)


def _values(
    services: Services, job: Job, plan: ImportPlan, reader: RowReader, suspects: frozenset[int], what: str | int
) -> Iterator[tuple[int, str, int | None]]:
    for _, row, block, position in read_again(services, plan, reader, suspects):
        if what == "keys":
            yield row, block.keys[position], None
        else:
            yield row, *reader.unique_value(block.raw(row), int(what))


def _refused(services: Services, job: Job, reader: RowReader, block: RowBlock) -> list[int]:
    """Rows that mode insert, update or delete would find the table against."""
    attributes = reader.key_attributes
    keys = keys_of(block.texts, attributes, job.mode == "update")
    there = existing(services.dynamodb, reader.table, keys, attributes, own_table=reader.target is None)
    wants_absent = job.mode == "insert"
    return [
        row for row, key in zip(block.rows, keys, strict=True) if (comparable(key, attributes) in there) is wants_absent
    ]
