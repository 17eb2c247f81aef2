"""`jobs`, `job`, `errors`, and what can be done to jobs and their files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from waybill_cli.client import Downloaded, decode, path_of
from waybill_cli.context import Context
from waybill_cli.failures import UsageFailure
from waybill_cli.output import Progress, duration_text, rows_text, size_text, time_text
from waybill_cli.watch import exit_status, show_end, show_job, watch

MAX_DELETED = 100  # ids in one POST /jobs/delete


def collect(context: Context, path: str, what: str, limit: int | None, **query: str | None) -> dict[str, Any]:
    """A list's pages as one: `items`, and the `nextToken` where `limit` cut it."""
    items: list[dict[str, Any]] = []
    page: dict[str, Any] = {}
    with Progress(f"Reading {what}") as progress:
        for page in context.api.pages(path, limit, **query):
            items += page["items"]
            progress.update(None, None, f"{len(items):,}")
    return {"items": items, "nextToken": page.get("nextToken")}


def list_jobs(context: Context) -> int:
    options = context.options
    limit = None if options.all else options.limit
    query = {"entity": options.entity, "status": options.status, "process": options.process, "q": options.q}
    show_jobs(context, collect(context, "/jobs", "jobs", limit, **query))
    return 0


def show_jobs(context: Context, listed: dict[str, Any]) -> None:
    out = context.out
    if out.as_json:
        out.document(listed)
        return
    if not listed["items"]:
        out.line("No jobs.")
        return
    header = ("JOB", "PROCESS", "STATUS", "ENTITY", "FILE", "SUBMITTED", "COMPLETED", "BY", "MESSAGE")
    rows = (
        (
            job["jobId"],
            job["process"],
            job["status"],
            job["entity"],
            job["fileName"],
            time_text(job["submittedAt"]),
            time_text(job["completedAt"]),
            job["startedBy"],
            job["message"],
        )
        for job in listed["items"]
    )
    out.table(header, rows)
    if listed["nextToken"]:
        out.remark("There are more: --limit N or --all.")


def show_one(context: Context) -> int:
    options = context.options
    return follow(context, context.api.request("GET", path_of("jobs", options.job_id)), options.watch, detailed=True)


def follow(context: Context, answer: httpx.Response, watched: bool, *, detailed: bool = False) -> int:
    """Show the job that an answer holds, at its end when it is watched. Returns the exit status."""
    job = watch(context, answer) if watched else decode(answer)
    if context.out.as_json:
        context.out.document(job)
    elif detailed:
        show_job(context.out, job)
    else:
        if not watched:
            context.out.line(f"Job {job['jobId']}")
        show_end(context.out, job)
    return exit_status(job)


def show_errors(context: Context) -> int:
    out, options = context.out, context.options
    items: list[dict[str, Any]] = []
    summary: list[dict[str, Any]] = []
    token = None
    with Progress("Reading errors") as progress:
        for page in context.api.pages(path_of("jobs", options.job_id, "errors"), options.limit):
            items += page["items"]
            summary, token = page.get("summary") or summary, page.get("nextToken")
            total = sum(group["count"] for group in summary) or None
            progress.update(len(items), total, f"{len(items):,} of {rows_text(total)}")
    if out.as_json:
        out.document({"items": items, "nextToken": token, "summary": summary})
        return 0
    if not items and not summary:
        out.line("No errors.")
        return 0
    header = ("ROW", "FIELD", "TYPE", "CELL", "MESSAGE")
    out.table(header, ((e["rowNumber"], e["fieldName"], e["type"], e["cell"], e["message"]) for e in items))
    out.line()
    groups = ((rows_text(group["count"]), group["type"], group["fieldName"], group["sample"]) for group in summary)
    out.table(("COUNT", "TYPE", "FIELD", "SAMPLE"), groups)
    if token:
        out.remark("There are more: leave --limit out, or get all with `waybill error-log`.")
    return 0


def download_rejects(context: Context) -> int:
    return _download_of(context, "rejects")


def download_error_log(context: Context) -> int:
    return _download_of(context, "error-log")


def download_file(context: Context) -> int:
    return _download_of(context, "download")


def _download_of(context: Context, kind: str) -> int:
    check_output(context)
    downloaded = download(context, path_of("jobs", context.options.job_id, kind))
    if context.out.as_json:
        context.out.document(downloaded.document())
    elif downloaded.path is not None:
        context.out.line(saved_text(downloaded))
    return 0


def download(context: Context, path: str) -> Downloaded:
    """Fetch a file to where `-o` says."""
    output: str | None = context.options.output
    target: Path | BinaryIO | None = None if output is None else Path(output)
    if output == "-":
        target = sys.stdout.buffer
    with Progress("Downloading") as progress:
        return context.api.download(path, target, progress.update_bytes)


