"""Loads one chunk, or a part of it: validates its rows, writes the good ones, keeps the bad ones with their reasons.

Each row is imported exactly once, because

- what an attempt writes can be written again with the same result (`waybill.imports.sinks`),
- the files of an attempt have the attempt in their keys, and
- only the ledger item makes an attempt count: it is put once, in one transaction with the totals.

An attempt holds a lease that each heartbeat prolongs. It sends nothing when the lease may be over, and the next attempt
at the chunk waits until it is.

A chunk that takes longer than the invocation has is committed as far as it came, and the next invocation goes on there.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import TYPE_CHECKING, NamedTuple

from waybill.aws.files import SourceChanged, Writer
from waybill.entities.records import TOMBSTONE_SECONDS
from waybill.entities.row_results import DUPLICATE_KEY, SOURCE_CHANGED, RowBlock, RowError, stopped
from waybill.errors import FileUnreadable
from waybill.imports.chunks import chunk_segments, reader_of
from waybill.imports.deadline import RESERVE_SECONDS, Remaining, whole_invocation
from waybill.imports.digests import DigestFile
from waybill.imports.foreign_keys import OPTION, from_pairs
from waybill.imports.job_files import checks_prefix, part_prefix
from waybill.imports.modes import mode_of
from waybill.imports.plan_document import ImportPlan
from waybill.imports.policy import Policy
from waybill.imports.read_back import ReadBack, longest_gap
from waybill.imports.rejects import ChunkRejects
from waybill.imports.sinks import BatchSink, NoSink, Sink, conditional_sink
from waybill.imports.target_sink import target_sink
from waybill.imports.undo_sink import UndoSink
from waybill.jobs.leases import WRITE_TIMEOUT_SECONDS, Heartbeat
from waybill.jobs.ledger import LedgerEntry
from waybill.jobs.model import ChunkLease, Job
from waybill.tabular.records import Segment
from waybill.tabular.scan import Chunk

if TYPE_CHECKING:
    from waybill.aws.files import Files
    from waybill.imports.row_reader import RowReader
    from waybill.jobs.services import Services


class _Stop(Exception):
    """The job is to stop: raised before a request is sent."""


@dataclass
class _Tally:
    """How far a part came, and what became of its rows."""

    next_row: int
    next_byte: int
    imported: int = 0
    rejected: int = 0
    unprocessed: int = 0
    repeated: int = 0
    lost: int = 0
    failure: str | None = None
    is_last: bool = True


@dataclass
class _Written:
    """What was written of a stopped part: every good row before `handed_in` that is neither in `lost` nor `refused`.

    `end_row` is set where the time was over before the table was asked for all rows: the rows from there on are left to
    the next part.
    """

    handed_in: int
    lost: set[int]
    refused: dict[int, RowError] = field(default_factory=dict)
    end_row: int | None = None


def load_leased_chunk(
    services: Services,
    job: Job,
    plan: ImportPlan,
    chunk: Chunk,
    parts: Sequence[LedgerEntry],
    attempt: str,
    remaining_seconds: Remaining = whole_invocation,
    *,
    skip: bool = False,
) -> LedgerEntry:
    """Load what `parts` left of a chunk, under a lease of `attempt`.

    Args:
        skip: write nothing, and list the rows as stopped; those that stand in the table count as imported.

    Raises:
        Superseded: a newer attempt owns the chunk, or the job has ended.
    """
    loader = _Loader(services, job, plan, chunk, attempt, remaining_seconds, gives_up=skip)
    begin = parts[-1] if parts else None
    start = _Tally(begin.next_row if begin else chunk.first_row, begin.next_byte if begin else chunk.start)
    part = len(parts)
    prefix = part_prefix(job.job_id, chunk.number, part, attempt)
    written: _Written | None = loader.known_written() if skip or job.stop_reason else None
    if written is None:
        with closing(loader), _PartFiles(services.files, services.settings.files_bucket, prefix) as outputs:
            try:
                tally, report = loader.load(replace(start), outputs)
            except _Stop:
                written = loader.stop()
                outputs.discard()
    if written is not None:
        written = loader.read_back(replace(start), written)
        # A second pass over the same rows, now that it is known which of them were written.
        with _PartFiles(services.files, services.settings.files_bucket, prefix) as outputs:
            tally, report = loader.list_stopped(replace(start), outputs, written)
    entry = LedgerEntry(
        chunk=chunk.number,
        part=part,
        attempt=attempt,
        imported=tally.imported,
        rejected=tally.rejected,
        unprocessed=tally.unprocessed,
        errors=report.errors,
        next_row=tally.next_row,
        next_byte=tally.next_byte,
        is_last=tally.is_last,
        failure=tally.failure,
        repeated=tally.repeated,
        lost=tally.lost,
    )
    return services.ledger.commit(job.job_id, entry, loader.lease)


class _Loader:
    """One attempt at a part of a chunk."""

    def __init__(
        self,
        services: Services,
        job: Job,
        plan: ImportPlan,
        chunk: Chunk,
        attempt: str,
        remaining_seconds: Remaining,
        *,
        gives_up: bool,
    ) -> None:
        self._services, self._job, self._plan, self._chunk = services, job, plan, chunk
        # What ends the reading of the file for good. A key or a policy may be corrected while the step is repeated.
        self._losses = (SourceChanged, FileUnreadable) if gives_up else (SourceChanged,)
        self._remaining_seconds = remaining_seconds
        self._policy = Policy.of(job)
        self._heartbeat = Heartbeat(services, job, chunk.number, attempt)
        self._reader = reader_of(services, job, plan)
        self._handed_in = 0
        #: (row after a block, rows imported, rejected and repeated so far)
        self._progress: deque[tuple[int, int, int, int]] = deque()
        self._refused: dict[int, RowError] = {}
        self._sink: Sink = NoSink()

    @property
    def lease(self) -> ChunkLease:
        return self._heartbeat.lease

    def load(self, tally: _Tally, outputs: _PartFiles) -> tuple[_Tally, ChunkRejects]:
        """Write the good rows, report the bad ones, until the chunk or the invocation's time is over.

        Raises:
            _Stop: the job is to stop; `stop` says what was written.
        """
        losers = self._losers()
        report = ChunkRejects(self._plan.rejects_format, outputs.rejects, outputs.error_log)
        digests, first_row = DigestFile(self._plan.key_partitions), tally.next_row
        self._sink = self._open_sink()
        try:
            for segment, row, count in self._segments(tally):
                block = self._reader.read(segment, row, count, self._services.clock.now(), self._sink.wrapping)
                losers.reject_from(block, self._reader)
                if self._policy.refuses_all:
                    block.stop_all()
                limit = self._limit_row(tally, block)
                if limit is not None:
                    block.stop(limit)
                self._handed_in = row + count if limit is None else limit
                self._sink.write(block)
                refused = self._sink.refused()
                self._reader.reject_keys(block, refused)
                self._refused |= refused
                report.reject_all(block.rejected())
                self._count(tally, block, digests)
                self._note_progress(tally)
                if limit is not None:
                    self._services.jobs.request_stop(self._job.job_id, "MAX_ERRORS")
                    raise _Stop
                self._before_send()
                if self._remaining_seconds() < RESERVE_SECONDS and tally.next_row < self._end_row:
                    tally.is_last = False
                    break
            self._sink.flush()
        except SourceChanged as error:
            self._sink.flush()
            self._list_lost_source(tally, report, error)
        except FileUnreadable:
            if tally.next_row == first_row:
                raise
            self._sink.flush()
            tally.is_last = False  # what was read counts, whatever comes of the rest
        outputs.put_details(report, keys=digests if tally.imported else None)
        return tally, report

    def _losers(self) -> _Losers:
        """A job in which the deduplication failed writes nothing, so it needs none."""
        if not (self._policy.needs_precheck and self._job.options.get("deduplicated")):
            return _Losers({}, {})
        files, bucket = self._services.files, self._services.settings.files_bucket
        prefix = checks_prefix(self._job.job_id, self._chunk.number)
        of_keys = {row: RowError(row, *rest) for row, *rest in json.loads(files.read(bucket, prefix + "losers"))}
        has_references = self._job.options.get(OPTION)
        return _Losers(
            of_keys, from_pairs(json.loads(files.read(bucket, prefix + "dangling"))) if has_references else {}
        )

    def _note_progress(self, tally: _Tally) -> None:
        """Report the progress up to the first row that may not be written: it holds even if the attempt dies."""
        self._progress.append((self._handed_in, tally.imported, tally.rejected, tally.repeated))
        first_pending = min(self._sink.pending(), default=self._handed_in)
        while self._progress and self._progress[0][0] <= first_pending:
            row, imported, rejected, repeated = self._progress.popleft()
            self._heartbeat.note(imported + rejected, imported, rejected, row, repeated)

    def known_written(self) -> _Written:
        """What earlier attempts reported as written."""
        return _Written(self._heartbeat.lease.row, set())

    def stop(self) -> _Written:
        """What is known to be written when the attempt stops."""
        lost, refused = self._sink.stop()
        known = self._heartbeat.lease.row  # an earlier attempt may have come further
        lost = {row for row in lost if row >= known}
        return _Written(max(self._handed_in, known), lost, self._refused | refused)

    def close(self) -> None:
        self._sink.close()

    def read_back(self, tally: _Tally, known: _Written) -> _Written:
        """Ask the table for the rows that are not known to be written: an attempt that died came further than it
        reported, and a request whose reply was lost may have been applied."""
        policy, asks_rest = self._policy, self._heartbeat.lease.attempts > 1
        may_write = policy.writes and (self._job.options.get("deduplicated") or not policy.needs_precheck)
        if not may_write or not (asks_rest or known.lost):
            return known
        losers = self._losers()
        gap = longest_gap(self._services.settings.write_connections)
        search = ReadBack(self._services.dynamodb, self._reader, self._job, gap, self._heartbeat.check)
        first, end_row = min({known.handed_in, *known.lost}), None
        with suppress(*self._losses):
            for segment, row, count in self._segments(tally):
                self._heartbeat.check()
                if row + count <= first:
                    continue
                if row >= known.handed_in and not asks_rest:
                    break
                block = self._reader.read(segment, row, count, self._services.clock.now(), BatchSink.wrapping)
                losers.reject_from(block, self._reader)
                block.reject(known.refused)
                unsure = [asks_rest if at >= known.handed_in else at in known.lost for at in block.rows]
                rows, keys = list(compress(block.rows, unsure)), list(compress(block.keys, unsure))
                search.ask(rows, keys, list(compress(block.texts, unsure)))
                if search.is_over:
                    break
                if self._remaining_seconds() < RESERVE_SECONDS:
                    end_row = tally.next_row
                    break
        handed_in = max(known.handed_in, search.end_row)
        unasked = {row for row in known.lost if row >= tally.next_row}
        return _Written(handed_in, search.missing | unasked, known.refused, end_row)

    def list_stopped(self, tally: _Tally, outputs: _PartFiles, written: _Written) -> tuple[_Tally, ChunkRejects]:
        """Report the rows of a stopped part: what was written counts, the rest is listed.

        A relaunch imports what is listed as stopped, so a row that a later row of the file replaces must not be. Where
        repeated keys were found before the load, such rows are rejected here. Otherwise the digests of the valid rows
        that are left are kept, for the finish to compare them with those of all imported rows.
        """
        losers = self._losers()
        report = ChunkRejects(self._plan.rejects_format, outputs.rejects, outputs.error_log)
        digests, left = DigestFile(self._plan.key_partitions), DigestFile(self._plan.key_partitions)
        try:
            for segment, row, count in self._segments(tally):
                self._heartbeat.check()
                is_rest = row >= written.handed_in
                if not is_rest or self._is_searched:
                    block = self._reader.read(segment, row, count, self._services.clock.now(), None)
                    is_left = [at >= written.handed_in or at in written.lost for at in block.rows]
                    left.add(list(compress(block.digests, is_left)), list(compress(block.rows, is_left)))
                if is_rest:
                    self._list_rest(self._reader.raw_rows(segment, row, count), losers.of_keys, tally, report)
                else:
                    losers.reject_from(block, self._reader)
                    self._reader.reject_keys(block, written.refused)
                    if self._policy.refuses_all:
                        block.stop_all()
                    block.stop(written.handed_in, written.lost)
                    report.reject_all(block.rejected())
                    self._count(tally, block, digests)
                if tally.next_row < self._end_row and self._is_to_pause(tally.next_row, written):
                    tally.is_last = False
                    break
        except self._losses as error:
            self._list_lost_source(tally, report, error)
        has_left = self._is_searched and tally.unprocessed > tally.lost
        outputs.put_details(report, keys=digests if tally.imported else None, left=left if has_left else None)
        return tally, report

    def _list_rest(
        self, rows: Iterable[tuple[int, str]], losers: Mapping[int, RowError], tally: _Tally, report: ChunkRejects
    ) -> None:
        """List rows that nobody came to."""
        for number, raw in rows:
            loser = losers.get(number)
            if loser is not None and loser.type == DUPLICATE_KEY:
                report.reject(raw, [self._reader.at_key(loser, raw)])
                tally.rejected += 1
                tally.repeated += 1
            else:
                report.reject(raw, [stopped(number)])
                tally.unprocessed += 1

    def _is_to_pause(self, next_row: int, written: _Written) -> bool:
        """Whether the list of a stopped part ends before a row: the table was not asked about what follows, or all rows
        that were written are listed and the time is over."""
        if written.end_row is not None and written.end_row <= next_row:
            return True
        return next_row >= written.handed_in and self._remaining_seconds() < RESERVE_SECONDS

    @property
    def _is_searched(self) -> bool:
        """Whether the finish searches for repeated keys."""
        return self._plan.key_partitions > 0 and not self._policy.needs_precheck

    @property
    def _end_row(self) -> int:
        return self._chunk.first_row + self._chunk.rows

    def _segments(self, tally: _Tally) -> Iterator[tuple[Segment, int, int]]:
        """The segments that are left; each moves the tally on."""
        for segment, row, count in chunk_segments(
            self._services.files, self._plan, self._chunk, tally.next_row, tally.next_byte
        ):
            tally.next_row, tally.next_byte = row + count, segment.start + len(segment.data)
            yield segment, row, count

    def _count(self, tally: _Tally, block: RowBlock, digests: DigestFile) -> None:
        tally.imported += len(block.rows)
        tally.rejected += block.rejected_count
        tally.unprocessed += block.unprocessed
        tally.repeated += block.repeated
        if self._is_searched:
            digests.add(block.digests, block.rows)

    def _before_send(self) -> None:
        """
        Raises:
            _Stop: the job is to stop.
            Superseded: the chunk is another attempt's, or the lease is over.
        """
        if self._heartbeat.check().stop_reason is not None:
            raise _Stop

    def _limit_row(self, tally: _Tally, block: RowBlock) -> int | None:
        """The row after the one whose rejection reaches `maxErrors`; None while it is not reached.

        Rows that another row of the file replaces do not count: without a precheck only the finish finds them.
        """
        if self._policy.max_errors is None:
            return None
        job = self._heartbeat.job
        lease = job.leases.get(self._chunk.number)
        elsewhere = job.rejected - job.repeated - (lease.rejected - lease.repeated if lease else 0)
        return block.row_of_error(self._policy.max_errors - elsewhere - (tally.rejected - tally.repeated))

    def _open_sink(self) -> Sink:
        settings, mode, before_send = self._services.settings, mode_of(self._job), self._before_send
        if not self._policy.writes:
            return NoSink()
        dynamodb = self._services.new_dynamodb(WRITE_TIMEOUT_SECONDS)
        now = self._services.clock.now()
        expires = int(now.timestamp()) + TOMBSTONE_SECONDS
        if self._job.undo_of is not None:
            return UndoSink(
                dynamodb,
                self._reader.table,
                self._job,
                (self._job.takes or {}).get("without", ()),
                self._plan.dialect,
                self._reader.stamps(now),
                expires,
                settings.write_connections,
                before_send,
            )
        if mode.is_batched:
            return BatchSink(dynamodb, self._reader.table, settings.write_connections, before_send)
        if (target := self._reader.target) is not None:
            key_attribute = self._reader.key_attributes[0]
            return target_sink(mode, dynamodb, target, key_attribute, settings.write_connections, before_send)
        return conditional_sink(
            mode,
            dynamodb,
            self._reader.table,
            self._job.job_id,
            self._reader.stamps(now),
            expires,
            settings.write_connections,
            before_send,
        )

    def _list_lost_source(self, tally: _Tally, report: ChunkRejects, error: Exception) -> None:
        """List the remaining rows by number, with empty cells: their text is gone, or cannot be read any more."""
        message = "The file was overwritten or deleted while it was imported."
        if isinstance(error, FileUnreadable):
            message = f"The file could not be read any more. {error.detail}"
        message += self._plan.rejects_format.lost_note
        for row in self._chunk.data_rows(tally.next_row):
            report.reject(self._plan.empty_row, [RowError.whole(row, SOURCE_CHANGED, message)])
            tally.unprocessed += 1
            tally.lost += 1
        tally.next_row, tally.next_byte = self._end_row, self._chunk.end
        tally.failure, tally.is_last = "source-error" if isinstance(error, FileUnreadable) else SOURCE_CHANGED, True


class _Losers(NamedTuple):
    """The rows of a chunk that the deduplication rejects: for their keys and unique values, and for the records that
    they name (foreign keys as bits)."""

    of_keys: dict[int, RowError]
    dangling: dict[int, int]

    def reject_from(self, block: RowBlock, reader: RowReader) -> None:
        reader.reject_keys(block, self.of_keys)
        reader.reject_dangling(block, self.dangling)


class _PartFiles:
    """The files of one attempt at a part. Rejects and error log are written row by row, the others at the end."""

    def __init__(self, files: Files, bucket: str, prefix: str) -> None:
        self._files, self._bucket, self._prefix = files, bucket, prefix
        self.rejects = _LazyWriter(self, "rejects")
        self.error_log = _LazyWriter(self, "errors")

    def put_details(self, report: ChunkRejects, *, keys: DigestFile | None, left: DigestFile | None = None) -> None:
        """Write the files about the part as a whole. Nothing can be rejected afterwards.

        Args:
            keys, left: the digests of the imported rows, and of the valid ones that are listed as stopped.
        """
        for output in (self.rejects, self.error_log):
            output.end(keep=True)  # first, so that their buffers are not in memory together with the digests
        if report.rows:
            self._put("index", report.index())
            self._put("summary", report.summary.to_json())
        if keys is not None:
            self._put("keys", keys.take_bytes())
        if left is not None:
            self._put("left-keys", left.take_bytes())

    def discard(self) -> None:
        for output in (self.rejects, self.error_log):
            output.end(keep=False)

    def _put(self, name: str, data: bytes | bytearray) -> None:
        self._files.put(self._bucket, self._prefix + name, data)

    def new_writer(self, name: str) -> Writer:
        return self._files.writer(self._bucket, self._prefix + name)

    def __enter__(self) -> _PartFiles:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for output in (self.rejects, self.error_log):
            output.end(keep=error is None)


class _LazyWriter:
    """A writer that makes no object when nothing is written."""

    def __init__(self, outputs: _PartFiles, name: str) -> None:
        self._outputs, self._name = outputs, name
        self._writer: Writer | None = None

    def write(self, data: bytes, /) -> None:
        if self._writer is None:
            self._writer = self._outputs.new_writer(self._name)
        self._writer.write(data)

    def end(self, keep: bool) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            if keep:
                writer.close()
            else:
                writer.abort()
