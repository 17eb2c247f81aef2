"""How many rows the imports of an entity usually have, so that a file which is far from it is told of or refused.

    USUAL#{uid} / {mode}#{sourceId}   rows: of the latest imports, the newest last; jobId: of the newest; expiresAt

Files of the same source, or of none, in the same mode are alike: the daily file of a partner is no measure of a file of
deletions. The transaction that begins an import copies what is known into the job, which is judged by that, and the
one that ends it adds the job's own rows, on condition that nobody else did since. The end of a job is stored once,
whatever dies, and it does not matter which jobs were deleted since, or have expired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from statistics import median_low
from typing import Any

from waybill.aws.expressions import Attr
from waybill.aws.table import Action, Item, Key, Table
from waybill.jobs.model import Job, Status
from waybill.timestamps import from_epoch

UNUSUAL_ROWS = "unusual-rows"
"""The code of the warning, and of the failure."""
MAX_IMPORTS, MIN_IMPORTS = 10, 3
"""Of how many imports the rows are kept, and from how many on they say what is usual."""
KEPT = timedelta(days=400)
"""After the latest import."""
PREFIX = "USUAL#"
USUAL = "usual"
"""The option of a job that holds what was known when it began."""
_SOURCE, _FILE, _ACCEPTS = "usualSource", "sourceFile", "acceptsRows"


def usual_key(job: Job) -> Key:
    """Where the rows of imports like this one are kept."""
    return f"{PREFIX}{job.entity_uid}", f"{job.mode}#{job.source_id or job.options.get(_SOURCE, '')}"


def known_rows(job: Job, items: Iterable[Item], now: datetime) -> dict[str, Any]:
    """`{"rows", "after"}`: the rows of the latest imports like this one, the newest last, and the id of the newest.

    Args:
        items: that were read; that of `usual_key` may be among them.
    """
    item = next((item for item in items if (item["pk"], item["sk"]) == usual_key(job)), None)
    if item is None:
        return {"rows": [], "after": None}
    is_kept = from_epoch(item["expiresAt"]) > now
    return {"rows": [int(each) for each in item["rows"]] if is_kept else [], "after": item["jobId"]}


def usual_rows(job: Job) -> tuple[int, int] | None:
    """How many rows imports like this one usually have (the median, one of the numbers), and how many imports say so.
    None where too few are known, where somebody relaunches a file that was refused for its rows, and for jobs that are
    not judged."""
    rows = job.options.get(USUAL, {}).get("rows", ())
    if len(rows) < MIN_IMPORTS or job.options.get(_ACCEPTS):
        return None
    return int(median_low(rows)), len(rows)


def whole_file_options(job: Job) -> dict[str, object]:
    """The options of a child that imports the whole file of this job: it is the import of the file for the source that
    fetched it, whose rows count with others of that, and were accepted if this job was refused for them."""
    source, file = fetched_file(job)
    accepts = job.error_code == UNUSUAL_ROWS or bool(job.options.get(_ACCEPTS))
    options = {_SOURCE: source, _FILE: file, _ACCEPTS: accepts}
    return {name: value for name, value in options.items() if value}


def fetched_file(job: Job) -> tuple[str | None, str | None]:
    """The source that fetched the whole file of an import, and the file's mark, also of one that was relaunched."""
    return job.source_id or job.options.get(_SOURCE), job.source_file or job.options.get(_FILE)


def forget_usual_rows(table: Table, entity_uid: str) -> None:
    """Delete what is known of the imports of an entity that is gone."""
    keys = [
        (item["pk"], item["sk"]) for items in table.pages(f"{PREFIX}{entity_uid}", keys_only=True) for item in items
    ]
    table.delete_many(keys)


def usual_action(table: Table, job: Job, known: Mapping[str, Any] | None, now: datetime) -> Action | None:
    """Adds the rows of an import that ends; None if they say nothing of what is usual: it was stopped, failed, imported
    nothing, was a dry run, or took the rows that another job had left.

    Args:
        known: what `known_rows` said last; the condition is false when another import was added since. None if an
            earlier version began the job, or its file is a rejects file.
    """
    is_done = job.status is Status.COMPLETED and job.stop_reason is None and job.counts.imported > 0
    if known is None or not (is_done and job.takes_turns):
        return None
    pk, sk = usual_key(job)
    rows = [*known["rows"], job.counts.total][-MAX_IMPORTS:]
    is_unchanged = Attr("pk").is_missing()  # also where TTL has removed what was known
    if known["after"] is not None:
        is_unchanged |= Attr("jobId").equals(known["after"])
    expires = int((now + KEPT).timestamp())
    return table.put_action({"pk": pk, "sk": sk, "rows": rows, "jobId": job.job_id, "expiresAt": expires}, is_unchanged)
