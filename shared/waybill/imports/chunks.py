"""Reads the chunks of a planned file: all their segments, or some of their rows again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from waybill.entities.model import Entity
from waybill.entities.row_results import RowBlock
from waybill.entities.schema import parse_schema
from waybill.imports.job_source import match_labels
from waybill.imports.plan_document import ImportPlan
from waybill.imports.row_reader import RowReader
from waybill.imports.sinks import BatchSink
from waybill.jobs.model import Job
from waybill.tabular.records import Segment, segments
from waybill.tabular.scan import Chunk

if TYPE_CHECKING:
    from waybill.aws.files import Files
    from waybill.jobs.services import Services


def reader_of(services: Services, job: Job, plan: ImportPlan) -> RowReader:
    """The reader of a job's rows, by the definition of the entity that the job started with."""
    entity = Entity.from_document(services.jobs.definition(job.job_id))
    schema = parse_schema(entity.schema)
    match = match_labels(schema, entity, job, plan.labels)
    return RowReader(schema, match, plan, entity, job, services.settings.records_table)


def chunk_segments(
    files: Files, plan: ImportPlan, chunk: Chunk, row: int | None = None, byte: int | None = None
) -> Iterator[tuple[Segment, int, int]]:
    """The records of a chunk: (segment, number of its first row, how many of its records belong to the chunk).

    Args:
        row, byte: where to begin; None for the chunk's start.

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


def read_rows_again(
    files: Files,
    plan: ImportPlan,
    reader: RowReader,
    wanted: frozenset[int],
    first_chunk: int,
    now: datetime,
    on_segment: Callable[[], object],
) -> Iterator[tuple[int, int, RowBlock, int]]:
    """The wanted rows, read again: (chunk number, row, its block, its place among the block's good rows).

    Args:
        now: stamped on the records of a target table as the time of writing.
        on_segment: called before each segment, to keep the caller's lease and check its time.

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
