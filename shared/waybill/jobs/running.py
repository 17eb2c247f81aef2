"""The one import of each entity that is running, and the write times that put imports and windows of exports in order.

    RUNNING#{uid} / IMPORT     jobId, startedAt, writeTime
    HORIZON#{uid} / NEXT       writeTime: the earliest that the next import may take

An import is claimed by the transaction that begins it, and released by the one that ends it. Dry runs write nothing and
do not claim.

All records of an import bear one write time. The transaction that begins the import takes it, `earliest_from` the
horizon, and moves the horizon behind it; the transaction that chooses the end of a window moves the horizon there. So
the write times of an entity never go back, whatever clocks say (docs/exports.md has the proof).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from waybill.aws.expressions import Attr
from waybill.aws.table import Action, Item, Key, Table
from waybill.jobs.model import Job
from waybill.jobs.usual_rows import forget_usual_rows
from waybill.telemetry import read_each
from waybill.timestamps import parse_rfc3339, rfc3339

#: Between the write times of two imports: the resolution at which they are stored.
STEP = timedelta(milliseconds=1)
_HORIZON = "HORIZON#"


class RunningImport(NamedTuple):
    job_id: str
    started_at: datetime
    write_time: datetime


class RunningImports:
    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, entity_uid: str) -> RunningImport | None:
        """The entity's running import, or None. One consistent read."""
        item = self._table.get(_key(entity_uid))
        return None if item is None else _from_item(item)

    def find_many(self, entity_uids: Sequence[str]) -> dict[str, RunningImport]:
        """The running imports by their entities' uids, but for claims that cannot be read. A consistent read for a
        hundred entities."""
        items = self._table.get_many([_key(uid) for uid in entity_uids])
        return dict(read_each("running import", items, lambda item: (item["pk"].partition("#")[2], _from_item(item))))

    def horizon(self, entity_uid: str) -> datetime | None:
        """The earliest write time that the entity's next import may take; None before its first. One consistent
        read."""
        item = self._table.get(horizon_key(entity_uid))
        return None if item is None else horizon_of([item])

    def forget(self, entity_uid: str) -> None:
        """Delete the horizon of an entity that is gone, and what is known of the rows of its imports."""
        self._table.delete(horizon_key(entity_uid))
        forget_usual_rows(self._table, entity_uid)


def horizon_of(items: Iterable[Item]) -> datetime | None:
    """The horizon, which may be among the items that were read."""
    return next((parse_rfc3339(item["writeTime"]) for item in items if item["pk"].startswith(_HORIZON)), None)


def earliest_from(now: datetime, horizon: datetime | None) -> datetime:
    """The moment, or the horizon where that is later, because the moment is of a clock that is late."""
    moment = parse_rfc3339(rfc3339(now))  # as it is stored
    return moment if horizon is None else max(moment, horizon)


def claim_action(table: Table, job: Job) -> Action:
    """Claims the entity for a job that begins; its condition is false while another import is running."""
    pk, sk = _key(job.entity_uid)
    times = {"startedAt": rfc3339(job.started_at), "writeTime": rfc3339(job.write_time)}
    return table.put_action({"pk": pk, "sk": sk, "jobId": job.job_id, **times}, Attr("pk").is_missing())


def release_action(table: Table, job: Job) -> Action:
    """Releases the claim of a job that ends; its condition is false when another import has the claim."""
    is_free = Attr("jobId").is_missing()
    return table.delete_action(_key(job.entity_uid), is_free | Attr("jobId").equals(job.job_id))


def horizon_action(table: Table, entity_uid: str, before: datetime | None, after: datetime) -> Action:
    """Moves the horizon; its condition is false when somebody else has moved it."""
    pk, sk = horizon_key(entity_uid)
    is_unchanged = Attr("pk").is_missing() if before is None else Attr("writeTime").equals(rfc3339(before))
    return table.put_action({"pk": pk, "sk": sk, "writeTime": rfc3339(after)}, is_unchanged)


def _key(entity_uid: str) -> Key:
    return f"RUNNING#{entity_uid}", "IMPORT"


def horizon_key(entity_uid: str) -> Key:
    return f"{_HORIZON}{entity_uid}", "NEXT"


def _from_item(item: Item) -> RunningImport:
    started_at = parse_rfc3339(item["startedAt"])
    # An earlier version stored no write time: its records bear the times at which they were sent.
    write_time = parse_rfc3339(item["writeTime"]) if "writeTime" in item else started_at
    return RunningImport(str(item["jobId"]), started_at, write_time)
