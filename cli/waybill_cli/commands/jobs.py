"""`jobs`, `job`, `errors`, `report`, and the actions on jobs."""

from __future__ import annotations

from typing import Any

from waybill_cli.client import decode, path_of
from waybill_cli.commandline import Commands, add_job, add_limit, add_watch, json_object, positive
from waybill_cli.context import Context
from waybill_cli.corrections import Reading, read_corrections
from waybill_cli.output import Progress, rows_text
from waybill_cli.show import show_end, show_jobs, show_report, show_undo
from waybill_cli.watch import follow

MAX_DELETED = 100  # ids in one POST /jobs/delete


def add_commands(commands: Commands) -> None:
    parser = commands.add("jobs", list_jobs, "list jobs, newest first")
    parser.add_argument("--entity", metavar="E", help="only jobs of this entity")
    parser.add_argument("--status", type=str.upper, metavar="S", help="one or more statuses, separated by commas")
    parser.add_argument("--process", type=str.lower, metavar="P", help="import or export")
    parser.add_argument("--q", metavar="TEXT", help="words to search for")
    add_limit(parser, with_all=True)

    for name, command, text in (
        ("job", show_one, "show a job; the exit status tells whether it failed"),
        ("errors", list_errors, "list a job's errors and their summary"),
        ("report", report, "show a job's report"),
        ("cancel", cancel, "cancel a waiting job"),
        ("stop", stop, "stop an import in progress; rows already written stay"),
        ("relaunch", relaunch, "import the rows that a job left, or repeat a failed export run"),
        ("undo", undo, "put the records that an import changed back as they were"),
    ):
        parser = commands.add(name, command, text)
        add_job(parser)
        if name in ("job", "relaunch", "undo"):
            add_watch(parser)
        if name == "undo":
            parser.add_argument("--preview", action="store_true", help="only tell what would be done")
        elif name == "errors":
            parser.add_argument("--limit", type=positive, metavar="N", help="show at most N (default: all)")
    parser = commands.add("fix", fix, "import rejected rows of a job, corrected")
    add_job(parser)
    parser.add_argument(
        "--rows",
        metavar="F",
        required=True,
        help="a CSV with the column _row and the corrected columns, such as the edited rejects file",
    )
    text = "of F, where it is not that of the job's file (a rejects file has it)"
    parser.add_argument("--encoding", metavar="E", help=text)
    text = "how F is written, a Table Dialect or @FILE, where it is neither the rejects file nor CSV with double quotes"
    parser.add_argument("--dialect", type=json_object, metavar="JSON", help=text)
    parser.add_argument("--only-corrected", action="store_true", help="leave the other rejected rows for later")
    add_watch(parser)
    parser = commands.add("delete", delete, "delete finished jobs with their files")
    parser.add_argument("job_ids", metavar="ID", nargs="+")


def list_jobs(context: Context) -> int:
    options = context.options
    limit = None if options.all else options.limit
    query = {"entity": options.entity, "status": options.status, "process": options.process, "q": options.q}
    show_jobs(context.out, context.read_list("/jobs", "jobs", limit, **query))
    return 0


def show_one(context: Context) -> int:
    options = context.options
    return follow(context, context.api.request("GET", context.job_path()), options.watch, detailed=True)


def list_errors(context: Context) -> int:
    out, options = context.out, context.options
    path = context.job_path("errors")
    listed = context.read_list(path, "errors", options.limit, total_of=_error_count)
    summary = listed.get("summary") or ()
    header = ("ROW", "FIELD", "TYPE", "CELL", "MESSAGE")
    more = "There are more errors: leave out --limit, or use `waybill error-log` for all."
    out.listing(listed, "errors", header, _error_row, more=more)
    if summary and not out.as_json:
        out.line()
        groups = ((rows_text(group["count"]), group["type"], group["fieldName"], group["sample"]) for group in summary)
        out.table(("COUNT", "TYPE", "FIELD", "SAMPLE"), groups)
    return 0


def _error_count(page: dict[str, Any]) -> int | None:
    return sum(group["count"] for group in page.get("summary", ())) or None


def _error_row(error: dict[str, Any]) -> tuple[object, ...]:
    return error["rowNumber"], error["fieldName"], error["type"], error["cell"], error["message"]


def report(context: Context) -> int:
    show_report(context.out, context.api.get(context.job_path("report")))
    return 0


def cancel(context: Context) -> int:
    return _act(context, "cancel")


def stop(context: Context) -> int:
    return _act(context, "stop")


def _act(context: Context, action: str) -> int:
    job = decode(context.api.post(context.job_path(action)))
    if context.out.as_json:
        context.out.document(job)
    else:
        show_end(context.out, job)
    return 0


def relaunch(context: Context) -> int:
    answer = context.api.post(context.job_path("relaunch"), once=True)
    return follow(context, answer, context.options.watch)


def undo(context: Context) -> int:
    path = context.job_path("undo")
    if context.options.preview:
        show_undo(context.out, context.api.get(path))
        return 0
    return follow(context, context.api.post(path, once=True), context.options.watch)


def fix(context: Context) -> int:
    """Relaunch a job with the corrections of a file."""
    options = context.options
    job = context.api.get(context.job_path())
    corrections = read_corrections(options.rows, Reading.of(job["detected"]), options.encoding, options.dialect)
    body = {"corrections": corrections, "only": "corrected" if options.only_corrected else "all"}
    answer = context.api.post(path_of("jobs", job["jobId"], "relaunch"), body, once=True)
    return follow(context, answer, options.watch)


def delete(context: Context) -> int:
    ids = list(dict.fromkeys(context.options.job_ids))
    result: dict[str, list[Any]] = {"deleted": [], "failed": []}
    with Progress("Deleting jobs") as progress:
        for start in range(0, len(ids), MAX_DELETED):
            page = decode(context.api.post("/jobs/delete", {"jobIds": ids[start : start + MAX_DELETED]}))
            result["deleted"] += page["deleted"]
            result["failed"] += page["failed"]
            progress.update(start + MAX_DELETED, len(ids), "")
    return context.out.deletion(result, "jobId")
