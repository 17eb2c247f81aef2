"""Joins the files of all parts of an import to its rejects file, error log and summary, and of one that can be undone
to the list of the rows that it left (`waybill.imports.previous`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from waybill.aws.files import SourceChanged, Writer
from waybill.entities.row_results import stopped
from waybill.imports.deadline import OutOfTime
from waybill.imports.duplicates import Loser, LoserQueue
from waybill.imports.job_files import (
    error_log_key,
    left_rows_key,
    part_prefix,
    rejects_form_key,
    rejects_key,
    summary_key,
)
from waybill.imports.plan_document import ImportPlan
from waybill.imports.policy import Policy
from waybill.imports.previous import packed_rows
from waybill.imports.rejects import ERROR_LOG_HEADER, RejectsFormat, RejectsIndex, Summary, error_log_line, insert_rows
from waybill.imports.rejects_reader import RejectsForm
from waybill.jobs.ledger import LedgerEntry
from waybill.jobs.model import Job, job_prefix

if TYPE_CHECKING:
    from waybill.jobs.services import Services

_PIECE_BYTES = 1024 * 1024


def join_result_files(
    services: Services,
    job: Job,
    plan: ImportPlan,
    entries: Sequence[LedgerEntry],
    losers: Iterator[Loser],
    tick: Callable[[], None],
) -> None:
    """Join the rejects, error logs and summaries of all parts to those of the job.

    Args:
        entries: the ledger's, in file order.
        losers: rows that lost to a later row of their key after the parts were written; ascending.
        tick: called before each part; may raise OutOfTime.

    Raises:
        OutOfTime: what is written is saved; the next call goes on from there.
    """
    files, bucket, form = services.files, services.settings.files_bucket, plan.rejects_format
    state_key = f"{job_prefix(job.job_id)}finish/files"
    outputs = {
        rejects_key(job.job_id): f"text/csv; charset={plan.encoding}",
        error_log_key(job.job_id): "text/csv; charset=utf-8",
    }
    if Policy.of(job).keeps_previous:
        outputs[left_rows_key(job.job_id)] = "application/octet-stream"
    summary, done = Summary(), 0
    try:
        state = json.loads(files.read(bucket, state_key))
    except SourceChanged:
        rejects, log, *rows = (files.writer(bucket, key, kind) for key, kind in outputs.items())
        if plan.bom:
            rejects.write("\ufeff".encode(plan.encoding))
        rejects.write(form.header(plan.header))
        log.write(ERROR_LOG_HEADER)
    else:
        done = state["entries"]
        summary.merge(state["summary"])
        rejects, log, *rows = (
            files.resume_writer(bucket, key, kind, paused)
            for (key, kind), paused in zip(outputs.items(), state["outputs"], strict=True)
        )
    rows_done = entries[done - 1].next_row if done else 0
    left = LoserQueue(loser for loser in losers if loser.row >= rows_done)
    try:
        for entry in entries[done:]:
            tick()
            _put_part(services, job, entry, left.before(entry.next_row), form, (rejects, log, *rows), summary)
            done += 1
    except OutOfTime:
        state = {
            "entries": done,
            "summary": summary.groups(),
            "outputs": [output.pause() for output in (rejects, log, *rows)],
        }
        files.put(bucket, state_key, json.dumps(state).encode())
        raise
    files.put(bucket, rejects_form_key(job.job_id), RejectsForm.of(plan).to_json(), "application/json")
    files.delete(bucket, state_key)  # a completed upload cannot be resumed
    for output in (rejects, log, *rows):
        output.close()
    files.put(bucket, summary_key(job.job_id), summary.to_json(), "application/json")


def _put_part(
    services: Services,
    job: Job,
    entry: LedgerEntry,
    losers: Sequence[Loser],
    form: RejectsFormat,
    outputs: Sequence[Writer],
    summary: Summary,
) -> None:
    """Write the rejected rows of a part, with its losers inserted in file order; those that it lists as stopped are
    replaced.

    Args:
        outputs: for the rejects, the error log and, if it is wanted, the list of these rows.
    """
    rejects, log, *rows = outputs
    bucket, prefix = services.settings.files_bucket, part_prefix(job.job_id, entry.chunk, entry.part, entry.attempt)
    index = RejectsIndex.from_bytes(b"")
    content: dict[str, Iterator[bytes]] = {"rejects": iter(()), "errors": iter(())}
    if entry.rejected or entry.unprocessed:
        index = RejectsIndex.from_bytes(services.files.read(bucket, prefix + "index"))
        summary.merge(json.loads(services.files.read(bucket, prefix + "summary")))
        content = {name: _pieces(services, bucket, prefix + name) for name in content}
    for loser in losers:
        summary.add(loser.error)
        if loser.is_left:
            summary.add(stopped(loser.row), -1)
    shown = {loser.row: form.shown(loser.raw, [loser.error]) for loser in losers}
    lines = [(loser.row, form.rejected(loser.raw, shown[loser.row])) for loser in losers]
    for piece in insert_rows(content["rejects"], index.rows, index.rejects_at, lines):
        rejects.write(piece)
    lines = [(loser.row, error_log_line(shown[loser.row][0])) for loser in losers]
    for piece in insert_rows(content["errors"], index.rows, index.errors_at, lines):
        log.write(piece)
    for output in rows:
        output.write(packed_rows(sorted({*index.rows, *shown})))


def _pieces(services: Services, bucket: str, key: str) -> Iterator[bytes]:
    stream = services.files.open(bucket, key)
    return iter(lambda: stream.read(_PIECE_BYTES), b"")
