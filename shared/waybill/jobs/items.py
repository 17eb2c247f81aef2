"""The stored form of a job. Pure: attribute names are the contract's member names, times RFC 3339 text, expiries epoch
seconds (DynamoDB's TTL asks for that)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any

from waybill.jobs.model import ChunkLease, Counts, Job, Outcome, Process, Status
from waybill.timestamps import from_epoch, parse_rfc3339, rfc3339

LIST_KEY = "JOB"
_EPOCHS = ("expires_at", "files_expire_at")
_TIMES = tuple(
    field.name
    for field in dataclasses.fields(Job)
    if str(field.type).startswith("datetime") and field.name not in _EPOCHS
)
_NESTED = ("counts", "leases", "process", "status", "outcome")


@cache
def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


_COUNTS = [field.name for field in dataclasses.fields(Counts)]
#: The members that `job_from_item` can do without, and the values that it then takes: none of a field without default.
DEFAULTS = {
    camel(field.name): field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    for field in (*dataclasses.fields(Job), *dataclasses.fields(Counts))
    if (field.default, field.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
}
_FIELD_NAMES = [field.name for field in dataclasses.fields(Job)]


def job_item(job: Job) -> dict[str, Any]:
    """The stored form of a job, as plain values."""
    item: dict[str, Any] = {
        "pk": f"JOB#{job.job_id}",
        "sk": "JOB",
        "listKey": LIST_KEY,
        "listSort": f"{rfc3339(job.submitted_at)}#{job.job_id}",
        "process": str(job.process),
        "status": str(job.status),
        "leases": {str(chunk): dataclasses.asdict(lease) for chunk, lease in job.leases.items()},
        **dataclasses.asdict(job.counts),
    }
    if job.outcome is not None:
        item["outcome"] = str(job.outcome)
    for name in _FIELD_NAMES:
        if name in _NESTED:
            continue
        value = getattr(job, name)
        if name in _TIMES:
            value = rfc3339(value)
        elif name in _EPOCHS and value is not None:
            value = int(value.timestamp())
        item[camel(name)] = value
    return {name: value for name, value in item.items() if value is not None}


def job_from_item(item: Mapping[str, Any]) -> Job:
    """The inverse of `job_item`."""
    values: dict[str, Any] = {}
    for name in _FIELD_NAMES:
        if name in _NESTED or camel(name) not in item:
            continue
        value = item[camel(name)]
        if name in _TIMES:
            value = parse_rfc3339(value)
        elif name in _EPOCHS:
            value = from_epoch(value)
        values[name] = value
    outcome = item.get("outcome")
    return Job(
        process=Process(item["process"]),
        status=Status(item["status"]),
        outcome=None if outcome is None else Outcome(outcome),
        counts=Counts(**{name: item[name] for name in _COUNTS if name in item}),
        leases={int(chunk): ChunkLease(**lease) for chunk, lease in item.get("leases", {}).items()},
        **values,
    )
