"""The deduplication step: decide, before anything is written, which of the rows that share a value lose.

For jobs whose policy asks for it, once, after the prechecks. It reads their files and adds:

    jobs/{id}/checks/{chunk}/losers        rows of the chunk to reject: [row, field number, field, type, cell, message]
    jobs/{id}/checks/{chunk}/dangling      rows of the chunk to reject because they name no record, with bits
    jobs/{id}/checks/{keys,unique-0,…}/    the searches for equal values (`waybill.imports.duplicates`)
"""

from __future__ import annotations

import heapq
import json
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from waybill.entities.row_results import RowBlock, RowError
from waybill.imports.chunks import read_rows_again, reader_of
from waybill.imports.deadline import OutOfTime, Remaining, check_time, whole_invocation
from waybill.imports.digests import RangeReader
from waybill.imports.duplicates import (
    UNIQUE_ERROR,
    DuplicateSearch,
    Found,
    LoserQueue,
    by_row,
    earlier_rows,
    later_rows,
)
from waybill.imports.foreign_keys import OPTION, OwnReferences, TooManyOpenKeys, from_pairs, has_new_rows, pairs
from waybill.imports.job_files import checks_prefix
from waybill.imports.modes import mode_of
from waybill.imports.plan_document import ImportPlan, read_plan
from waybill.imports.policy import Policy
from waybill.imports.previous import Part, write_parts
from waybill.imports.row_reader import RowReader
from waybill.jobs.giving_up import TOO_LARGE
from waybill.jobs.model import Job, Status, job_prefix
from waybill.tabular.scan import Chunk

if TYPE_CHECKING:
    from waybill.jobs.services import Services

_PIECE_ENTRIES = 50_000


def deduplicate_import(services: Services, job_id: str, remaining_seconds: Remaining = whole_invocation) -> bool:
    """Decide which valid rows lose: those that name no record, earlier ones of a key, later ones of a unique value,
    those the table would refuse.

    For all-or-nothing, a single bad row sets the job's option `refused`: then nothing is written. Does nothing for a
    job that is to stop already: no row is written, and none can lose.

    Returns:
        Whether all is decided. When the time runs out, what is done is saved, and the next invocation goes on there.
    """
    job, plan = services.jobs.get(job_id), read_plan(services, job_id)
    is_needed = job.status is Status.IN_PROGRESS and not (job.stop_reason or job.options.get("deduplicated"))
    if plan is None or not is_needed:
        return True
    reader = reader_of(services, job, plan)
    searches: list[DuplicateSearch] = []
    try:
        found = [_found(services, job, chunk) for chunk in plan.chunks]
        own = OwnReferences(partial(_pieces, services, job, found, remaining_seconds), has_new_rows(job))
        dangling = own.dangling()
        named_nothing = dangling.keys() | {row for of_chunk in found for row, _ in of_chunk.get("dangling", ())}
        if plan.key_partitions:
            searches.append(_key_search(services, job, plan, reader, remaining_seconds))
            for groups in searches[-1].batches():
                searches[-1].done(loser for rows in groups for loser in earlier_rows(rows, named_nothing))
        for index, names in enumerate(reader.unique_sets):
            before = list(searches)
            searches.append(_unique_search(services, job, plan, reader, index, remaining_seconds))
            for groups in searches[-1].batches():
                gone = _lost_before(before, groups) | dangling.keys()
                searches[-1].done(loser for rows in groups for loser in later_rows(rows, names, gone))
        if reader.unique_sets:  # whoever names a row that has lost there names nothing
            dangling = own.dangling(_unique_losers(searches))
    except OutOfTime:
        for search in searches:
            search.keep()
        return False
    except TooManyOpenKeys:
        services.jobs.set_option_once(job_id, "failure", TOO_LARGE)
        raise
    is_bad = _write_losers(services, job, plan, found, dangling, searches)
    if Policy.of(job).keeps_previous:
        write_parts(services, job, [Part(*part) for of_chunk in found for part in of_chunk.get("kept", ())])
    if job.on_error == "all-or-nothing" and is_bad:
        services.jobs.set_option(job_id, "refused", True)
    services.jobs.set_option(job_id, "deduplicated", True)
    return True