def check_output(context: Context) -> None:
    """Refuse an `-o` that cannot work before anything is started.

    Raises:
        UsageFailure
    """
    output: str | None = context.options.output
    if output == "-":
        if context.out.as_json:
            raise UsageFailure("--json and -o - would both write to standard output.", "give -o a file")
    elif output is not None and not Path(output).parent.is_dir():
        raise UsageFailure(f"The folder {Path(output).parent} does not exist.", "make it, or choose another")


def saved_text(downloaded: Downloaded) -> str:
    return f"Saved {downloaded.path} ({size_text(downloaded.size_bytes)}, SHA-256 {downloaded.sha256})"


def cancel(context: Context) -> int:
    return _act(context, "cancel")


def stop(context: Context) -> int:
    return _act(context, "stop")


def _act(context: Context, action: str) -> int:
    job = decode(context.api.post(path_of("jobs", context.options.job_id, action)))
    if context.out.as_json:
        context.out.document(job)
    else:
        show_end(context.out, job)
    return 0


def relaunch(context: Context) -> int:
    answer = context.api.post(path_of("jobs", context.options.job_id, "relaunch"))
    return follow(context, answer, context.options.watch)


def delete(context: Context) -> int:
    ids = list(dict.fromkeys(context.options.job_ids))
    result: dict[str, list[Any]] = {"deleted": [], "failed": []}
    with Progress("Deleting jobs") as progress:
        for start in range(0, len(ids), MAX_DELETED):
            page = decode(context.api.post("/jobs/delete", {"jobIds": ids[start : start + MAX_DELETED]}))
            result["deleted"] += page["deleted"]
            result["failed"] += page["failed"]
            progress.update(start + MAX_DELETED, len(ids), "")
    if context.out.as_json:
        context.out.document(result)
    else:
        for job_id in result["deleted"]:
            context.out.line(f"Deleted {job_id}")
        for failed in result["failed"]:
            context.out.remark(f"waybill: {failed['jobId']} not deleted: {failed['detail']}")
    return 1 if result["failed"] else 0


def show_report(context: Context) -> int:
    report(context, context.api.get(path_of("jobs", context.options.job_id, "report")))
    return 0


def report(context: Context, document: dict[str, Any]) -> None:
    """A report, of a job or what is left of one, as JSON or for a person."""
    out = context.out
    if out.as_json:
        out.document(document)
        return
    status, outcome, error = document.get("status"), document.get("outcome"), document.get("error")
    if outcome not in (None, status):
        status = outcome if status is None else f"{status} ({outcome})"
    is_import = document.get("process") == "import"
    counts: dict[str, Any] = (document.get("counts") or {}) if is_import else {}
    rows = [] if document.get("numberOfItems") is None else [rows_text(document["numberOfItems"])]
    rows += [f"{rows_text(counts[name])} {name}" for name in ("imported", "rejected", "unprocessed") if name in counts]
    place = document.get("delivered") or {}
    window = None
    if document.get("windowTo"):
        begin = f"from {time_text(document['windowFrom'])}" if document.get("windowFrom") else "all"
        window = f"{begin}, to before {time_text(document['windowTo'])}"
    relaunchable = document.get("relaunchable")
    out.pairs(
        [
            ("Job", document.get("jobId")),
            ("Export", " ".join(filter(None, (document.get("exportId"), document.get("name"))))),
            ("Entity", document.get("entity")),
            ("Status", status),
            ("Error", None if error is None else ": ".join(filter(None, (error.get("code"), error.get("message"))))),
            ("File", document.get("fileName")),
            ("Delivered", place.get("location") or ("ready for download" if place else None)),
            ("Rows", ", ".join(rows)),
            ("Bytes", None if document.get("bytes") is None else f"{document['bytes']:,}"),
            ("SHA-256", document.get("sha256")),
            ("Written", window),
            ("Started", time_text(document.get("startedAt"))),
            ("Completed", time_text(document.get("completedAt"))),
            ("Duration", None if (took := document.get("durationSeconds")) is None else duration_text(took)),
            ("Started by", document.get("startedBy")),
            ("Relaunch", None if relaunchable is None else "can help" if relaunchable else "does not help"),
        ]
    )
    if relaunchable and document.get("jobId"):
        what = "the rows that were left" if is_import else "the same run, with its window"
        out.next_steps([(f"waybill relaunch {document['jobId']} --watch", what)])
    elif place and not place.get("location"):
        out.next_steps([(f"waybill download {document['jobId']}", "the file")])
