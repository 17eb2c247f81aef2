"""The precheck step: validate a chunk before anything is written, and ask the table which keys it holds.

For jobs whose policy asks for it (`Policy.needs_precheck`), once for each chunk, side by side. A precheck finds the
same however often it runs, so its files have fixed names:

    jobs/{id}/checks/{chunk}/{keys,unique-0,…}   digests of the chunk's valid rows
    jobs/{id}/checks/{chunk}/bad                 the number of its bad rows, the rows that the table would refuse, and
                                                 those that name no record (`waybill.imports.foreign_keys`)
    jobs/{id}/checks/{chunk}/asked               the answers of the tables so far
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
from waybill.imports.modes import MODES
from waybill.imports.plan_document import read_plan
from waybill.imports.policy import Policy
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
    asks_table = Policy.of(job).checks_existence and plan.key_partitions > 0  # a row without a key is always new
    references = References(services, reader) if job.options.get(OPTION) else None
    bucket, prefix = services.settings.files_bucket, checks_prefix(job_id, number)
    asked, own = _asked(services, prefix) if asks_table or references else _Asked(), OwnFiles()
    wrapping, bad = BatchSink.wrapping if asks_table else None, 0
    chunk = plan.chunks[number]
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
            given = [(digest, at) for digest, at in zip(digests, block.rows, strict=True) if digest is not None]
            digest_file.add([digest for digest, _ in given], [at for _, at in given])
        if is_new and (asks_table or references):
            asked.refused += _refused(services, job, reader, block) if asks_table else []
            if remaining_seconds() < RESERVE_SECONDS:
                services.files.put(bucket, prefix + "asked", asked.to_json(row + count))
                return False
    services.files.put(bucket, prefix + "keys", keys.to_bytes())
    for index, digest_file in enumerate(unique):
        services.files.put(bucket, f"{prefix}unique-{index}", digest_file.to_bytes())
    for name, content in (("provided", own.provided), ("open", own.open)):
        if content:
            services.files.put(bucket, prefix + name, content)
    found = {
        "bad": bad,
        "refused": asked.refused,
        "dangling": pairs(asked.dangling),
        "provided": len(own.provided),
        "open": len(own.open),
    }
    services.files.put(bucket, prefix + "bad", json.dumps(found).encode())
    return True


@dataclass
class _Asked:
    """What the tables have answered: about rows before `up_to`, which of them the import's own would refuse, and which
    name records that are not there (`foreign_keys.Found`)."""

    up_to: int = 0
    refused: list[int] = field(default_factory=list)
    dangling: dict[int, int] = field(default_factory=dict)
    open: dict[int, int] = field(default_factory=dict)

    def add(self, found: Found) -> None:
        self.dangling |= found.dangling
        self.open |= found.open

    def to_json(self, up_to: int) -> bytes:
        return json.dumps([up_to, self.refused, pairs(self.dangling), pairs(self.open)]).encode()


def _asked(services: Services, prefix: str) -> _Asked:
    try:
        content = services.files.read(services.settings.files_bucket, prefix + "asked")
    except SourceChanged:
        return _Asked()
    row, refused, *found = json.loads(content)
    return _Asked(row, refused, *map(from_pairs, found))


def _refused(services: Services, job: Job, reader: RowReader, block: RowBlock) -> list[int]:
    """Rows whose record is missing or present although the mode requires the opposite."""
    mode = MODES[job.mode]
    attributes = reader.key_attributes
    keys = keys_of(block.texts, attributes, mode.is_update)
    there = existing(services.dynamodb, reader.table, keys, attributes, own_table=reader.target is None)
    presence = (comparable(key, attributes) in there for key in keys)
    return [row for row, is_there in zip(block.rows, presence, strict=True) if is_there is (mode.requires == "absent")]
