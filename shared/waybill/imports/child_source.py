"""The source of a child job, which its plan step makes of the files of the job before: of a relaunch the rows that were
not imported, of an undo those that were, with what their records were before (`waybill.imports.previous`).

A request only registers the child, with what it is to take (`Takes`): nothing in a request grows with a file. The plan
step copies the file on S3's side, in parts where it is large, or reads a rejects file and leaves rows out. What does
not end in time is saved in `taking.json`, and the next invocation goes on from there.

Each attempt writes an object of its own, under a lease. The child has a source once its record names one, so that an
attempt that died, or that another one has overtaken, leaves nothing that anybody reads. Until then retention keeps the
files of the job before, and the corrections of the jobs whose rows are left out (`JobRepository.has_takers`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from waybill.aws.bucket import COPY_PART_BYTES
from waybill.aws.files import FileInfo, SourceChanged, UploadGone
from waybill.entities.header import likely_match
from waybill.entities.model import Entity
from waybill.entities.row_results import SOURCE_CHANGED
from waybill.entities.schema import parse_schema
from waybill.errors import Gone, JobFailed, NotFound, counted
from waybill.ids import new_token
from waybill.imports.deadline import OutOfTime, Remaining, check_time, whole_invocation
from waybill.imports.job_files import made_source_prefix, previous_key, rejects_key, taking_key
from waybill.imports.job_source import renames_of
from waybill.imports.plan_document import ImportPlan, read_plan
from waybill.imports.previous import LeftRows, Part, read_parts
from waybill.imports.rejects_reader import RejectedRow, RejectsForm, read_rejects_form
from waybill.imports.row_selection import RowSelection
from waybill.jobs.corrections import Corrections
from waybill.jobs.leases import SOURCE, LenientHeartbeat, lease_chunk
from waybill.jobs.ledger import owns
from waybill.jobs.model import Job
from waybill.tabular.records import RECORD_CAP_BYTES, Readable, RecordTooLong, UnclosedQuote

if TYPE_CHECKING:
    from waybill.aws.files import Writer
    from waybill.jobs.services import Services

#: An attempt that fails goes on from what was saved last.
SAVE_SECONDS = 60.0
#: With more of the invocation's time used, the file is planned by the next one, which has all of its time for that.
QUICK_SECONDS = 30.0
#: The option of a job with corrections none of which changes a row.
UNCHANGED = "unchanged"
_CONTENT_TYPE = "text/csv"


@dataclass(frozen=True)
class Takes:
    """What a child takes, as `Job.takes` stores it.

    Attributes:
        job_id: whose files they are.
        key: of the file, in the files bucket.
        etag: of a file that people can overwrite; None for a rejects file.
        is_whole: take the file as it is.
        leaves_out: the file holds rows that cannot be imported.
        corrects: the job has corrections of some rows (`jobs.corrections`).
        only_corrected: take just those.
        undoes: take the rows that the job imported, from what it kept.
        without: jobs that have taken corrected rows before; of an undo, earlier ones of the same import.
        importable: of the rows taken, those that the job before counts as importable; None until they are.
    """

    job_id: str
    key: str
    etag: str | None = None
    is_whole: bool = False
    leaves_out: bool = False
    corrects: bool = False
    only_corrected: bool = False
    undoes: bool = False
    without: list[str] = field(default_factory=list)
    importable: int | None = None

    @classmethod
    def rejects_of(cls, job: Job, corrects: bool, only_corrected: bool, without: list[str]) -> Takes:
        return cls(
            job.job_id,
            rejects_key(job.job_id),
            leaves_out=bool(job.counts.repeated or job.counts.lost),
            corrects=corrects,
            only_corrected=only_corrected,
            without=without,
        )

    @classmethod
    def previous_of(cls, job: Job, before: list[str]) -> Takes:
        return cls(job.job_id, previous_key(job.job_id), undoes=True, without=before)

    @classmethod
    def of(cls, job: Job) -> Takes | None:
        """What the job is still to take; None where it has its source."""
        return cls.stored(job) if job.source_key is None else None

    @classmethod
    def stored(cls, job: Job) -> Takes | None:
        """What the job takes, or has taken; None for one that is no relaunch, or took an object over."""
        known = {name: value for name, value in (job.takes or {}).items() if name in cls.__dataclass_fields__}
        return cls(**known) if known else None

    @property
    def reads_rows(self) -> bool:
        """Whether the rows are read one by one, not copied together."""
        return self.leaves_out or self.corrects or bool(self.without)

    def to_document(self) -> dict[str, Any]:
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


def take_source(services: Services, job: Job, remaining_seconds: Remaining) -> Job | None:
    """Make the source of a relaunched import, as far as the time allows. Safe to call again at any point.

    Returns:
        The job with its source; None when another invocation must go on.

    Raises:
        JobFailed: the file is gone, or no row of it can be taken.
    """
    if Takes.of(job) is None:
        return job
    attempt = new_token(services.ids)
    job = lease_chunk(services, job.job_id, SOURCE, attempt, remaining_seconds)
    takes = Takes.of(job)
    if takes is None:
        return job
    taking = _Taking(services, job, takes, attempt, remaining_seconds)
    try:
        progress, options = taking.run()
    except OutOfTime:
        services.ledger.release(job.job_id, SOURCE, attempt)
        return None
    except SourceChanged:
        message = (
            f"The file of job {takes.job_id} was deleted or overwritten before this job could take its rows. Send the "
            "rows as a new file."
        )
        raise JobFailed(SOURCE_CHANGED, message) from None
    info = services.files.head(services.settings.files_bucket, progress.key)
    if info is None:
        raise JobFailed(SOURCE_CHANGED, "The source that this job made was deleted.")
    where = owns(SOURCE, attempt)
    job = services.jobs.set_source(job.job_id, progress.key, info.etag, options, progress.importable, where)
    services.files.delete(services.settings.files_bucket, taking_key(job.job_id))
    return job if whole_invocation() - remaining_seconds() < QUICK_SECONDS else None


@dataclass
class _Progress:
    """How far the source is made.

    Attributes:
        key: of the object that is written.
        etag: of the file that is read.
        position: the byte of that file at which to go on.
        read: rows of the file read so far.
        rows, importable: taken of them, and those among these that the job before counts as importable.
        changed: rows that differ from what the job before rejected.
        part: of what an import kept: its number; `position` is then a byte of that part.
        corrected: numbers of the rows whose corrections were applied.
        output: `Writer.pause`; None where nothing is saved.
    """

    key: str
    etag: str
    position: int = 0
    read: int = 0
    rows: int = 0
    importable: int = 0
    changed: int = 0
    corrected: list[int] = field(default_factory=list)
    part: int = 0
    output: dict[str, Any] | None = None


@dataclass
class _Taking:
    """One attempt at making the source of a job."""

    services: Services
    job: Job
    takes: Takes
    attempt: str
    remaining_seconds: Remaining
    _heartbeat: LenientHeartbeat = field(init=False)

    def __post_init__(self) -> None:
        self._heartbeat = LenientHeartbeat(self.services, self.job, SOURCE, self.attempt)
        self._files, self._bucket = self.services.files, self.services.settings.files_bucket

    def run(self) -> tuple[_Progress, dict[str, Any]]:
        """Returns what was made, and the options with which it is read.

        Raises:
            OutOfTime: what is done is saved.
            SourceChanged: the file is gone, or another one.
            JobFailed: no row can be taken.
        """
        form = None
        if not (self.takes.is_whole or self.takes.undoes):
            form = read_rejects_form(self.services, self.takes.job_id)
            if form is None:
                raise SourceChanged
        info = self._files.head(self._bucket, self.takes.key)
        if info is None or self.takes.etag not in (None, info.etag):
            raise SourceChanged
        progress = self._saved(info)
        if progress is None:
            self._files.abort_uploads(self._bucket, made_source_prefix(self.job.job_id))  # of attempts that died
            progress = _Progress(f"{made_source_prefix(self.job.job_id)}{self.attempt}", info.etag)
        try:
            if self.takes.undoes:
                return progress, self._take_kept(progress)
            if form is None:
                self._copy(progress, info)
                return progress, {}
            if not self.takes.reads_rows:
                self._copy(progress, info)
                return progress, self._options(form, form.encoding)
            rows = self._selection(form)
            self._take_rows(progress, form, rows, info.size_bytes)
            unchanged = {UNCHANGED: True} if rows.corrections and not progress.changed else {}
            return progress, self._options(form, rows.encoding) | unchanged
        except UploadGone:
            self._files.delete(self._bucket, taking_key(self.job.job_id))
            return self.run()

    def _options(self, form: RejectsForm, encoding: str) -> dict[str, Any]:
        read = form.dialect
        dialect = {**self.job.options.get("dialect", {}), "delimiter": read.delimiter, "quoteChar": read.quote_char}
        dialect |= {"escapeChar": read.escape_char, "doubleQuote": read.double_quote}
        return {"encoding": encoding, "dialect": {**dialect, "skipInitialSpace": read.skip_initial_space}}

    def _selection(self, form: RejectsForm) -> RowSelection:
        jobs = self.services.jobs
        corrections = jobs.corrections(self.job.job_id) if self.takes.corrects else {}
        taken = {row: job_id for job_id in self.takes.without for row in self._corrected_by(job_id)}
        entity = Entity.from_document(jobs.definition(self.job.job_id))
        schema = parse_schema(entity.schema)
        columns = likely_match(schema, form.labels, renames_of(entity, self.job)).columns
        keys = [form.labels[column.position] for column in columns if column.field.name in schema.primary_key]
        return RowSelection(form, corrections, self.takes.only_corrected, taken, keys)

    def _corrected_by(self, job_id: str) -> Corrections:
        corrections = self.services.jobs.corrections(job_id)
        if not corrections:  # deleted in the moment in which this job was registered
            message = (
                f"Job {job_id}, whose corrected rows are not to be imported again, was deleted. Relaunch job "
                f"{self.takes.job_id} again."
            )
            raise JobFailed(SOURCE_CHANGED, message)
        return corrections

    def _copy(self, progress: _Progress, info: FileInfo) -> None:
        if info.size_bytes <= COPY_PART_BYTES:
            self._files.copy(self._bucket, self.takes.key, progress.key, progress.etag)
            return

        def copy(output: Writer) -> Iterator[None]:
            while output.size_bytes < info.size_bytes:
                output.copy_part(self.takes.key, info.size_bytes, progress.etag)
                yield

        self._write(progress, copy)

    def _take_rows(self, progress: _Progress, form: RejectsForm, selection: RowSelection, size_bytes: int) -> None:
        corrected = set(progress.corrected)

        def take(output: Writer) -> Iterator[None]:
            if not progress.position:
                progress.position = form.start
                output.write(selection.header(self._files.read(self._bucket, self.takes.key, 0, form.start)))
            start, first = progress.position, 2 + progress.read
            stream = self._files.open(self._bucket, self.takes.key, start=start, end=size_bytes, etag=progress.etag)
            for rows in self._read(form, stream, start, first):
                for row in rows:
                    taken = selection.take(row.raw, corrected)
                    if taken is not None:
                        output.write(taken.line)
                        progress.rows += 1
                        progress.importable += taken.is_importable
                        progress.changed += taken.is_changed
                progress.position, progress.corrected = rows[-1].end, sorted(corrected)
                progress.read += len(rows)
                yield
            selection.check_all_found(corrected)
            if not progress.rows:
                raise JobFailed("empty-file", "No row is left that can be imported.")

        try:
            self._write(progress, take)
        except JobFailed:
            self._files.abort_uploads(self._bucket, made_source_prefix(self.job.job_id))
            raise

    def _take_kept(self, progress: _Progress) -> dict[str, Any]:
        """Take the rows that the job before imported, from what it kept; returns the options with which they are read.

        Raises:
            SourceChanged: what it kept is gone, or the job itself.
        """
        try:
            undone = self.services.jobs.get(self.takes.job_id)
        except (NotFound, Gone):
            raise SourceChanged from None
        plan = read_plan(self.services, self.takes.job_id)
        if plan is None:
            raise SourceChanged
        form, parts = RejectsForm.of(plan), read_parts(self.services, undone.job_id)
        left = LeftRows(self._files, self._bucket, undone)

        def take(output: Writer) -> Iterator[None]:
            if output.size_bytes == 0:
                output.write(_header(plan))
            for part in parts[progress.part :]:
                for rows in self._kept_rows(form, part, progress):
                    taken = [row.raw for row in rows if not left.has(_place(row, form.dialect.delimiter))]
                    output.write("".join([f"{raw}\n" for raw in taken]).encode(form.encoding))
                    progress.position, progress.rows = rows[-1].end, progress.rows + len(taken)
                    yield
                progress.part, progress.position = progress.part + 1, 0
            if progress.rows != undone.counts.imported:
                counts = f"{progress.rows:,} of the {counted(undone.counts.imported)} that job {undone.job_id} imported"
                raise JobFailed("source-error", f"Waybill kept only {counts}, so nothing was undone.")

        self._write(progress, take)
        return self._options(form, form.encoding)

    def _kept_rows(self, form: RejectsForm, part: Part, progress: _Progress) -> Iterator[list[RejectedRow]]:
        if progress.position < part.size_bytes:
            stream = self._files.open(self._bucket, part.key, start=progress.position, end=part.size_bytes)
            yield from form.rows(stream, progress.position)

    def _read(self, form: RejectsForm, stream: Readable, start: int, first: int) -> Iterator[list[RejectedRow]]:
        """As `RejectsForm.rows`.

        Args:
            first: the number of the first row in the rejects file, whose header is row 1.

        Raises (while iterating):
            JobFailed: `row-too-long`, `format-error`.
        """
        try:
            yield from form.rows(stream, start)
        except RecordTooLong as error:
            message = (
                f"Row {first + error.record} of the rejects file of job {self.takes.job_id} is longer than "
                f"{RECORD_CAP_BYTES // 2**20} MiB. Correct its file and send it again."
            )
            raise JobFailed("row-too-long", message) from None
        except UnclosedQuote as error:
            message = (
                f"The quote that opens in row {first + error.record} of the rejects file of job {self.takes.job_id} is "
                "never closed. Correct its file and send it again."
            )
            raise JobFailed("format-error", message) from None

    def _write(self, progress: _Progress, write: Callable[[Writer], Iterator[None]]) -> None:
        """Write the source.

        Args:
            write: yields where another attempt may go on from what is written and `progress`.
        """
        output = self._files.writer(self._bucket, progress.key, _CONTENT_TYPE)
        if progress.output is not None:
            output.resume(progress.output)
        clock = self.services.clock
        save_at = clock.monotonic() + SAVE_SECONDS
        for _ in write(output):
            self._heartbeat.check()
            try:
                check_time(self.remaining_seconds)
            except OutOfTime:
                self._save(progress, output)
                raise
            if clock.monotonic() >= save_at:
                self._save(progress, output)
                save_at = clock.monotonic() + SAVE_SECONDS
        output.close()

    def _save(self, progress: _Progress, output: Writer) -> None:
        progress.output = output.pause()
        document = json.dumps(dataclasses.asdict(progress)).encode()
        self._files.put(self._bucket, taking_key(self.job.job_id), document, "application/json")

    def _saved(self, info: FileInfo) -> _Progress | None:
        """What an earlier attempt saved, unless the file is another one by now."""
        try:
            data = self._files.read(self._bucket, taking_key(self.job.job_id))
        except SourceChanged:
            return None
        progress = _Progress(**json.loads(data))
        return progress if progress.etag == info.etag else None


def _header(plan: ImportPlan) -> bytes:
    mark = "\ufeff" if plan.bom else ""
    return mark.encode(plan.encoding) + plan.rejects_format.header(plan.header)


def _place(row: RejectedRow, delimiter: str) -> int:
    """The place of a kept row in the source: its second cell, which like the first is a number without quotes."""
    return int(row.raw.split(delimiter, 2)[1])
