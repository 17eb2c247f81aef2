"""The precheck step: validate a chunk before anything is written, and ask the table which keys it holds.

For jobs whose policy asks for it (`Policy.needs_precheck`), once for each chunk, side by side. A precheck finds the
same however often it runs, so its files have fixed names:

    jobs/{id}/checks/{chunk}/{keys,unique-0,…}   digests of the chunk's valid rows
    jobs/{id}/checks/{chunk}/bad                 the number of its bad rows, the rows that the table would refuse, and
                                                 those that name no record (`waybill.imports.foreign_keys`)
    jobs/{id}/checks/{chunk}/asked               the answers of the tables so far

For an import that can be undone it also keeps what the records are (`waybill.imports.previous`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from waybill.aws.files import SourceChanged
from waybill.entities.row_results import RowBlock
from waybill.imports.chunks import chunk_segments, reader_of
from waybill.imports.deadline import RESERVE_SECONDS, Remaining, whole_invocation
from waybill.imports.digests import DigestFile
from waybill.imports.existence import comparable, existing, keys_of
from waybill.imports.foreign_keys import OPTION, Found, OwnFiles, References, from_pairs, pairs
from waybill.imports.job_files import checks_prefix
from waybill.imports.modes import mode_of
from waybill.imports.plan_document import read_plan
from waybill.imports.policy import Policy
from waybill.imports.previous import Keeper, Part
from waybill.imports.row_reader import RowReader
from waybill.imports.sinks import BatchSink
from waybill.jobs.model import Job, Status

if TYPE_CHECKING:
    from waybill.jobs.services import Services


def precheck_chunk(
    services: Services, job_id: str, number: int, remaining_seconds: Remaining = whole_invocation
) -> bool:
    """Validate a chunk without writing, and save what the deduplication needs to know about it.

    Does nothing once the job is deduplicated: rows are being written then, and would be found in the table. Nor does it
    for a job that is to stop: nothing will be written.

    Returns:
        Whether the chunk is done. A slow table may take longer to answer than an invocation has; its answers so far are
        saved.
    """
    job, plan = services.jobs.get(job_id), read_plan(services, job_id)
    is_needed = job.status is Status.IN_PROGRESS and not (job.stop_reason or job.options.get("deduplicated"))
    if plan is None or not is_needed:
        return True
    reader = reader_of(services, job, plan)
    keys = DigestFile(max(1, plan.key_partitions))
    unique = [DigestFile(max(1, plan.key_partitions)) for _ in reader.unique_sets]
    policy = Policy.of(job)
    asks_table = policy.checks_existence and plan.key_partitions > 0  # a row without a key is always new
    references = References(services, reader) if job.options.get(OPTION) else None
    bucket, prefix = services.settings.files_bucket, checks_prefix(job_id, number)
    asks = asks_table or policy.keeps_previous
    asked, own = _asked(services, prefix) if asks or references else _Asked(), OwnFiles()
    wrapping, bad = BatchSink.wrapping if asks else None, 0
    chunk = plan.chunks[number]
    keeper = Keeper(services, job, plan, reader, number) if policy.keeps_previous else None
    for segment, row, count in chunk_segments(services.files, plan, chunk):
        block = reader.read(segment, row, count, services.clock.now(), wrapping)
        bad += len(block.errors)
        if plan.key_partitions:  # also of rows that name no record: later rows of their keys replace them
            keys.add(block.digests, block.rows)
        is_new = row >= asked.up_to
        if references is not None:
            if is_new:
                asked.add(references.check(block))
            reader.reject_dangling(block, asked.dangling)
            if references.has_own:
                own.add(references, block, asked.open)
        for digest_file, digests in zip(unique, block.unique, strict=True):
            digest_file.add(digests, block.rows)
        end = row + count
        while asked.up_to < end and (asks or references):
            if keeper:
                presence, asked.up_to = keeper.keep(block, asked.up_to, end)
            else:
                presence, asked.up_to = _presence(services, reader, job, block) if asks_table else {}, end
            if asks_table:
                absent = mode_of(job).requires == "absent"
                asked.refused += [row for row, is_there in presence.items() if is_there is absent]
            if remaining_seconds() < RESERVE_SECONDS:
                asked.kept += keeper.end() if keeper else []
                services.files.put(bucket, prefix + "asked", asked.to_json())
                return False
    asked.kept += keeper.end() if keeper else []
    services.files.put(bucket, prefix + "keys", keys.take_bytes())
    for index, digest_file in enumerate(unique):
        services.files.put(bucket, f"{prefix}unique-{index}", digest_file.take_bytes())
    for name, content in (("provided", own.provided), ("open", own.open)):
        if content:
            services.files.put(bucket, prefix + name, content)
    found = {
        "bad": bad,
        "refused": asked.refused,
        "dangling": pairs(asked.dangling),
        "provided": len(own.provided),
        "open": len(own.open),
        "kept": asked.kept,
    }
    services.files.put(bucket, prefix + "bad", json.dumps(found).encode())
    return True


@dataclass
class _Asked:
    """What the tables have answered: about rows before `up_to`, which of them the import's own would refuse, and which
    name records that are not there (`foreign_keys.Found`). `kept` are the parts that hold what the records were."""

    up_to: int = 0
    refused: list[int] = field(default_factory=list)
    dangling: dict[int, int] = field(default_factory=dict)
    open: dict[int, int] = field(default_factory=dict)
    kept: list[Part] = field(default_factory=list)

    def add(self, found: Found) -> None:
        self.dangling |= found.dangling
        self.open |= found.open

    def to_json(self) -> bytes:
        return json.dumps([self.up_to, self.refused, pairs(self.dangling), pairs(self.open), self.kept]).encode()


def _asked(services: Services, prefix: str) -> _Asked:
    try:
        content = services.files.read(services.settings.files_bucket, prefix + "asked")
    except SourceChanged:
        return _Asked()
    row, refused, dangling, open_, *kept = json.loads(content)  # an earlier version kept nothing
    return _Asked(row, refused, from_pairs(dangling), from_pairs(open_), *kept)


def _presence(services: Services, reader: RowReader, job: Job, block: RowBlock) -> dict[int, bool]:
    """Of each row, whether its record exists."""
    attributes = reader.key_attributes
    keys = keys_of(block.texts, attributes, mode_of(job).is_update)
    there = existing(services.dynamodb, reader.table, keys, attributes, own_table=reader.target is None)
    return {row: comparable(key, attributes) in there for row, key in zip(block.rows, keys, strict=True)}
