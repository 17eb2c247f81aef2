"""`export`: a one-shot export in one command: define, activate, watch, download."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from waybill_cli.client import decode, path_of
from waybill_cli.commandline import Commands, add_output, json_array, json_object, names
from waybill_cli.commands.exports import activated_job_id
from waybill_cli.commands.files import check_output, fetch, saved_text
from waybill_cli.context import Context, Options
from waybill_cli.failures import Interrupted, Refusal
from waybill_cli.output import Progress
from waybill_cli.show import exit_status, show_end
from waybill_cli.watch import watch

PREVIEWED = ("entity", "fields", "filter", "format", "escapeFormulas", "split")
#: An older service, too many previews in this minute, or a table that cannot be read now: the export may be possible.
CANNOT_TELL = (404, 405, 429, 503)


def add_commands(commands: Commands) -> None:
    parser = commands.add("export", export_now, "export an entity now, and download the file")
    parser.add_argument("entity", metavar="E", help="the entity to export")
    parser.add_argument(
        "--fields", type=names, metavar="A,B", help="the fields to export (default: all, in schema order)"
    )
    parser.add_argument("--filter", type=json_array, metavar="JSON", help='[{"field", "op", "value"}], or @FILE')
    parser.add_argument("--format", choices=("csv", "xlsx", "jsonl", "parquet"), help="default csv")
    parser.add_argument("--compression", choices=("none", "gzip", "zip"), help="default none")
    parser.add_argument("--dialect", type=json_object, metavar="JSON", help="Table Dialect, or @FILE")
    split = parser.add_mutually_exclusive_group()
    text = "several files of at most so many rows, in one zip file"
    split.add_argument("--max-rows", type=int, metavar="N", help=text)
    split.add_argument("--max-bytes", type=int, metavar="N", help="the same, of at most so many bytes")
    text = "turn the formula guard off"
    parser.add_argument("--no-escape-formulas", dest="escape_formulas", action="store_false", default=None, help=text)
    parser.add_argument("--name", help="name of the export (default: the entity and the time)")
    add_output(parser)


def export_now(context: Context) -> int:
    options, out = context.options, context.out
    check_output(context)
    if not out.as_json:
        _show_preview(context)
    with Progress(f"Starting the export of {options.entity}"):
        created = decode(context.api.post("/exports", _definition(options), once=True))
        activated = decode(context.api.post(path_of("exports", str(created["exportId"]), "activate"), once=True))
        job_id = activated_job_id(context, activated)
    try:
        job = watch(context, context.api.request("GET", path_of("jobs", job_id)))
    except Interrupted as interrupted:
        step = f"waybill download {job_id}   (the file, once it exists)"
        raise Interrupted(interrupted.message, *interrupted.next_steps, step, resource=interrupted.document()) from None
    if exit_status(job):
        if out.as_json:
            out.document({"job": job, "file": None})
        else:
            show_end(out, job)
        return 1
    downloaded = fetch(context, path_of("jobs", job_id, "download"))
    if out.as_json:
        out.document({"job": job, **downloaded.document()})
    elif downloaded.path is not None:
        out.line(f"{job['status']} ({job['outcome']}): {job['message']}")
        out.line(saved_text(downloaded))
    return 0


def _show_preview(context: Context) -> None:
    """Remarks on what the export will take, and on what its format cannot hold."""
    given = _definition(context.options)
    body = {member: given[member] for member in PREVIEWED if member in given}
    try:
        with Progress("Counting the records"):
            found = decode(context.api.post("/exports/preview", body))
    except Refusal as refusal:
        if refusal.status not in CANNOT_TELL:
            raise
        return
    context.out.remark(matches_text(found))
    for warning in found["warnings"]:
        context.out.remark(f"Warning: {warning['message']}")


def matches_text(found: Mapping[str, Any]) -> str:
    """`312 records match`, `About 1,000,000 records match`, `12 of the first 20,000 match`."""
    count, precision = found["count"], found["precision"]
    records = "1 record matches" if count == 1 else f"{count:,} records match"
    if precision == "approximate":
        return f"About {records}"
    if precision == "at-least":
        return f"{count:,} of the first {found['read']:,} match" if found["read"] > count else f"At least {records}"
    return records if count else "No record matches"


def _definition(options: Options) -> dict[str, Any]:
    given = {
        "fields": options.fields,
        "filter": options.filter,
        "format": options.format,
        "compression": options.compression,
        "dialect": options.dialect,
        "escapeFormulas": options.escape_formulas,
        "split": _split(options),
    }
    return {
        "name": options.name or f"{options.entity} {datetime.now():%Y-%m-%d %H:%M:%S}",
        "entity": options.entity,
        "type": "ONE_SHOT",
        "destination": {"kind": "download"},
        **{member: value for member, value in given.items() if value is not None},
    }


def _split(options: Options) -> dict[str, int] | None:
    if options.max_rows is not None:
        return {"maxRows": options.max_rows}
    return None if options.max_bytes is None else {"maxBytes": options.max_bytes}
