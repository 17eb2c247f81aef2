"""End an import whose plan, or what its steps noted, is gone or cannot be read: a job that never ends would hold up its
entity for ever.

What the ledger counted stays counted. The other rows are listed by number, with empty cells, as those whose source is
gone, where the numbers are certain: from the first row on that the plan noted in the job (`firstRow`), without
comments in between. Else there is no rejects file. None of them can be relaunched or corrected: their text is gone.

Workers may still be loading chunks when the job is given up. Their leases are taken, or waited for, as the finish does:
the next import of the entity must not begin while a request of this one may be on its way.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from waybill.aws.expressions import Attr
from waybill.entities.row_results import RowError
from waybill.errors import counted
from waybill.ids import new_token
from waybill.imports.deadline import Remaining, whole_invocation
from waybill.imports.job_files import error_log_key, part_prefix, rejects_form_key, rejects_key, summary_key
from waybill.imports.register import fail_import
from waybill.imports.rejects import ERROR_LOG_HEADER, RejectsFormat, Summary, error_log_line
from waybill.imports.rejects_reader import RejectsForm
from waybill.jobs.giving_up import INTERNAL_ERROR, passes
from waybill.jobs.leases import lease_chunk
from waybill.jobs.model import Job
from waybill.tabular.dialect import Dialect
from waybill.tabular.formulas import unguard
from waybill.telemetry import logger

if TYPE_CHECKING:
    from waybill.jobs.ledger import LedgerEntry
    from waybill.jobs.services import Services

_UNPLANNED = {
    "internal-error": "Waybill failed repeatedly to read the file. Nothing was imported; relaunch the import. If it "
    "fails again, give the job's id to your administrator.",
    "source-error": "The file cannot be read.",
    "timed-out": "Waybill could not read the file for more than an hour. Nothing was imported; relaunch the import.",
}
_ABANDONED = (
    "Waybill cannot read what it noted about this import. {counts.imported:,} of {rows} counted as "
    "imported; which of the others are in the table is not known. Import the file again."
)
_NOT_KNOWN = "Waybill cannot read what it noted about this row. Whether it is in the table is not known."
_FORMAT = RejectsFormat(",", '"', "utf-8")


def abandon_import(
    services: Services, job_id: str, code: str = INTERNAL_ERROR, remaining_seconds: Remaining = whole_invocation
) -> Job | None:
    """End an import as FAILED, with the rows that were counted so far.

    Args:
        code: the job's, `internal-error` or `timed-out`.
        remaining_seconds: until the invocation is ended from outside.

    Returns:
        The job; None when it is gone.

    Raises:
        LeaseHeld: a worker is still at a chunk. Call it again: no worker outlasts its invocation.
        Superseded: rows were counted, or a worker has taken a chunk, meanwhile. Call it again.
    """
    job = services.jobs.find(job_id)
    if job is None or job.is_terminal:
        return job
    total = job.counts.total
    if not total:
        return fail_import(services, job, [RowError.whole(None, code, _UNPLANNED[code])])
    job = _take_leases(services, job, remaining_seconds)
    lost = total - job.counts.imported
    counts = replace(job.counts, unprocessed=lost - job.counts.rejected, repeated=0, lost=lost)
    rows = f"{counted(total)} {'was' if total == 1 else 'were'}"
    error = RowError.whole(None, code, _ABANDONED.format(counts=counts, rows=rows))
    has_rejects = _list_rows(services, job, lost)
    taken = {str(chunk): dataclasses.asdict(lease) for chunk, lease in job.leases.items()}
    return fail_import(services, job, [error], counts, has_rejects=has_rejects, where=Attr("leases").equals(taken))


def _take_leases(services: Services, job: Job, remaining_seconds: Remaining) -> Job:
    """Take every lease of the job, waiting for those that are not over: nobody then writes rows of it, or counts any.

    Raises:
        LeaseHeld: a lease is prolonged for longer than the invocation lasts.
        Superseded: the job has ended.
    """
    attempt = new_token(services.ids)
    while others := [chunk for chunk, lease in job.leases.items() if lease.attempt != attempt]:
        job = lease_chunk(services, job.job_id, others[0], attempt, remaining_seconds)
    return job


def _list_rows(services: Services, job: Job, rows: int) -> bool:
    """Write the rejects file and the error log; False where it is not certain which `rows` they are to list."""
    if job.options.get("firstRow") is None:
        return False
    bucket, summary, listed = services.settings.files_bucket, Summary(), 0
    rejects = services.files.writer(bucket, rejects_key(job.job_id), "text/csv; charset=utf-8")
    log = services.files.writer(bucket, error_log_key(job.job_id), "text/csv; charset=utf-8")
    try:
        names = [field["name"] for field in services.jobs.definition(job.job_id)["schema"]["fields"]]
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="").writerow(names)
        header = _FORMAT.header(text.getvalue())
        rejects.write(header)
        log.write(ERROR_LOG_HEADER)
        for _, errors in groupby(_rows_left(services, job), lambda error: error.row_number):
            of_row = list(errors)
            rejects.write(_FORMAT.rejected("," * (len(names) - 1), of_row))
            for error in of_row:
                log.write(error_log_line(error))
                summary.add(error)
            listed += 1
        if listed != rows:
            raise ValueError(f"{listed} rows are known of {rows}")
        # The plan is of the source, which may have another dialect, encoding and labels.
        form = RejectsForm(Dialect(header_rows=(1,)), _FORMAT.encoding, False, names, len(header))
        services.files.put(bucket, rejects_form_key(job.job_id), form.to_json(), "application/json")
    except Exception as error:
        rejects.abort()
        log.abort()
        if passes(error):
            raise
        logger.exception("The rows of an import cannot be listed")
        return False
    rejects.close()
    log.close()
    services.files.put(bucket, summary_key(job.job_id), summary.to_json(), "application/json")
    return True


def _rows_left(services: Services, job: Job) -> Iterator[RowError]:
    """The errors of all rows that are not counted as imported, in file order."""
    next_row = int(job.options["firstRow"])
    end = next_row + int(job.counts.total or 0)
    ledger = services.ledger.entries(job.job_id)
    for entry in (entry for chunk in sorted(ledger) for entry in ledger[chunk]):
        yield from _not_known(next_row, entry.next_row - entry.rows)
        if entry.rejected or entry.unprocessed:
            yield from _errors_of(services, job, entry)
        next_row = entry.next_row
    yield from _not_known(next_row, end)


def _not_known(first: int, behind: int) -> Iterator[RowError]:
    return (RowError.whole(row, INTERNAL_ERROR, _NOT_KNOWN) for row in range(first, behind))


def _errors_of(services: Services, job: Job, entry: LedgerEntry) -> Iterator[RowError]:
    key = part_prefix(job.job_id, entry.chunk, entry.part, entry.attempt) + "errors"
    text = services.files.read(services.settings.files_bucket, key).decode()
    for number, field_number, name, type, cell, message in csv.reader(io.StringIO(text, newline="")):
        place = int(field_number) if field_number else None
        yield RowError(int(number), place, unguard(name) or None, type, unguard(cell), unguard(message))
