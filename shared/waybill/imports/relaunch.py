"""Relaunch: a child job of the rows that an import rejected or did not process, from its rejects file.

An import has one child at a time, so that a request that is repeated imports no row twice. Another child is possible
once the latest one has imported nothing, neither itself nor by a relaunch, or was deleted; what it left is otherwise
the child's own to relaunch. A child that imported nothing has no rows to relaunch once the import has another child. A
child may take corrected rows alone: the rows that it did not take are left for the next one (`Job.corrected_by`).

An import that an outage or a program error ended before its file was read is relaunched with the whole file, and so is
one whose file was refused for its number of rows. The child
takes a dropped object over; of any other file it makes a source of its own, as of a rejects file: its plan step does so
(`child_source`), because nothing in a request grows with a file. Either way the file expires with the child.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from waybill.errors import Conflict, InvalidRequest, NotFound
from waybill.ids import new_uuid
from waybill.imports.child_source import Takes
from waybill.imports.options import ImportOptions
from waybill.imports.register import new_import, register, start_if_waiting
from waybill.imports.rejects_reader import read_rejects_form
from waybill.imports.source_object import ObjectVersion
from waybill.jobs.corrections import CorrectedOrigin, Corrections
from waybill.jobs.drops import Handover
from waybill.jobs.giving_up import left_unread
from waybill.jobs.model import Job
from waybill.jobs.origins import FilesOrigin, Origin, ParentOrigin
from waybill.jobs.repository import record_key
from waybill.jobs.usual_rows import whole_file_options

if TYPE_CHECKING:
    from waybill.jobs.audit import Act
    from waybill.jobs.services import Services


#: Relaunches of corrected rows alone that one import may have.
MAX_PARTS = 50
#: How far a chain of relaunches that imported nothing is followed; of a longer one only the latest can be relaunched.
MAX_GENERATIONS = 20


def standing_child(services: Services, job: Job) -> Job | None:
    """The child job that imports the rows of an import, or has imported some of them; None while they are left. One
    that took corrected rows alone leaves the others once it has ended."""
    child = None if job.relaunched_as is None else services.jobs.find(job.relaunched_as)
    if child is None or child.has_expired(services.clock.now()):
        return None
    is_over = child.is_terminal and (_takes_some(child) or _has_done_nothing(services, child))
    return None if is_over else child


def _has_done_nothing(services: Services, child: Job) -> bool:
    """Whether neither a child job nor a relaunch of it, of that one, and so on, has imported rows or may yet do so."""
    generation = [child]
    for _ in range(MAX_GENERATIONS):
        if any(not job.is_terminal or (job.counts.imported and not job.dry_run) for job in generation):
            return False
        ids = {job_id for job in generation for job_id in (job.relaunched_as, *(job.corrected_by or [])) if job_id}
        generation = services.jobs.live(sorted(ids))
        if not generation:
            return True
    return False


def _takes_some(child: Job) -> bool:
    takes = Takes.stored(child)
    return takes is not None and takes.only_corrected


def relaunch_import(
    services: Services,
    job: Job,
    started_by: str,
    started_by_id: str,
    child_id: str | None = None,
    corrections: Corrections | None = None,
    only_corrected: bool = False,
    act: Act | None = None,
) -> Job:
    """Start a child job with the rejected and unprocessed rows of an ended import, except those that cannot be imported
    (`row_selection.NOT_IMPORTABLE`); or with its whole file.

    Args:
        child_id: for a caller that may repeat the call: a second one with this id finds the child.
        corrections: of rejected rows.
        only_corrected: take just those; the others can be relaunched later.
        act: for the audit trail, of whoever starts it.

    Returns:
        The child; while an earlier one has not ended, that one.

    Raises:
        Conflict: there is nothing left to import, a child has imported some of it, or one that has not ended takes
            other rows.
        Gone: the job has expired, or was deleted, since the caller read it.
        NotFound: as for Gone, or the entity is gone.
        InvalidRequest: a label of a correction is not in the file.
    """
    child_id = child_id or new_uuid(services.ids)
    if (known := services.jobs.find(child_id)) is not None:
        start_if_waiting(services, known)
        return known
    if (child := standing_child(services, job)) is not None:
        return _unfinished(services, job, child, bool(corrections))
    entity = services.entities.get(job.entity)
    if entity.uid != job.entity_uid:
        raise NotFound("The entity of this job was deleted.")
    left = what_is_left(services, job, bool(corrections), only_corrected)
    source = takes = None
    if isinstance(left, Takes):
        if corrections:
            _check_labels(services, left, corrections)
        takes = left.to_document()
        origin: Origin = _files_origin(services, job, left, child_id)
        if left.corrects:
            corrections = corrections or services.jobs.corrections(job.job_id)
            origin = CorrectedOrigin(origin, corrections, child_id)
    else:
        source = ObjectVersion(str(job.source_bucket), str(job.source_key), job.source_etag)
        parent = ParentOrigin(record_key(job.job_id), "relaunchedAs", job.relaunched_as, child_id)
        origin = Handover(parent, f"{source.bucket}/{source.key}", left, child_id)
    child = new_import(services, child_id, job.entity, job.file_name, source, started_by, started_by_id, job.job_id)
    child = replace(child, takes=takes)
    if child.takes_whole_file:
        child = replace(child, options=whole_file_options(job))
    try:
        return register(services, child, entity, ImportOptions.of(job), origin, act)
    except Conflict:
        winner = standing_child(services, services.jobs.get(job.job_id))
        if winner is None:
            raise
        return _unfinished(services, job, winner, bool(corrections))


def what_is_left(services: Services, job: Job, corrects: bool = False, only_corrected: bool = False) -> Takes | str:
    """What a relaunch of an ended import takes, by its counts and a HEAD of the file; or the owner of its dropped
    object, which the child takes over.

    Args:
        corrects: rows are corrected; one that another row replaced may then be taken, too.
        only_corrected: no other rows are taken.

    Raises:
        Conflict: there is nothing, or the file is gone; the message says why.
        Gone, NotFound: the job was deleted since the caller read it.
    """
    if job.undo_of is not None:
        message = f"An undo cannot be relaunched. Undo job {job.undo_of} again for the rows that it did not come to."
        raise Conflict(message, job.allowed_actions())
    _check_not_overtaken(services, job)
    if left_unread(job):
        if corrects:
            message = "This job ended before its rows were read: none of them can be corrected. Relaunch it as it is."
            raise Conflict(message, job.allowed_actions())
        return _whole_file(services, job)
    if not (job.is_terminal and job.has_rejects):
        raise Conflict("This job left no rows to import.", job.allowed_actions())
    parts = _parts(services, job)
    if only_corrected and len(parts) >= MAX_PARTS:
        message = f"Rows of this job were corrected and relaunched {MAX_PARTS} times. Relaunch the rest together."
        raise Conflict(message, job.allowed_actions())
    counts = job.counts
    if not counts.importable - sum(takes.importable or 0 for takes in parts.values()) and not (
        corrects and counts.repeated
    ):
        message = "This job left only rows that another row of the file replaced, or whose text is gone with the file."
        if parts:
            message = (
                "All rows that this job left were corrected and relaunched, by jobs that may be relaunched themselves."
            )
        raise Conflict(message, job.allowed_actions())
    takes = Takes.rejects_of(job, corrects, only_corrected, list(parts))
    if services.files.head(services.settings.files_bucket, takes.key) is None:
        services.jobs.get(job.job_id)  # a deleted job takes its files with it: raises Gone or NotFound
        message = "The rejects file of this job has expired. Send the rows as a new file."
        raise Conflict(message, job.allowed_actions())
    return takes


def _check_not_overtaken(services: Services, job: Job) -> None:
    """Refuse a relaunch that imported nothing, where the job before it has had another one since: that one has the
    rows, unless it has done nothing either."""
    path, before = {job.job_id}, job
    known: set[str] = set()
    for _ in range(MAX_GENERATIONS):
        takes = Takes.stored(before)
        known.update(takes.without if takes is not None else ())
        parent = None if before.retry_of is None else services.jobs.find(before.retry_of)
        if parent is None or (before.counts.imported and not before.dry_run):
            return
        others = {parent.relaunched_as, *(parent.corrected_by or [])} - path - known
        for other in services.jobs.live(sorted(filter(None, others))):
            if not _has_done_nothing(services, other):
                message = f"This job imported nothing, and its rows were relaunched as job {other.job_id} instead."
                raise Conflict(message, job.allowed_actions())
        path.add(parent.job_id)
        before = parent


def _parts(services: Services, job: Job) -> dict[str, Takes]:
    """What children have taken of the rows of an import that were corrected, by the ids of those that have imported
    some of them, themselves or by a relaunch."""
    children = services.jobs.live(job.corrected_by or [])
    done = {child.job_id: Takes.stored(child) for child in children if not _has_done_nothing(services, child)}
    return {job_id: takes for job_id, takes in done.items() if takes is not None}


def _check_labels(services: Services, takes: Takes, corrections: Corrections) -> None:
    """Refuse corrections of columns that the file lacks. Which rows it has, only the plan step can tell."""
    form = read_rejects_form(services, takes.job_id)
    labels = set() if form is None else set(form.labels)
    unknown = {label for cells in corrections.values() for label in cells} - labels
    if form is not None and unknown:
        shown = ", ".join(sorted(unknown)[:10])
        raise InvalidRequest(f"The file has no columns named {shown}.", [("/corrections", f"unknown labels: {shown}")])


def _whole_file(services: Services, job: Job) -> Takes | str:
    takes = Takes.of(job)  # a child that ended before it had its source leaves what it was to take
    if takes is None:
        takes = Takes(job.job_id, str(job.source_key), job.source_etag, is_whole=True)
    gone = set(takes.without) - {each.job_id for each in services.jobs.live(takes.without)}
    if gone:
        message = (
            f"Job {min(gone)}, which imported some of these rows, was deleted. Relaunch job {takes.job_id} instead."
        )
        raise Conflict(message, job.allowed_actions())
    bucket = str(job.source_bucket)
    info = services.files.head(bucket, takes.key)
    if info is None or takes.etag not in (None, info.etag):
        raise _file_gone(job)
    if bucket != services.settings.drop_bucket:
        return takes
    owner = services.drops.owner(f"{bucket}/{takes.key}")
    if owner is None or owner not in (job.job_id, job.relaunched_as):  # a child of it that did nothing
        raise Conflict("The file of this job was sent again, and belongs to that import.", job.allowed_actions())
    return owner


def _files_origin(services: Services, job: Job, takes: Takes, child_id: str) -> FilesOrigin:
    """The files of the job itself; or of the one before, whose latest child is then the new job."""
    owner = job if takes.job_id == job.job_id else services.jobs.find(takes.job_id)
    if owner is None or owner.files_expire_at is None or owner.files_expire_at <= services.clock.now():
        raise _file_gone(job)
    sets = {"correctedBy": [*takes.without, child_id]} if takes.only_corrected else {}
    before = owner.relaunched_as if owner is job else job.job_id
    parents = [
        ParentOrigin(record_key(owner.job_id), "relaunchedAs", before, child_id, owner.files_expire_at, sets),
    ]
    if owner is not job:
        parents.append(ParentOrigin(record_key(job.job_id), "relaunchedAs", job.relaunched_as, child_id))
    return FilesOrigin(parents, record_key(owner.job_id), child_id)


def _file_gone(job: Job) -> Conflict:
    return Conflict("The file of this job was overwritten or deleted. Send it again.", job.allowed_actions())


def _unfinished(services: Services, job: Job, child: Job, corrects: bool) -> Job:
    """
    Raises:
        Conflict: the child has ended, or takes other rows than the caller asks for.
    """
    if child.is_terminal:
        message = f"This job was relaunched as job {child.job_id}. Relaunch that one for the rows that it left."
        raise Conflict(message, job.allowed_actions())
    start_if_waiting(services, child)
    if corrects or _takes_some(child):
        message = f"Job {child.job_id} relaunches rows of this job. Try again when it has ended."
        raise Conflict(message, job.allowed_actions())
    return child