def _write_losers(
    services: Services,
    job: Job,
    plan: ImportPlan,
    found: Sequence[Mapping[str, Any]],
    dangling: Mapping[int, int],
    searches: Sequence[DuplicateSearch],
) -> bool:
    """Write the losers of each chunk; returns whether any row is bad."""
    bucket, is_bad = services.settings.files_bucket, False
    refusal = mode_of(job).refusal
    queue = LoserQueue(heapq.merge(*(search.losers() for search in searches), key=by_row))
    own, at = sorted(dangling), 0
    for chunk, of_chunk in zip(plan.chunks, found, strict=True):
        prefix, end_row = checks_prefix(job.job_id, chunk.number), chunk.first_row + chunk.rows
        losers = {row: RowError.whole(row, *refusal) for row in of_chunk["refused"]}
        losers |= {loser.row: loser.error for loser in queue.before(end_row)}
        start, at = at, bisect_left(own, end_row)
        lost = from_pairs(of_chunk.get("dangling", ())) | {row: dangling[row] for row in own[start:at]}
        is_bad |= bool(of_chunk["bad"] or losers or lost)
        services.files.put(bucket, prefix + "losers", json.dumps([losers[row] for row in sorted(losers)]).encode())
        if job.options.get(OPTION):
            services.files.put(bucket, prefix + "dangling", json.dumps(pairs(lost)).encode())
    return is_bad


def _found(services: Services, job: Job, chunk: Chunk) -> dict[str, Any]:
    """What the precheck found in a chunk."""
    content = services.files.read(services.settings.files_bucket, checks_prefix(job.job_id, chunk.number) + "bad")
    found: dict[str, Any] = json.loads(content)
    return found


def _pieces(
    services: Services,
    job: Job,
    found: Sequence[Mapping[str, Any]],
    remaining_seconds: Remaining,
    name: str,
    entry_bytes: int,
) -> Iterator[bytes]:
    """The files of this name that the prechecks wrote (`waybill.imports.foreign_keys`)."""
    bucket, step = services.settings.files_bucket, _PIECE_ENTRIES * entry_bytes
    for chunk, of_chunk in enumerate(found):
        for start in range(0, of_chunk.get(name, 0), step):
            check_time(remaining_seconds)
            end = min(start + step, of_chunk[name])
            yield services.files.read(bucket, checks_prefix(job.job_id, chunk) + name, start, end)


def _unique_losers(searches: Sequence[DuplicateSearch]) -> set[int]:
    return {loser.row for search in searches for loser in search.losers() if loser.error.type == UNIQUE_ERROR}


def _lost_before(searches: Sequence[DuplicateSearch], groups: Sequence[Sequence[Found]]) -> set[int]:
    """Those of the rows that lost in an earlier search."""
    rows = {found.row for group in groups for found in group}
    return {loser.row for search in searches for loser in search.losers() if loser.row in rows}


def _key_search(
    services: Services, job: Job, plan: ImportPlan, reader: RowReader, remaining_seconds: Remaining
) -> DuplicateSearch:
    form = plan.rejects_format

    def found(row: int, block: RowBlock, position: int) -> Found:
        raw = block.raw(row)
        return Found(row, form.row_number(row, raw), block.keys[position], *reader.key_place(raw))

    return _search(services, job, plan, reader, "keys", found, remaining_seconds)


def _unique_search(
    services: Services, job: Job, plan: ImportPlan, reader: RowReader, index: int, remaining_seconds: Remaining
) -> DuplicateSearch:
    form = plan.rejects_format

    def found(row: int, block: RowBlock, position: int) -> Found:
        raw = block.raw(row)
        return Found(row, form.row_number(row, raw), *reader.unique_value(raw, index))

    return _search(services, job, plan, reader, f"unique-{index}", found, remaining_seconds)


def _search(
    services: Services,
    job: Job,
    plan: ImportPlan,
    reader: RowReader,
    name: str,
    found: Callable[[int, RowBlock, int], Found],
    remaining_seconds: Remaining,
) -> DuplicateSearch:
    """The search among the digest files `name` that the prechecks wrote."""
    bucket = services.settings.files_bucket

    def key_reader(chunk: int) -> RangeReader:
        key = checks_prefix(job.job_id, chunk) + name

        def read(start: int, end: int) -> bytes:
            check_time(remaining_seconds)
            return services.files.read(bucket, key, start, end)

        return read

    def read_rows(wanted: frozenset[int], first_chunk: int) -> Iterator[tuple[int, Found]]:
        again = read_rows_again(
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
    return DuplicateSearch(services.files, bucket, prefix, reads, max(1, plan.key_partitions), read_rows)
