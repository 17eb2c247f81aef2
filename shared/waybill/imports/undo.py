"""Undo: a child job that puts every record back which still stands as an import left it, removes those that the import
created, and lists the others in its rejects file as `changed-since`.

It is an import like any other: queued, planned, loaded in chunks, stopped. Its plan step makes its source of what the
import kept (`waybill.imports.previous`): the imported rows with their numbers in the original file, and what their
records were. An import is undone once. An undo that was canceled, stopped, or failed before its end can be followed by
another, which also puts back again what the earlier one has.

Records of a target table bear no mark of the import that wrote them, so that nobody can tell whether they still stand
as it left them: such an import cannot be undone.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from waybill.aws.files import SourceChanged
from waybill.aws.table import batch_get
from waybill.entities.model import Entity
from waybill.entities.row_compiler import RECORD_KEY
from waybill.errors import Conflict, NotFound
from waybill.ids import new_uuid
from waybill.imports.child_source import Takes
from waybill.imports.existence import comparable
from waybill.imports.job_files import left_rows_key
from waybill.imports.options import ImportOptions
from waybill.imports.plan_document import read_plan
from waybill.imports.previous import LeftRows, Part, Record, is_record, read_parts, unpack_text
from waybill.imports.register import new_import, register, start_if_waiting
from waybill.imports.rejected_rows import InPieces
from waybill.imports.rejects_reader import RejectsForm
from waybill.jobs.model import Job, Process, left_undone
from waybill.jobs.origins import FilesOrigin, ParentOrigin
from waybill.jobs.repository import record_key
from waybill.wire.jobs import UndoPreview

if TYPE_CHECKING:
    from collections.abc import Iterator

    from waybill.jobs.audit import Act
    from waybill.jobs.services import Services

#: Undos of one import that may end before their end.
MAX_UNDOS = 20
#: Rows that a preview looks at: all, or as many at each of some places.
PREVIEW_ROWS, PREVIEW_PLACES = 1_000, 20
#: Of a preview: lines of the import, and numbers of rows that it did not import.
PREVIEW_BYTES, LEFT_BYTES = 2 * 1024**2, 4 * 1024**2
#: Of a preview: records as JSON. The last of them may exceed it.
PREVIEW_RECORD_BYTES = 32 * 1024**2


def undo_import(
    services: Services,
    job: Job,
    started_by: str,
    started_by_id: str,
    child_id: str | None = None,
    act: Act | None = None,
) -> Job:
    """Start the child job that undoes an ended import.

    Args:
        child_id: for a caller that may repeat the call: a second one with this id finds the child.
        act: for the audit trail, of whoever starts it.

    Raises:
        Conflict: what an undo needs was not kept or is gone, or the import is undone already.
        Gone, NotFound: the job has expired or was deleted, or its entity was.
    """
    child_id = child_id or new_uuid(services.ids)
    if (known := services.jobs.find(child_id)) is not None:
        start_if_waiting(services, known)
        return known
    webhooks = check_can_undo(services, job).webhooks  # those of now are told, and not those of the import
    entity = replace(Entity.from_document(services.jobs.definition(job.job_id)), webhooks=webhooks)
    before = list(job.undone_by or ())
    takes = Takes.previous_of(job, before)
    if services.files.head(services.settings.files_bucket, takes.key) is None:
        services.jobs.get(job.job_id)  # a deleted job takes its files with it: raises Gone or NotFound
        raise _gone(job)
    child = new_import(
        services, child_id, job.entity, job.file_name, None, started_by, started_by_id, undo_of=job.job_id
    )
    child = replace(child, takes=takes.to_document())
    options = replace(ImportOptions.of(job), on_error="skip", max_errors=1, keep_previous=False)
    undone = {"undoneBy": [*before, child_id]}
    parent = ParentOrigin(record_key(job.job_id), "undoneAs", job.undone_as, child_id, job.files_expire_at, undone)
    origin = FilesOrigin([parent], record_key(job.job_id), child_id)
    return register(services, child, entity, options, origin, act)


def check_can_undo(services: Services, job: Job) -> Entity:
    """The job's entity as it is now.

    Raises:
        Conflict: the import cannot be undone; the message says why.
        NotFound: its entity was deleted.
    """
    if not job.can_undo:
        raise Conflict(_why_not(job), job.allowed_actions())
    if job.files_expire_at is None or job.files_expire_at <= services.clock.now():
        raise _gone(job)
    entity = services.entities.get(job.entity)
    if entity.uid != job.entity_uid:
        raise NotFound("The entity of this job was deleted.")
    child = None if job.undone_as is None else services.jobs.find(job.undone_as)
    if child is not None and not left_undone(child):
        message = f"This import is undone by job {child.job_id}."
        if child.is_terminal:
            message = f"This import was undone by job {child.job_id}."
        raise Conflict(message, job.allowed_actions())
    if len(job.undone_by or ()) >= MAX_UNDOS:
        message = f"{MAX_UNDOS} undos of this import have ended before their end."
        raise Conflict(message, job.allowed_actions())
    return entity


def _why_not(job: Job) -> str:
    if job.process is not Process.IMPORT:
        return "Only imports can be undone."
    if job.undo_of is not None:
        return "An undo cannot be undone. Import the file again."
    if not job.is_terminal:
        return "This import has not ended."
    if job.dry_run or not job.counts.imported:
        return "This job changed no record."
    return (
        "What the records were before this import was not kept. An import can be undone that has keepPrevious, or the "
        "mode insert, and does not write into a target table."
    )


def _gone(job: Job) -> Conflict:
    return Conflict(
        "The files of this import have expired, and with them what its records were.", job.allowed_actions()
    )


def preview_undo(services: Services, job: Job) -> UndoPreview:
    """What an undo would do now: to all rows of an import of up to PREVIEW_ROWS, of a larger one to some at places all
    over the file, and of either to fewer where the records exceed PREVIEW_RECORD_BYTES. A few requests for each place,
    and one record at a time in memory.

    Raises:
        Conflict, NotFound: as `check_can_undo`.
    """
    check_can_undo(services, job)
    try:
        found = _Sample(services, job).take()
    except SourceChanged:
        raise _gone(job) from None
    keys = {comparable(kept.key, RECORD_KEY): kept.key for kept in found}
    items = batch_get(services.dynamodb, services.settings.records_table, list(keys.values()), (*RECORD_KEY, "_by"))
    marks = {comparable(item, RECORD_KEY): item.get("_by", {"S": ""})["S"] for item in items}
    accepted = (job.job_id, *(job.undone_by or ()))
    fates = {"restored": 0, "removed": 0, "changedSince": 0}
    for kept in found:
        mark = marks.get(comparable(kept.key, RECORD_KEY), "")
        stands = job.job_id in mark or mark.startswith(accepted)
        fates["changedSince" if not stands else "restored" if kept.was_record else "removed"] += 1
    return {
        "total": job.counts.imported,
        "checked": len(found),
        "restored": fates["restored"],
        "removed": fates["removed"],
        "changedSince": fates["changedSince"],
    }


class _Kept(NamedTuple):
    """Of a row that an import wrote: the key of its record, and whether there was one."""

    key: Record
    was_record: bool

    @classmethod
    def of(cls, previous: Record) -> _Kept:
        return cls({name: previous[name] for name in RECORD_KEY}, is_record(previous))


@dataclass
class _Sample:
    """Some of the rows that an import wrote."""

    services: Services
    job: Job

    def take(self) -> list[_Kept]:
        """
        Raises:
            SourceChanged: what the import kept is gone.
        """
        parts, plan = read_parts(self.services, self.job.job_id), read_plan(self.services, self.job.job_id)
        if plan is None:
            raise SourceChanged
        form, left, end = RejectsForm.of(plan), self._left(), 2**63
        places, each = [(part, 0) for part in parts], None
        if self.job.counts.imported > PREVIEW_ROWS or sum(part.size_bytes for part in parts) > PREVIEW_BYTES:
            marks = [(part, mark) for part in parts for mark in part.marks]
            places = marks[:: max(1, len(marks) // PREVIEW_PLACES)][:PREVIEW_PLACES]
            each, end = PREVIEW_ROWS // len(places), self._end()
        sample: list[_Kept] = []
        budget = PREVIEW_RECORD_BYTES
        for number, (part, mark) in enumerate(places):
            if budget <= 0:
                break
            share = budget // (len(places) - number)
            for row, text in islice(self._texts(form, part, mark), each):
                if row < end and not left.has(row):
                    sample.append(_Kept.of(json.loads(text)))
                share, budget = share - len(text), budget - len(text)
                if share <= 0:
                    break
        return sample

    def _texts(self, form: RejectsForm, part: Part, start: int) -> Iterator[tuple[int, bytes]]:
        """(place in the source, JSON of the record) of the lines of a part, from a byte on, up to PREVIEW_BYTES."""
        size = min(part.size_bytes - start, PREVIEW_BYTES)
        stream = InPieces(self.services.files, self.services.settings.files_bucket, part.key, start, part.size_bytes)
        for rows in form.rows(stream, start):
            for row in rows:
                cells = next(csv.reader(io.StringIO(row.raw, newline=""), **form.dialect.reader_options()))
                yield int(cells[1]), unpack_text(cells[2], form.dialect)
                if row.end - start >= size:
                    return

    def _left(self) -> LeftRows:
        return LeftRows(self.services.files, self.services.settings.files_bucket, self.job)

    def _end(self) -> int:
        """The place up to which it is known which rows were not imported, without reading more than LEFT_BYTES."""
        if not self.job.has_rejects:
            return 2**63
        files, bucket, key = self.services.files, self.services.settings.files_bucket, left_rows_key(self.job.job_id)
        info = files.head(bucket, key)
        if info is None:
            raise SourceChanged
        if info.size_bytes <= LEFT_BYTES:
            return 2**63
        return int.from_bytes(files.read(bucket, key, LEFT_BYTES, LEFT_BYTES + 8), "little")
