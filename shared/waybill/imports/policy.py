"""What a job's options mean for the steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from waybill.entities.model import Quality
from waybill.errors import counted
from waybill.imports.modes import MODES, mode_of
from waybill.jobs.model import Counts, Job
from waybill.jobs.usual_rows import UNUSUAL_ROWS, USUAL, usual_rows

#: The option of a job that keeps what its undo needs.
KEEPS = "keeps"
#: The option of a job whose file is judged by the rule of its entity.
QUALITY = "quality"
#: The options of a job whose file is judged, and counts for what is usual. Rows that another job left lack them.
FILE_RULES = (QUALITY, USUAL)
MANY_REJECTED = "many-rejected"


@dataclass(frozen=True)
class Policy:
    """What the steps ask about one job.

    Attributes:
        needs_precheck: check the whole file before anything is written, because the outcome of a row depends on other
            rows, or on other records, in a way that cannot be repaired afterwards. A plain upsert needs no such pass:
            the finish writes the winners of repeated keys again.
        checks_existence: the precheck asks the table for the keys that the mode requires to be there, or not to be.
            What was there before the job is then known, however often a part of the job is repeated.
        keeps_previous: the precheck keeps what an undo needs.
        writes: records are written.
        refuses_all: all-or-nothing, and the precheck found a bad row.
        max_errors: rejected rows after which the import stops; None for no limit. The entity's limit is a share of the
            file's rows, which are counted before any is loaded.
    """

    needs_precheck: bool
    checks_existence: bool
    keeps_previous: bool
    writes: bool
    refuses_all: bool
    max_errors: int | None

    @classmethod
    def of(cls, job: Job) -> Policy:
        if job.undo_of is not None:  # of rows that were imported, whose keys are distinct
            return cls(False, False, False, True, False, None)
        mode, all_or_nothing = mode_of(job), job.on_error == "all-or-nothing"
        by_schema = bool(job.options.get("unique") or job.options.get("foreignKeys"))
        keeps = bool(job.options.get(KEEPS))
        return cls(
            needs_precheck=all_or_nothing or job.dry_run or not mode.is_batched or by_schema or keeps,
            checks_existence=mode.requires is not None,
            keeps_previous=keeps,
            writes=not job.dry_run and not job.options.get("refused"),
            refuses_all=bool(job.options.get("refused")),
            max_errors=_max_errors(job),
        )


def _max_errors(job: Job) -> int | None:
    limits = [int(job.options.get("maxErrors", 1))] if job.on_error == "abort" else []
    quality = None if job.on_error == "all-or-nothing" else quality_of(job)
    if quality is not None and quality.stops_at_share and job.counts.total is not None:
        limits.append(quality.max_rejected(job.counts.total) + 1)
    return min(limits, default=None)


def quality_of(job: Job) -> Quality | None:
    """What the job's file must be like."""
    document = job.options.get(QUALITY)
    return None if document is None else Quality.from_document(document)


def quality_warning(job: Job, counts: Counts) -> dict[str, str] | None:
    """The warning of a job that has ended with these counts, if too many of its rows were rejected. As for `abort`,
    rows that another row of the file replaces do not count."""
    quality, rejected, total = quality_of(job), counts.rejected - counts.repeated, counts.total or 0
    if quality is None or rejected <= quality.max_rejected(total):
        return None
    share = f"{rejected:,} of {counted(total)} {'was' if total == 1 else 'were'} rejected"
    return {"code": MANY_REJECTED, "message": f"{share}; the entity allows {quality.max_rejected_percent} %."}


def quality_options(job: Job, quality: Quality | None) -> dict[str, Any]:
    """The option of a job whose file is judged: not of an undo, nor of rows that another job left, of which few may be
    good."""
    return {QUALITY: quality.to_document()} if quality is not None and job.takes_whole_file else {}


def rows_warning(job: Job, rows: int) -> dict[str, str] | None:
    """The warning of a job whose file has so many rows, if that differs by more than allowed from the usual."""
    quality, usual = quality_of(job), usual_rows(job)
    if quality is None or usual is None or quality.is_usual(rows, usual[0]):
        return None
    message = (
        f"The file has {counted(rows)}, but imports like it usually have {usual[0]:,} (the median of the last "
        f"{usual[1]}); the entity allows a difference of {quality.max_rows_change_percent} %."
    )
    return {"code": UNUSUAL_ROWS, "message": message}


def stops_unusual(job: Job) -> bool:
    """Whether a file with an unusual number of rows is not imported."""
    quality = quality_of(job)
    return quality is not None and quality.action == "stop"


def schema_options(schema: Mapping[str, Any], mode: str) -> dict[str, bool]:
    """The job options that depend on a Table Schema document: whether values must be unique, and whether rows must name
    records that are there. A deletion reads the key only."""
    unique = any((field.get("constraints") or {}).get("unique") for field in schema["fields"])
    options = {"unique": True} if unique or schema.get("uniqueKeys") else {}
    return options | ({"foreignKeys": True} if schema.get("foreignKeys") and MODES[mode].shape != "delete" else {})


def undo_options(job: Job, has_target: bool) -> dict[str, bool]:
    """The option of a job that can be undone later: that of an `insert` needs no more than the keys of its rows.

    In a table of somebody else nothing tells whether a record still stands as the import left it.
    """
    keeps = job.keep_previous or MODES[job.mode].requires == "absent"
    return {KEEPS: True} if keeps and not (job.dry_run or has_target or job.undo_of) else {}
