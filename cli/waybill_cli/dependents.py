"""What hangs on an entity that will be deleted, as `waybill apply --prune` tells it before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from waybill_cli.client import path_of
from waybill_cli.context import Context
from waybill_cli.failures import Refusal
from waybill_cli.output import counted

#: Entities of one plan that are looked into, pages and items of each list that are read for one.
MAX_ENTITIES, MAX_PAGES, MAX_ITEMS = 20, 3, 100
MAX_NAMED = 5
_UNFINISHED = ("WAITING", "IN_PROGRESS")
_RECORDS = {"approximate": "about ", "at-least": "at least "}


@dataclass(frozen=True)
class Dependents:
    """What goes with an entity; None is what nobody can tell. `inTheWay` keeps the service from deleting it.

    Attributes:
        document: for scripts.
        lines: for people.
    """

    document: Mapping[str, Any]

    @property
    def lines(self) -> list[str]:
        found = self.document
        records = found["records"]
        how_many = (
            _RECORDS.get(records["precision"], "") + counted(records["count"], "record") if records else "records"
        )
        lines = [f"{how_many}: {'left in their table' if found['isTarget'] else 'deleted'}"]
        for what, one, then in (
            ("jobs", "import or export", "hidden at once, with their files"),
            ("exports", "export definition", "deleted"),
            ("sources", "source", "deleted"),
        ):
            count = found[what]
            if count is None:
                lines.append(f"{what}: {then}, not counted")
            elif count["count"]:
                many = "imports and exports" if what == "jobs" and count["count"] > 1 else None
                number = f"{count['count']:,} {many}" if many else counted(count["count"], one)
                lines.append(f"{'' if count['isAll'] else 'at least '}{number}: {then}")
        in_the_way = found["inTheWay"]
        lines += [f"in the way: {each}" for each in in_the_way[:MAX_NAMED]]
        if len(in_the_way) > MAX_NAMED:
            lines.append(f"in the way: {len(in_the_way) - MAX_NAMED:,} more")
        return lines


def dependents_of(context: Context, entity: Mapping[str, Any], others: Sequence[str], gone: set[str]) -> Dependents:
    """Ask what hangs on an entity, in at most 1 request and `MAX_PAGES` of each of three lists.

    Args:
        others: names of the entities with a foreign key of it that stay.
        gone: ids of exports and sources that are deleted before it.
    """
    name = str(entity["name"])
    try:
        records = context.api.get(path_of("entities", name, "records", "count"))
    except Refusal:
        records = None
    jobs = _some(context, "jobs", name, entity=name)
    exports = _some(context, "exports", name, entity=name)
    sources = _some(context, "sources", name)
    in_the_way = [f"{job['process']} {job['jobId']} ({job['status']})" for job in _items(jobs) if _runs(job)]
    for kind, id_member, found in (("export", "exportId", exports), ("source", "sourceId", sources)):
        for each in _items(found):
            is_busy = _runs(each) or each["status"] == "SCHEDULED" or each.get("isRunning")
            if is_busy and each[id_member] not in gone:
                in_the_way.append(f"{kind} {each['name']!r} ({each['status']})")
    in_the_way += [f"a foreign key of the entity {other}" for other in others]
    return Dependents(
        {
            "records": records,
            "isTarget": bool(entity.get("target")),
            "jobs": _count(jobs),
            "exports": _count(exports),
            "sources": _count(sources),
            "inTheWay": in_the_way,
        }
    )


def _runs(each: Mapping[str, Any]) -> bool:
    return each["status"] in _UNFINISHED


def _some(context: Context, kind: str, of: str, **query: str) -> dict[str, Any] | None:
    """The first items of a list that are of an entity, and whether they are all."""
    items: list[dict[str, Any]] = []
    page: dict[str, Any] = {}
    try:
        pages = context.api.pages(path_of(kind), None, **query)
        for _, page in zip(range(MAX_PAGES), pages, strict=False):
            items += [item for item in page["items"] if item.get("entity") == of]
            if len(items) >= MAX_ITEMS:
                break
    except Refusal:
        return None
    return {"items": items, "isAll": page.get("nextToken") is None}


def _items(found: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    yield from found["items"] if found else ()


def _count(found: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if found is None else {"count": len(found["items"]), "isAll": found["isAll"]}
