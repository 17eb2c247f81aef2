"""`export`, a one-shot export in one go, and `exports`, the definitions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from waybill_cli.client import decode, path_of
from waybill_cli.context import Context
from waybill_cli.entities import read_json
from waybill_cli.failures import Failure, Interrupted, Refusal
from waybill_cli.jobs import check_output, collect, download, follow, report, saved_text, show_jobs
from waybill_cli.output import Progress, safe, time_text
from waybill_cli.watch import exit_status, show_end, watch


def export_entity(context: Context) -> int:
    """Define, activate, watch and download a one-shot export."""
    options, out = context.options, context.out
    check_output(context)
    definition: dict[str, Any] = {
        "name": options.name or f"{options.entity} {datetime.now():%Y-%m-%d %H:%M:%S}",
        "entity": options.entity,
        "type": "ONE_SHOT",
        "destination": {"kind": "download"},
    }
    given = {
        "fields": options.fields,
        "filter": options.filter,
        "format": options.format,
        "compression": options.compression,
        "dialect": options.dialect,
        "escapeFormulas": options.escape_formulas,
    }
    definition |= {member: value for member, value in given.items() if value is not None}
    with Progress(f"Starting the export of {options.entity}"):
        created = decode(context.api.post("/exports", definition))
        job_id = _activated_job(context, str(created["exportId"]))
    try:
        job = watch(context, context.api.request("GET", path_of("jobs", job_id)))
    except Interrupted as interrupted:
        step = f"waybill download {job_id}   (the file, once it is there)"
        raise Interrupted(interrupted.message, *interrupted.next_steps, step, resource=interrupted.document()) from None
    if exit_status(job):
        if out.as_json:
            out.document({"job": job, "file": None})
        else:
            show_end(out, job)
        return 1
    downloaded = download(context, path_of("jobs", job_id, "download"))
    if out.as_json:
        out.document({"job": job, **downloaded.document()})
    elif downloaded.path is not None:
        out.line(f"{job['status']} ({job['outcome']}): {job['message']}")
        out.line(saved_text(downloaded))
    return 0


def _activated_job(context: Context, export_id: str) -> str:
    """Activate a one-shot export; the id of its job."""
    return _job_of(context, decode(context.api.post(path_of("exports", export_id, "activate"))))


def _job_of(context: Context, export: dict[str, Any]) -> str:
    """The job of an export that was activated just now."""
    export_id = str(export["exportId"])
    if export.get("jobId"):
        return str(export["jobId"])
    for page in context.api.pages(path_of("exports", export_id, "jobs"), None):
        for job in page["items"]:
            return str(job["jobId"])
    raise Failure("The export was activated, but has no job yet.", f"waybill exports jobs {export_id}")


def list_exports(context: Context) -> int:
    options, out = context.options, context.out
    query = {
        "q": options.q,
        "database": options.database,
        "dataType": options.data_type,
        "type": options.type,
        "status": options.status,
    }
    listed = collect(context, "/exports", "exports", None if options.all else options.limit, **query)
    if out.as_json:
        out.document(listed)
        return 0
    if not listed["items"]:
        out.line("No exports.")
        return 0
    header = ("EXPORT", "NAME", "ENTITY", "TYPE", "STATUS", "FORMAT", "DESTINATION", "LAST RUN", "NEXT RUN")
    out.table(header, (_row(export) for export in listed["items"]))
    if listed["nextToken"]:
        out.remark("There are more: --limit N or --all.")
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


def create_export(context: Context) -> int:
    export = decode(context.api.post("/exports", read_json(context.options.file)))
    return _show(context, "Created", export, [_activation(export, "start or schedule it")])


def try_destination(context: Context) -> int:
    """Try the destination of a definition, one that `exports create` takes or that `exports show` printed."""
    definition, out = read_json(context.options.file), context.out
    members = definition if isinstance(definition, dict) else {}
    body = {member: members.get(member) for member in ("entity", "destination")}
    with Progress("Trying the destination"):
        result = decode(context.api.post("/exports/test-destination", body))
    if out.as_json:
        out.document(result)
    else:
        out.line(safe(str(result["detail"])) if result["ok"] else f"{result['code']}: {safe(str(result['detail']))}")
    return 0 if result["ok"] else 1


def update_export(context: Context) -> int:
    path = path_of("exports", context.options.export_id)
    export = decode(context.api.request("PUT", path, body=read_json(context.options.file)))
    return _show(context, "Replaced", export, [_activation(export, "start or schedule it")])


def show_export(context: Context) -> int:
    context.out.document(context.api.get(path_of("exports", context.options.export_id)))
    return 0


def show_definition(context: Context) -> int:
    context.out.document(context.api.get(path_of("exports", context.options.export_id, "definition")))
    return 0


def activate(context: Context) -> int:
    export_id = context.options.export_id
    export = decode(context.api.post(path_of("exports", export_id, "activate")))
    if export["status"] != "SCHEDULED":
        if context.options.watch:
            return follow(context, context.api.request("GET", path_of("jobs", _job_of(context, export))), True)
        follow_it = (f"waybill job {export['jobId']} --watch", "follow its run") if export.get("jobId") else None
        return _show(context, "Activated", export, [follow_it or (f"waybill exports jobs {export_id}", "its runs")])
    if context.options.watch:
        context.out.remark("It waits for its time: there is nothing to watch yet.")
    steps = [(f"waybill exports schedule {export_id}", "when it runs")]
    if "run" in export.get("allowedActions", ()):
        steps.append((f"waybill exports run {export_id} --watch", "run it now"))
    return _show(context, "Activated", export, steps)


def unschedule(context: Context) -> int:
    export_id = context.options.export_id
    body = {"confirm": True} if context.options.confirm else {}
    try:
        export = decode(context.api.post(path_of("exports", export_id, "unschedule"), body))
    except Refusal as refusal:
        if any(detail.startswith("/confirm:") for detail in refusal.details()):
            refusal.next_steps = (f"waybill exports unschedule {export_id} --confirm",)
        raise
    return _show(context, "Unscheduled", export, [_activation(export, "schedule it again")])


def copy(context: Context) -> int:
    body = {"name": context.options.name}
    export = decode(context.api.post(path_of("exports", context.options.export_id, "copy"), body))
    return _show(context, "Copied to", export, [_activation(export, "start or schedule the copy")])


def _show(context: Context, done: str, export: dict[str, Any], steps: list[tuple[str, str]]) -> int:
    if context.out.as_json:
        context.out.document(export)
        return 0
    runs = f", runs next at {time_text(export['nextRunAt'])}" if export.get("nextRunAt") else ""
    context.out.line(f"{done} {export['exportId']} ({safe(export['name'])}), now {export['status']}{runs}")
    context.out.next_steps(steps)
    return 0


def _activation(export: dict[str, Any], purpose: str) -> tuple[str, str]:
    return f"waybill exports activate {export['exportId']}", purpose


def delete(context: Context) -> int:
    deleted: list[str] = []
    failed: list[dict[str, Any]] = []
    steps: list[tuple[str, str]] = []
    for export_id in dict.fromkeys(context.options.export_ids):
        try:
            context.api.request("DELETE", path_of("exports", export_id))
        except Refusal as refusal:
            failed.append({"exportId": export_id, "status": refusal.status, "detail": refusal.message})
            if "unschedule" in refusal.allowed_actions:
                steps.append((f"waybill exports unschedule {export_id}", "only drafts can be deleted"))
        else:
            deleted.append(export_id)
    if context.out.as_json:
        context.out.document({"deleted": deleted, "failed": failed})
    else:
        for export_id in deleted:
            context.out.line(f"Deleted {export_id}")
        for failure in failed:
            context.out.remark(f"waybill: {failure['exportId']} not deleted: {failure['detail']}")
        context.out.next_steps(steps)
    return 1 if failed else 0


def run(context: Context) -> int:
    answer = context.api.post(path_of("exports", context.options.export_id, "run"))
    return follow(context, answer, context.options.watch)


def list_runs(context: Context) -> int:
    options = context.options
    path = path_of("exports", options.export_id, "jobs")
    show_jobs(context, collect(context, path, "runs", None if options.all else options.limit))
    return 0


def show_schedule(context: Context) -> int:
    preview = context.api.get(path_of("exports", context.options.export_id, "preview-schedule"))
    if context.out.as_json:
        context.out.document(preview)
    elif not preview["items"]:
        context.out.line("No further runs.")
    else:
        for item in preview["items"]:
            context.out.line(time_text(item) if isinstance(item, str) else str(item))
    return 0


def show_report(context: Context) -> int:
    """The report of the last run; a summary of it outlives the job."""
    export = context.api.get(path_of("exports", context.options.export_id))
    summary = export.get("lastRun")
    if export.get("message"):  # why it paused itself
        context.out.remark(safe(str(export["message"])))
        context.out.remark(f"  Next: waybill exports activate {context.options.export_id}   (when that is mended)")
    job_id = (summary or {}).get("jobId") or export.get("jobId")
    if job_id is None:
        raise Failure("This export has not run yet.", f"waybill exports activate {context.options.export_id}")
    try:
        report(context, context.api.get(path_of("jobs", str(job_id), "report")))
    except Refusal as refusal:
        if summary is None or refusal.status not in (404, 410):
            raise
        report(context, summary)
    return 0
