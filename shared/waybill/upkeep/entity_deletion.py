"""Delete an entity: it disappears at once, and what it had is erased step by step (contract, section 5).

    mark (nothing can be started from now on) → refuse while something runs → move from the catalogue to `DELETED`
        → each minute: erase its records, then its exports and sources, then the entry in `DELETED`

Its jobs are hidden at once, because no entity has both its name and its uid. They and their files expire like those of
any job. Records in a target table stay: that table is not Waybill's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from waybill.aws.dynamodb import BatchWriter, to_attributes
from waybill.aws.table import Table
from waybill.clock import HasTime, no_limit
from waybill.entities.model import SHARDS, partition
from waybill.errors import Conflict, WaybillError, in_words
from waybill.telemetry import entry_failed

if TYPE_CHECKING:
    from waybill.entities.model import Entity
    from waybill.jobs.audit import Act
    from waybill.jobs.scheduled import Busy
    from waybill.sources.services import SourceServices

#: A deletion is decided within one request of the API (29 seconds); a mark that is older belongs to one that died.
MARK_SECONDS = 60
PAGE_RECORDS = 1_000
#: Of each kind of thing that is in the way, in the refusal of a deletion.
MOST_NAMED = 5


def delete_entity(services: SourceServices, entity: Entity, etag: str | None = None, act: Act | None = None) -> None:
    """Take an entity out of the catalogue.

    Args:
        etag: of the only definition that may be deleted; None for any.
        act: for the audit trail, of whoever does it.

    Raises:
        Conflict: a job of it has not ended, an export or a source of it is scheduled or runs, a foreign key of another
            entity names it, or it was changed meanwhile. The message names them, and says what to do.
        PreconditionFailed: it has another ETag.
    """
    mark = services.entities.mark(entity, services.clock.now())
    try:
        if in_the_way := _in_the_way(services, entity):
            raise Conflict(f"{entity.name} cannot be deleted. {' '.join(in_the_way)}")
        services.entities.delete(entity, mark, etag, services.audit.entry(act, entity=entity.name))
    except WaybillError:
        services.entities.unmark(entity.uid, mark)
        raise


def _in_the_way(services: SourceServices, entity: Entity) -> list[str]:
    """A sentence or two for each kind of thing that keeps an entity: which they are, and what to do about them."""
    some = MOST_NAMED + 1  # one more, which tells that there are others
    jobs = [
        f"{job.job_id} ({job.file_name}, {in_words(job.status)})"
        for job in services.active_jobs.some_of(entity.uid, some)
    ]
    exports = [_busy(export) for export in services.exports.busy(entity.uid, some)]
    sources = [_busy(source) for source in services.sources.busy(entity.uid, some)]
    others = [other.name for other in services.entities.list() if entity.name in other.references]
    found = (
        ("Jobs that have not ended", jobs, "Cancel or stop them, or wait for their end."),
        ("Exports that are scheduled or run", exports, "Unschedule them, and wait for the end of their runs."),
        ("Sources that are scheduled or run", sources, "Unschedule them, and wait for the end of their runs."),
        ("Entities with a foreign key that names it", others, "Take that foreign key out of them."),
    )
    return [f"{what}: {_listed(names)}. {way_on}" for what, names, way_on in found if names]


def _busy(one: Busy) -> str:
    states = [word for word, is_so in (("scheduled", one.is_scheduled), ("running", one.is_running)) if is_so]
    name = "a definition that cannot be read" if one.name is None else f'"{one.name}"'
    return f"{name} ({one.id}, {' and '.join(states)})"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (" and others" if len(names) > MOST_NAMED else "")


def erase_deleted(services: SourceServices, has_time: HasTime = no_limit) -> int:
    """Erase what deleted entities had; the next minute continues where the time ran out.

    Returns:
        The number of records deleted.
    """
    now = services.clock.now().timestamp()
    _remove_stale_marks(services, now)
    erased, uids = 0, services.entities.deleted()
    first = int(now // 60) % len(uids) if uids else 0  # each minute another, so that a large one does not keep the rest
    for uid in uids[first:] + uids[:first]:
        try:
            erased += _erase(services, uid, has_time)
        except Exception:  # an entity that cannot be erased must not keep the others
            entry_failed("entity deletion", entityUid=uid)
        if not has_time():
            break
    return erased


def _remove_stale_marks(services: SourceServices, now: float) -> None:
    for item in services.entities.marks():
        try:
            if now - item["since"] > MARK_SECONDS:
                services.entities.unmark(item["sk"], item["mark"])
        except Exception:  # a mark that cannot be read must not keep the others
            entry_failed("entity deletion", entityUid=item["sk"])


def _erase(services: SourceServices, uid: str, has_time: HasTime) -> int:
    """Erase what one entity had, as far as the time goes; returns the number of records deleted."""
    table = Table(services.dynamodb, services.settings.records_table, ("_pk", "_sk"))
    with BatchWriter(services.dynamodb, table.name, connections=services.settings.write_connections) as writer:
        is_done = _erase_records(table, uid, writer, has_time)
    if is_done:
        services.exports.erase_of_entity(uid)
        services.sources.erase_of_entity(uid)
        services.running_imports.forget(uid)
        services.entities.forget(uid)
    return writer.acknowledged


def _erase_records(table: Table, uid: str, writer: BatchWriter, has_time: HasTime) -> bool:
    """Hand every record and tombstone of an entity to the writer; False when the time is up before."""
    for shard in range(SHARDS):
        for keys in table.pages(partition(uid, shard), keys_only=True, limit=PAGE_RECORDS):
            # Empty partitions do not count, so that each call gets further than the one before.
            if keys:
                writer.write([json.dumps({"DeleteRequest": {"Key": to_attributes(key)}}).encode() for key in keys])
                if not has_time():
                    return False
    return True
