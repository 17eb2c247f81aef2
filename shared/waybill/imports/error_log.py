"""The error log of a job: writes that of a failed file, and reads a log page by page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from itertools import accumulate, islice, takewhile
from typing import Any

from waybill.aws.files import Files
from waybill.entities.row_results import RowError
from waybill.errors import MalformedRequest
from waybill.imports.job_files import error_log_key, summary_key
from waybill.imports.rejects import ERROR_LOG_HEADER, Summary, error_log_line
from waybill.jobs.model import Job
from waybill.sizes import PageBytes
from waybill.tabular.dialect import Dialect
from waybill.tabular.formulas import unguard
from waybill.tabular.records import cut

_WINDOW_BYTES = 256 * 1024


def write_error_log(files: Files, bucket: str, job_id: str, errors: Sequence[RowError]) -> None:
    """The error log and summary of a job that failed before its rows were read."""
    summary = Summary()
    for error in errors:
        summary.add(error)
    log = ERROR_LOG_HEADER + b"".join(map(error_log_line, errors))
    files.put(bucket, error_log_key(job_id), log, "text/csv; charset=utf-8")
    files.put(bucket, summary_key(job_id), summary.to_json(), "application/json")


def error_page(
    files: Files, bucket: str, job: Job, limit: int, cursor: str | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], str | None]:
    """One page of a job's errors: up to `limit` of them, and as many as fit into an answer.

    Returns:
        (items, summary, next cursor): items as in `GET /jobs/{id}/errors`, the summary of the whole job. The cursor is
        a byte offset into the error log, so that any page costs one ranged read.

    Raises:
        MalformedRequest: this function did not return the cursor.
    """
    if not job.has_error_log:
        return [], [], None
    try:
        start = len(ERROR_LOG_HEADER) if cursor is None else int(cursor)
    except ValueError:
        raise MalformedRequest("nextToken was not issued by this list.") from None
    key = error_log_key(job.job_id)
    info = files.head(bucket, key)
    size = info.size_bytes if info is not None else 0
    if not len(ERROR_LOG_HEADER) <= start <= size:
        raise MalformedRequest("nextToken was not issued by this list.")
    summary = json.loads(files.read(bucket, summary_key(job.job_id)))
    data, errors, end = b"", list[tuple[dict[str, Any], int]](), start
    while len(errors) < limit and end < size:
        upper = min(size, end + _WINDOW_BYTES)
        data += files.read(bucket, key, end, upper)
        end = upper
        try:
            errors = _parse(data, limit, final=end == size)
        except ValueError:  # the offset is inside a line
            raise MalformedRequest("nextToken was not issued by this list.") from None
    page = PageBytes(summary)
    taken = list(takewhile(lambda error: page.takes(error[0]), errors))
    after = start + (taken[-1][1] if taken else 0)
    return [item for item, _ in taken], summary, str(after) if after < size else None


def _parse(data: bytes, limit: int, final: bool) -> list[tuple[dict[str, Any], int]]:
    """Up to `limit` items from the whole lines of the log, each with the bytes up to its end."""
    whole = data[: cut(data, Dialect(), final).end]
    lines = list(io.StringIO(whole.decode("utf-8"), newline=""))
    ends = [0, *accumulate(len(line.encode()) for line in lines)]
    reader = csv.reader(lines)
    return [(error_item(row), ends[reader.line_num]) for row in islice(reader, limit)]


def error_item(row: list[str]) -> dict[str, Any]:
    """A line of the log, by its cells, as the API shows it."""
    number, field_number, name, error_type, cell, message = row
    return {
        "rowNumber": int(number) if number else None,
        "fieldNumber": int(field_number) if field_number else None,
        "fieldName": unguard(name) or None,
        "type": error_type,
        "cell": unguard(cell),
        "message": unguard(message),
    }
