"""Reading an import's planned file: whole chunks, or some rows of it once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from waybill.entities.model import Entity
from waybill.entities.row_results import RowBlock
from waybill.entities.schema import parse_schema
from waybill.imports.plan import ImportPlan, match_labels
from waybill.imports.rows import RowReader
from waybill.imports.sinks import BatchSink
from waybill.jobs.model import Job
from waybill.tabular.plan import Chunk
from waybill.tabular.records import Segment, segments

if TYPE_CHECKING:
    from waybill.aws.files import Files
    from waybill.jobs.services import Services


def row_reader(services: Services, job: Job, plan: ImportPlan) -> RowReader:
    """The reader for a job's rows, from the definition that it started with."""
    entity = Entity.from_document(services.jobs.definition(job.job_id))
    schema = parse_schema(entity.schema)
    match = match_labels(schema, entity, job, plan.labels)
    return RowReader(schema, match, plan, entity, job, services.settings.records_table)


def chunk_segments(
    files: Files, plan: ImportPlan, chunk: Chunk, row: int | None = None, byte: int | None = None
) -> Iterator[tuple[Segment, int, int]]:
    """The records of a chunk: (segment, number of its first row, how many of its records belong to the chunk).

    Args:
        row, byte: where to begin, when not at the chunk's start.

    Raises (while iterating):
        SourceChanged: the file is no longer the one that was planned.
    """
    source = plan.source
    row, byte = chunk.first_row if row is None else row, chunk.start if byte is None else byte
    end_row = chunk.first_row + chunk.rows
    stream = files.open(source.bucket, source.key, start=byte, end=chunk.end, etag=source.etag)
    for segment in segments(stream, plan.dialect, byte):
        count = min(segment.records, end_row - row)
        yield segment, row, count
        row += count
        if row >= end_row:
            return


def read_again(
    files: Files,
    plan: ImportPlan,
    reader: RowReader,
    wanted: frozenset[int],
    first_chunk: int,
    now: datetime,
    on_segment: Callable[[], object],
) -> Iterator[tuple[int, int, RowBlock, int]]:
    """Rows that were read before: (chunk number, row, its block, its place among the block's good rows).

    Args:
        now: stamped on the records.
        on_segment: called often; keeps the caller's lease, and looks at the time.

    Raises (while iterating):
        SourceChanged: the file is no longer the one that was planned.
    """
    for chunk in plan.chunks[first_chunk:]:
        if wanted.isdisjoint(range(chunk.first_row, chunk.first_row + chunk.rows)):
            continue
        for segment, row, count in chunk_segments(files, plan, chunk):
            on_segment()
            if wanted.isdisjoint(range(row, row + count)):
                continue
            block = reader.read(segment, row, count, now, BatchSink.wrapping)
            for position, number in enumerate(block.rows):
                if number in wanted:
                    yield chunk.number, number, block, position
