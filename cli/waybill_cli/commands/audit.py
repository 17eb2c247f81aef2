"""`audit`: who did what."""

from __future__ import annotations

from typing import Any

from waybill_cli.commandline import Commands, add_limit
from waybill_cli.context import Context
from waybill_cli.output import time_text


def add_commands(commands: Commands) -> None:
    parser = commands.add("audit", list_audit, "list who did what, newest first (for admins)")
    parser.add_argument("--actor", metavar="A", help="only what this person or program did: the name, or the subject")
    parser.add_argument("--action", metavar="A", help="only this action, such as createImport or download")
    parser.add_argument("--entity", metavar="E", help="only what concerns this entity")
    parser.add_argument("--from", dest="since", metavar="TIME", help="the earliest time, such as 2026-01-31T09:30:00Z")
    parser.add_argument("--to", dest="until", metavar="TIME", help="a time that all are before")
    add_limit(parser, with_all=True)


def list_audit(context: Context) -> int:
    options = context.options
    query = {"actor": options.actor, "action": options.action, "entity": options.entity}
    times = {"from": options.since, "to": options.until}
    listed = context.read_list("/audit", "entries", None if options.all else options.limit, **query, **times)
    context.out.listing(listed, "entries", ("TIME", "ACTOR", "ACTION", "OUTCOME", "ENTITY", "ADDRESS", "ABOUT"), _row)
    return 0


def _row(entry: dict[str, Any]) -> tuple[object, ...]:
    about = [f"{name} {entry[f'{name}Id']}" for name in ("job", "export", "source", "upload") if entry.get(f"{name}Id")]
    if entry["parentJobId"]:
        about.append(f"of job {entry['parentJobId']}")
    return (
        time_text(entry["time"]),
        entry["actor"],
        entry["action"],
        entry["outcome"],
        entry["entity"],
        entry["address"],
        ", ".join(about),
    )
