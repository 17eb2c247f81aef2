"""`exports`: the export definitions, their lifecycle and their runs."""

from __future__ import annotations

import argparse
from typing import Any

from waybill_cli.client import decode, path_of
from waybill_cli.commandline import DEFAULT_LIMIT, Commands, add_limit, add_watch, positive
from waybill_cli.context import Context
from waybill_cli.failures import Failure, Refusal
from waybill_cli.inputs import read_json
from waybill_cli.output import Progress, time_text
from waybill_cli.show import show_jobs, show_report
from waybill_cli.watch import follow

MAX_DELETED = 100  # ids in one POST /exports/delete
CONFLICT = 409


def add_commands(commands: Commands) -> None:
    parser = commands.add("exports", list_exports, "list the export definitions, or manage one")
    parser.set_defaults(q=None, database=None, data_type=None, type=None, status=None, limit=DEFAULT_LIMIT, all=False)
    _add_filters(parser)
    group = commands.group(parser)
    _add_filters(group.add("list", list_exports, "list the export definitions"))
    group.add("create", create, "create a draft").add_argument("file", metavar="FILE.json")
    parser = group.add("test", test, "test the connection to a definition's destination; leaves nothing there")
    parser.add_argument("file", metavar="FILE.json")
    for name, command, text in (
        ("show", show, "print a definition and its status"),
        ("update", update, "replace a draft"),
        ("definition", show_definition, "print every parameter, defaults included"),
        ("activate", activate, "start or schedule a draft"),
        ("unschedule", unschedule, "return a scheduled export to draft"),
        ("copy", copy, "copy to a new draft"),
        ("run", run, "run a scheduled export now"),
        ("jobs", list_runs, "list its runs, newest first"),
        ("schedule", show_schedule, "show its next five run times"),
        ("report", report, "show the report of its last run: where it was delivered, rows, bytes, SHA-256"),
    ):
        parser = group.add(name, command, text)
        parser.add_argument("export_id", metavar="ID")
        if name == "update":
            parser.add_argument("file", metavar="FILE.json")
        elif name == "copy":
            parser.add_argument("--name", required=True, help="name of the copy")
        elif name == "unschedule":
            text = "turn an incremental custom export into a standard one permanently"
            parser.add_argument("--confirm", action="store_true", help=text)
        elif name in ("activate", "run"):
            add_watch(parser)
            if name == "run":
                _add_period(parser)
        elif name == "jobs":
            add_limit(parser, with_all=True)
    group.add("delete", delete, "delete drafts and finished exports").add_argument(
        "export_ids", metavar="ID", nargs="+"
    )


def _add_filters(parser: argparse.ArgumentParser) -> None:
    suppress = argparse.SUPPRESS  # they may stand before or after `list`; `exports` has the defaults
    parser.add_argument("--q", default=suppress, metavar="TEXT", help="words to search for")
    parser.add_argument("--database", default=suppress, metavar="D", help="only those of entities in this database")
    parser.add_argument("--data-type", default=suppress, metavar="T", help="only those of entities of this data type")
    parser.add_argument("--type", type=str.upper, default=suppress, metavar="T", help="for example incremental")
    parser.add_argument("--status", type=str.upper, default=suppress, metavar="S", help="for example scheduled")
    limit = f"show at most N (default {DEFAULT_LIMIT})"
    parser.add_argument("--limit", type=positive, default=suppress, metavar="N", help=limit)
    parser.add_argument("--all", action="store_true", default=suppress, help="show all of them")


def _add_period(parser: argparse.ArgumentParser) -> None:
    text = "of an incremental export: the past period that starts at T, such as 2026-01-01T00:00:00Z; with --to"
    parser.add_argument("--from", dest="window_from", metavar="T", help=text)
    parser.add_argument(
        "--to", dest="window_to", metavar="T", help="the period ends before T; leaves its windows alone"
    )


def list_exports(context: Context) -> int:
    options = context.options
    query = {
        "q": options.q,
        "database": options.database,
        "dataType": options.data_type,
        "type": options.type,
        "status": options.status,
    }
    listed = context.read_list("/exports", "exports", None if options.all else options.limit, **query)
    header = ("EXPORT", "NAME", "ENTITY", "TYPE", "STATUS", "FORMAT", "DESTINATION", "LAST RUN", "NEXT RUN")
    context.out.listing(listed, "exports", header, _row)
    return 0


def _row(export: dict[str, Any]) -> tuple[object, ...]:
    run = export.get("lastRun") or {}
    return (
        export["exportId"],
        export["name"],
        export["entity"],
        export["type"],
        export["status"],
        export.get("format"),
        (export.get("destination") or {}).get("kind"),
        f"{run.get('outcome') or run.get('status') or ''} {time_text(run.get('completedAt'))}".strip(),
        "running" if export.get("isRunning") else time_text(export.get("nextRunAt")),
    )


def create(context: Context) -> int:
    export = decode(context.api.post("/exports", read_json(context.options.file), once=True))
    return _done(context, "Created", export, [_activation(export, "start or schedule it")])


def test(context: Context) -> int:
    """Test the destination of a definition, as `exports create` accepts it or `exports show` prints it."""
    definition, out = read_json(context.options.file), context.out
    members = definition if isinstance(definition, dict) else {}
    body = {member: members.get(member) for member in ("entity", "destination")}
    with Progress("Testing the connection"):
        result = decode(context.api.post("/exports/test-destination", body))
    detail = str(result["detail"])
    out.result(result, detail if result["ok"] else f"{result['code']}: {detail}")
    return 0 if result["ok"] else 1


