"""`sources`: scheduled imports, their lifecycle and the files that they have seen."""

from __future__ import annotations

import argparse
from typing import Any

from waybill_cli.client import decode, path_of
from waybill_cli.commandline import DEFAULT_LIMIT, Commands, add_limit, positive
from waybill_cli.context import Context
from waybill_cli.failures import Refusal
from waybill_cli.inputs import read_json
from waybill_cli.output import Progress, time_text

_TESTED = ("entity", "location", "pattern", "order")


def add_commands(commands: Commands) -> None:
    parser = commands.add("sources", list_sources, "list the scheduled imports, or manage one")
    parser.set_defaults(q=None, entity=None, status=None, limit=DEFAULT_LIMIT, all=False)
    _add_filters(parser)
    group = commands.group(parser)
    _add_filters(group.add("list", list_sources, "list the sources"))
    group.add("create", create, "create a draft").add_argument("file", metavar="FILE.json")
    parser = group.add("test", test, "test a definition's location, and list what would be fetched; changes nothing")
    parser.add_argument("file", metavar="FILE.json")
    for name, command, text in (
        ("show", show, "print a definition and its state"),
        ("update", update, "replace a draft"),
        ("activate", activate, "schedule a draft"),
        ("unschedule", unschedule, "return a source to draft"),
        ("run", run, "run a scheduled source now"),
        ("files", list_files, "list the files that it has seen, newest first"),
    ):
        parser = group.add(name, command, text)
        parser.add_argument("source_id", metavar="ID")
        if name == "update":
            parser.add_argument("file", metavar="FILE.json")
        elif name == "files":
            add_limit(parser, with_all=True)
    group.add("delete", delete, "delete drafts").add_argument("source_ids", metavar="ID", nargs="+")


def _add_filters(parser: argparse.ArgumentParser) -> None:
    suppress = argparse.SUPPRESS  # they may stand before or after `list`; `sources` has the defaults
    parser.add_argument("--q", default=suppress, metavar="TEXT", help="words to search for")
    parser.add_argument("--entity", default=suppress, metavar="E", help="only those of this entity")
    parser.add_argument("--status", type=str.upper, default=suppress, metavar="S", help="draft or scheduled")
    limit = f"show at most N (default {DEFAULT_LIMIT})"
    parser.add_argument("--limit", type=positive, default=suppress, metavar="N", help=limit)
    parser.add_argument("--all", action="store_true", default=suppress, help="show all of them")


def list_sources(context: Context) -> int:
    options = context.options
    query = {"q": options.q, "entity": options.entity, "status": options.status}
    listed = context.read_list("/sources", "sources", None if options.all else options.limit, **query)
    header = ("SOURCE", "NAME", "ENTITY", "STATUS", "LOCATION", "PATTERN", "LAST RUN", "NEXT RUN")
    context.out.listing(listed, "sources", header, _row)
    return 0


def _row(source: dict[str, Any]) -> tuple[object, ...]:
    return (
        source["sourceId"],
        source["name"],
        source["entity"],
        source["status"],
        source["location"]["kind"],
        source["pattern"],
        _last_run(source),
        "running" if source["isRunning"] else time_text(source["nextRunAt"]),
    )


def _last_run(source: dict[str, Any]) -> str:
    run = source["lastRun"]
    if run is None:
        return ""
    result = run["code"] or f"{run['taken']} taken"
    return f"{result} {time_text(run['endedAt'])}"


def create(context: Context) -> int:
    source = decode(context.api.post("/sources", read_json(context.options.file), once=True))
    return _done(context, "Created", source, [_activation(source, "schedule it")])


def test(context: Context) -> int:
    """Test the location of a definition, as `sources create` accepts it or `sources show` prints it."""
    definition, out = read_json(context.options.file), context.out
    members = definition if isinstance(definition, dict) else {}
    body = {member: members[member] for member in _TESTED if member in members}
    with Progress("Testing the location"):
        result = decode(context.api.post("/sources/test", body))
    detail = str(result["detail"])
    lines = [f"  {file['name']}  {file['sizeBytes']:,} bytes" for file in result["files"]]
    out.result(result, detail if result["ok"] else f"{result['code']}: {detail}", *lines)
    return 0 if result["ok"] else 1


def update(context: Context) -> int:
    path = path_of("sources", context.options.source_id)
    source = decode(context.api.request("PUT", path, body=read_json(context.options.file)))
    return _done(context, "Replaced", source, [_activation(source, "schedule it")])


def show(context: Context) -> int:
    context.out.document(context.api.get(path_of("sources", context.options.source_id)))
    return 0


def activate(context: Context) -> int:
    source_id = context.options.source_id
    source = decode(context.api.post(path_of("sources", source_id, "activate"), once=True))
    return _done(context, "Activated", source, [(f"waybill sources run {source_id}", "run it now")])


def unschedule(context: Context) -> int:
    source = decode(context.api.post(path_of("sources", context.options.source_id, "unschedule")))
    return _done(context, "Unscheduled", source, [_activation(source, "schedule it again")])


def run(context: Context) -> int:
    source_id = context.options.source_id
    source = decode(context.api.post(path_of("sources", source_id, "run"), once=True))
    return _done(
        context, "Started", source, [(f"waybill sources files {source_id}", "list the files that it has seen")]
    )


def _done(context: Context, done: str, source: dict[str, Any], steps: list[tuple[str, str]]) -> int:
    if context.out.as_json:
        context.out.document(source)
        return 0
    runs = f", next run {time_text(source['nextRunAt'])}" if source["nextRunAt"] else ""
    context.out.line(f"{done} {source['sourceId']} ({source['name']}), now {source['status']}{runs}")
    context.out.next_steps(steps)
    return 0


def _activation(source: dict[str, Any], purpose: str) -> tuple[str, str]:
    return f"waybill sources activate {source['sourceId']}", purpose


def delete(context: Context) -> int:
    result: dict[str, list[Any]] = {"deleted": [], "failed": []}
    steps: list[tuple[str, str]] = []
    for source_id in dict.fromkeys(context.options.source_ids):
        try:
            context.api.request("DELETE", path_of("sources", source_id))
        except Refusal as refusal:
            result["failed"].append({"sourceId": source_id, "status": refusal.status, "detail": refusal.message})
            if "unschedule" in refusal.allowed_actions:
                steps.append((f"waybill sources unschedule {source_id}", "only drafts can be deleted"))
        else:
            result["deleted"].append(source_id)
    return context.out.deletion(result, "sourceId", steps)


def list_files(context: Context) -> int:
    """The files that were seen; above them, why the location cannot be read, or why the source pauses."""
    options = context.options
    source = context.api.get(path_of("sources", options.source_id))
    for reason in ((source["unreachable"] or {}).get("message"), source["message"]):
        if reason is not None:
            context.out.remark(reason)
    path = path_of("sources", options.source_id, "files")
    listed = context.read_list(path, "files", None if options.all else options.limit)
    header = ("FILE", "BYTES", "MODIFIED", "SEEN", "JOB", "STATUS", "IMPORTED", "AFTER")
    context.out.listing(listed, "files", header, _file_row)
    return 0


def _file_row(file: dict[str, Any]) -> tuple[object, ...]:
    return (
        file["name"],
        file["sizeBytes"],
        time_text(file["modified"]),
        time_text(file["seenAt"]),
        file["jobId"],
        file["errorCode"] or file["outcome"] or file["status"],
        file["imported"],
        file["after"],
    )
