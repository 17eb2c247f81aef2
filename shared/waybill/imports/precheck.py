"""The precheck step: validate a chunk before anything is written, and ask the table which keys it holds.

For jobs whose policy asks for it (`Policy.needs_precheck`), once for each chunk, side by side. A precheck finds the
same however often it runs, so its files have fixed names:

    jobs/{id}/checks/{chunk}/{keys,unique-0,…}   digests of the chunk's valid rows
    jobs/{id}/checks/{chunk}/bad                 the number of its bad rows, and the rows that the table would refuse
    jobs/{id}/checks/{chunk}/asked               the answers of the table so far
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from waybill.aws.files import SourceChanged
from waybill.entities.row_results import RowBlock
from waybill.imports.chunks import chunk_segments, reader_of
from waybill.imports.deadline import RESERVE_SECONDS, Remaining, whole_invocation
from waybill.imports.digests import DigestFile
from waybill.imports.existence import comparable, existing, keys_of
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
    bucket, prefix = services.settings.files_bucket, checks_prefix(job_id, number)
    asked_up_to, refused = _asked(services, prefix) if asks_table else (0, [])
    wrapping, bad = BatchSink.wrapping if asks_table else None, 0
    chunk = plan.chunks[number]
    for segment, row, count in chunk_segments(services.files, plan, chunk):
        block = reader.read(segment, row, count, services.clock.now(), wrapping)
        bad += len(block.errors)
        if plan.key_partitions:
            keys.add(block.digests, block.rows)
        for digest_file, digests in zip(unique, block.unique, strict=True):
            pairs = [(digest, at) for digest, at in zip(digests, block.rows, strict=True) if digest is not None]
            digest_file.add([digest for digest, _ in pairs], [at for _, at in pairs])
        if asks_table and row >= asked_up_to:
            refused += _refused(services, job, reader, block)
            if remaining_seconds() < RESERVE_SECONDS:
                services.files.put(bucket, prefix + "asked", json.dumps([row + count, refused]).encode())
                return False
    services.files.put(bucket, prefix + "keys", keys.to_bytes())
    for index, digest_file in enumerate(unique):
        services.files.put(bucket, f"{prefix}unique-{index}", digest_file.to_bytes())
    services.files.put(bucket, prefix + "bad", json.dumps({"bad": bad, "refused": refused}).encode())
    return True


def _asked(services: Services, prefix: str) -> tuple[int, list[int]]:
    """(the first row that the table was not asked about, the rows before it that the table would refuse)."""
    try:
        row, refused = json.loads(services.files.read(services.settings.files_bucket, prefix + "asked"))
    except SourceChanged:
        return 0, []
    return row, refused


def _refused(services: Services, job: Job, reader: RowReader, block: RowBlock) -> list[int]:
    """Rows whose record is missing or present although the mode requires the opposite."""
    mode = MODES[job.mode]
    attributes = reader.key_attributes
    keys = keys_of(block.texts, attributes, mode.is_update)
    there = existing(services.dynamodb, reader.table, keys, attributes, own_table=reader.target is None)
    presence = (comparable(key, attributes) in there for key in keys)
    return [row for row, is_there in zip(block.rows, presence, strict=True) if is_there is (mode.requires == "absent")]