def update(context: Context) -> int:
    path = path_of("exports", context.options.export_id)
    export = decode(context.api.request("PUT", path, body=read_json(context.options.file)))
    return _done(context, "Replaced", export, [_activation(export, "start or schedule it")])


def show(context: Context) -> int:
    context.out.document(context.api.get(path_of("exports", context.options.export_id)))
    return 0


def show_definition(context: Context) -> int:
    context.out.document(context.api.get(path_of("exports", context.options.export_id, "definition")))
    return 0


def activate(context: Context) -> int:
    export_id = context.options.export_id
    export = decode(context.api.post(path_of("exports", export_id, "activate"), once=True))
    if export["status"] == "SCHEDULED":
        return _scheduled(context, export)
    if context.options.watch:
        return follow(context, context.api.request("GET", path_of("jobs", activated_job_id(context, export))), True)
    if job_id := export.get("jobId"):
        return _done(context, "Activated", export, [(f"waybill job {job_id} --watch", "follow its run")])
    return _done(context, "Activated", export, [(f"waybill exports jobs {export_id}", "list its runs")])


def _scheduled(context: Context, export: dict[str, Any]) -> int:
    export_id = context.options.export_id
    if context.options.watch:
        context.out.remark("The export waits for its scheduled time: there is nothing to watch yet.")
    steps = [(f"waybill exports schedule {export_id}", "show when it runs")]
    if "run" in export.get("allowedActions", ()):
        steps.append((f"waybill exports run {export_id} --watch", "run it now"))
    return _done(context, "Activated", export, steps)


def activated_job_id(context: Context, export: dict[str, Any]) -> str:
    """The job of a one-shot export that has just been activated.

    Raises:
        Failure: it has no job yet.
    """
    export_id = str(export["exportId"])
    if export.get("jobId"):
        return str(export["jobId"])
    for page in context.api.pages(path_of("exports", export_id, "jobs"), None):
        for job in page["items"]:
            return str(job["jobId"])
    raise Failure("The export is activated but has no job yet.", f"waybill exports jobs {export_id}")


def unschedule(context: Context) -> int:
    export_id = context.options.export_id
    body = {"confirm": True} if context.options.confirm else {}
    try:
        export = decode(context.api.post(path_of("exports", export_id, "unschedule"), body))
    except Refusal as refusal:
        if any(detail.startswith("/confirm:") for detail in refusal.details()):
            refusal.next_steps = (f"waybill exports unschedule {export_id} --confirm",)
        raise
    return _done(context, "Unscheduled", export, [_activation(export, "schedule it again")])


def copy(context: Context) -> int:
    body = {"name": context.options.name}
    export = decode(context.api.post(path_of("exports", context.options.export_id, "copy"), body, once=True))
    return _done(context, "Copied to", export, [_activation(export, "start or schedule the copy")])


def _done(context: Context, done: str, export: dict[str, Any], steps: list[tuple[str, str]]) -> int:
    if context.out.as_json:
        context.out.document(export)
        return 0
    runs = f", next run {time_text(export['nextRunAt'])}" if export.get("nextRunAt") else ""
    context.out.line(f"{done} {export['exportId']} ({export['name']}), now {export['status']}{runs}")
    context.out.next_steps(steps)
    return 0


def _activation(export: dict[str, Any], purpose: str) -> tuple[str, str]:
    return f"waybill exports activate {export['exportId']}", purpose


def delete(context: Context) -> int:
    ids = list(dict.fromkeys(context.options.export_ids))
    result: dict[str, list[Any]] = {"deleted": [], "failed": []}
    for start in range(0, len(ids), MAX_DELETED):
        page = decode(context.api.post("/exports/delete", {"exportIds": ids[start : start + MAX_DELETED]}))
        result["deleted"] += page["deleted"]
        result["failed"] += page["failed"]
    forbidden = [failed["exportId"] for failed in result["failed"] if failed["status"] == CONFLICT]
    steps = [(f"waybill exports show {export_id}", "what its status allows") for export_id in forbidden]
    return context.out.deletion(result, "exportId", steps)


def run(context: Context) -> int:
    options = context.options
    period = {"windowFrom": options.window_from, "windowTo": options.window_to}
    body = {member: moment for member, moment in period.items() if moment is not None}
    answer = context.api.post(path_of("exports", options.export_id, "run"), body or None, once=True)
    return follow(context, answer, context.options.watch)


def list_runs(context: Context) -> int:
    options = context.options
    path = path_of("exports", options.export_id, "jobs")
    show_jobs(context.out, context.read_list(path, "runs", None if options.all else options.limit))
    return 0


def show_schedule(context: Context) -> int:
    preview = context.api.get(path_of("exports", context.options.export_id, "preview-schedule"))
    times = [time_text(item) if isinstance(item, str) else str(item) for item in preview["items"]]
    context.out.result(preview, *(times or ["No further runs."]))
    return 0


def report(context: Context) -> int:
    """The report of the last run. Its summary is still there when the job has expired."""
    export_id, out = context.options.export_id, context.out
    export = context.api.get(path_of("exports", export_id))
    summary = export.get("lastRun")
    if export.get("message"):  # why the export has paused itself
        since = f"{time_text(export['pausedAt'])}: " if export.get("pausedAt") else ""
        out.remark(f"{since}{export['message']}")
        out.remark(f"  Next: waybill exports activate {export_id}   (once the cause is fixed)")
    job_id = (summary or {}).get("jobId") or export.get("jobId")
    if job_id is None:
        raise Failure("This export has not run yet.", f"waybill exports activate {export_id}")
    try:
        show_report(out, context.api.get(path_of("jobs", str(job_id), "report")))
    except Refusal as refusal:
        if summary is None or refusal.status not in (404, 410):
            raise
        show_report(out, summary)
    return 0
