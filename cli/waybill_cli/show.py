"""How jobs and reports look to a person, and the commands that make sense next."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from waybill_cli.output import Output, counted, duration_text, rows_text, time_text
from waybill_client.client import FINAL

Job = Mapping[str, Any]


def exit_status(job: Job) -> int:
    """1 for a job that failed or was canceled, else 0."""
    return 1 if job["status"] in ("FAILED", "CANCELED") or job.get("outcome") == "FAILED" else 0


def show_jobs(out: Output, listed: dict[str, Any]) -> None:
    header = ("JOB", "PROCESS", "STATUS", "ENTITY", "FILE", "SUBMITTED", "COMPLETED", "BY", "MESSAGE")
    out.listing(listed, "jobs", header, _job_row)


def _job_row(job: Job) -> tuple[object, ...]:
    return (
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


def show_job(out: Output, job: Job) -> None:
    """Every detail of a job."""
    detected = job.get("detected") or {}
    out.pairs(
        [
            ("Job", job["jobId"]),
            ("Process", f"{job['process']}{' (dry run)' if job.get('dryRun') else ''}"),
            ("Entity", job["entity"]),
            ("File", job["fileName"]),
            ("Started by", job["startedBy"]),
            ("Submitted", time_text(job["submittedAt"])),
            ("Started", time_text(job["startedAt"])),
            ("Completed", time_text(job["completedAt"])),
            ("Progress", "" if job["status"] in FINAL else progress_text(job)),
            ("Mode", f"{job.get('mode')}, on error {job.get('onError')}" if job["process"] == "import" else ""),
            ("Detected", ", ".join(f"{name} {json.dumps(value)}" for name, value in detected.items() if value)),
            ("Stop reason", job.get("stopReason")),
            ("Retry of", job.get("retryOf")),
            ("Export", job.get("exportId")),
            ("Files expire", time_text(job.get("filesExpireAt"))),
            ("Job expires", time_text(job.get("expiresAt"))),
        ]
    )
    show_end(out, job)


def show_end(out: Output, job: Job) -> None:
    """A job's status or how it ended, and what to do next."""
    counts = job["counts"]
    outcome = f" ({job['outcome']})" if job.get("outcome") not in (None, job["status"]) else ""
    out.line(f"{job['status']}{outcome}: {job['message']}")
    if job["status"] in FINAL and job["status"] != "CANCELED":
        parts = [counted(counts["total"], "row"), f"{rows_text(counts['imported'])} {_written(job)}"]
        if job["process"] == "import":
            parts += [f"{rows_text(counts[name])} {name}" for name in ("rejected", "unprocessed")]
        took = f", in {duration_text(job['durationSeconds'])}" if job.get("durationSeconds") is not None else ""
        out.line(f"{', '.join(parts)}{took}")
    for warning in job.get("warnings", ()):
        out.line(f"Warning ({warning['code']}): {warning['message']}")
    out.next_steps(next_steps(job))


def _written(job: Job) -> str:
    if job["process"] == "export":
        return "written, not delivered" if job["status"] == "FAILED" else "exported"
    return "would be imported" if job.get("dryRun") else "imported"


def progress_text(job: Job) -> str:
    """`1,200 of 34,033 rows, 5,400 rows/s, 6.0 s left`."""
    counts = job["counts"]
    if job["status"] == "WAITING":
        position = job.get("queuePosition")
        return f"waiting, number {position} in the queue" if position else "waiting"
    if job["process"] == "export":  # the number of rows is known only at the end
        rate = f", {job['rowsPerSecond']:,.0f} rows/s" if job.get("rowsPerSecond") else ""
        percent = "" if job.get("percent") is None else f", {job['percent']}%"
        return f"{job.get('message') or 'reading the table'}{percent}{rate}"
    if not counts["processed"] and counts["total"] is None:
        return str(job.get("message") or "reading the file")
    processed, total = counts["processed"], counts["total"]
    text = counted(processed, "row") if total is None else f"{processed:,} of {counted(total, 'row')}"
    if job.get("rowsPerSecond"):
        text += f", {job['rowsPerSecond']:,.0f} rows/s"
    if job.get("remainingSeconds") is not None:
        text += f", {duration_text(job['remainingSeconds'])} left"
    return text


def next_steps(job: Job) -> list[tuple[str, str]]:
    """Commands that make sense now, each with its purpose."""
    job_id, links = job["jobId"], job.get("links") or {}
    steps: list[tuple[str, str]] = []
    if job["status"] not in FINAL:
        steps.append((f"waybill job {job_id} --watch", "follow it until it ends"))
        steps += [(f"waybill {action} {job_id}", "end it") for action in job["allowedActions"] if action != "delete"]
    if links.get("errorLog"):
        steps.append((f"waybill errors {job_id}", "list every error with row, field and reason"))
    if links.get("rejects"):
        name = rejects_name(str(job["fileName"]))
        steps.append(
            (f"waybill rejects {job_id} -o {shlex.quote(name)}", "download the rejected rows, to correct them")
        )
        if not job.get("undoOf"):  # unlike an import of the file, this keeps the job's mode and options
            again = "check" if job.get("dryRun") else "import"
            steps.append((f"waybill fix {job_id} --rows {shlex.quote(name)}", f"{again} them once they are corrected"))
    if (job.get("error") or {}).get("code") == "unusual-rows" and not job.get("dryRun"):
        steps.append((f"waybill relaunch {job_id}", "import it nevertheless, if the file is right"))
    if job["process"] == "export" and job["status"] in FINAL:
        if links.get("download"):
            steps.append((f"waybill download {job_id}", "download the file"))
        elif job["status"] == "COMPLETED" and job["outcome"] == "FAILED":  # it was stopped
            steps.append((f"waybill exports copy {job['exportId']} --name NAME", "begin again from a copy"))
        elif job["status"] == "COMPLETED":
            steps.append((f"waybill report {job_id}", "show where it was delivered, its size and SHA-256"))
        else:
            steps.append((f"waybill report {job_id}", "show whether a relaunch can help"))
    return steps


def rejects_name(file_name: str) -> str:
    """`in/contacts.csv` → `contacts.rejects.csv`."""
    stem = PurePosixPath(file_name.replace("\\", "/")).stem or "file"
    # a leading dash would be read as an option
    return f"{'./' if stem.startswith('-') else ''}{stem}.rejects.csv"


def show_undo(out: Output, preview: dict[str, Any]) -> None:
    """What an undo would do."""
    if out.as_json:
        out.document(preview)
        return
    checked = rows_text(preview["checked"])
    of_all = "all" if preview["checked"] == preview["total"] else checked
    out.pairs(
        [
            ("Rows to undo", rows_text(preview["total"])),
            ("Looked at", of_all),
            ("Put back", rows_text(preview["restored"])),
            ("Removed", f"{rows_text(preview['removed'])} that the import created"),
            ("Left", f"{rows_text(preview['changedSince'])} that were changed since"),
        ]
    )


def show_report(out: Output, document: dict[str, Any]) -> None:
    """A job's report, or the summary that is left of an expired job."""
    if out.as_json:
        out.document(document)
        return
    place = document.get("delivered") or {}
    out.pairs(
        [
            ("Job", document.get("jobId")),
            ("Export", " ".join(filter(None, (document.get("exportId"), document.get("name"))))),
            ("Entity", document.get("entity")),
            ("Status", _status_text(document)),
            ("Error", _error_text(document.get("error"))),
            ("File", document.get("fileName")),
            ("Files", None if document.get("files") is None else f"{document['files']:,}"),
            ("Delivered", place.get("location") or ("ready for download" if place else None)),
            ("Rows", _counts_text(document)),
            ("Bytes", None if document.get("bytes") is None else f"{document['bytes']:,}"),
            ("SHA-256", document.get("sha256")),
            ("Encrypted for", ", ".join((document.get("encryption") or {}).get("recipients", [])) or None),
            ("Window", _window_text(document)),
            ("Started", time_text(document.get("startedAt"))),
            ("Completed", time_text(document.get("completedAt"))),
            ("Duration", None if (took := document.get("durationSeconds")) is None else duration_text(took)),
            ("Started by", document.get("startedBy")),
            ("Relaunch", _relaunch_text(document.get("relaunchable"))),
        ]
    )
    if document.get("relaunchable") and document.get("jobId"):
        is_import = document.get("process") == "import"
        purpose = "import the rows that were left" if is_import else "repeat the same run, with its window"
        out.next_steps([(f"waybill relaunch {document['jobId']} --watch", purpose)])
    elif place and not place.get("location"):
        out.next_steps([(f"waybill download {document['jobId']}", "download the file")])


def _relaunch_text(relaunchable: bool | None) -> str | None:
    return None if relaunchable is None else "can help" if relaunchable else "cannot help"


def _status_text(report: Mapping[str, Any]) -> str | None:
    status, outcome = report.get("status"), report.get("outcome")
    if outcome in (None, status):
        return status
    return outcome if status is None else f"{status} ({outcome})"


def _error_text(error: Mapping[str, Any] | None) -> str | None:
    return None if error is None else ": ".join(filter(None, (error.get("code"), error.get("message"))))


def _counts_text(report: Mapping[str, Any]) -> str:
    counts = (report.get("counts") or {}) if report.get("process") == "import" else {}
    rows = [] if report.get("numberOfItems") is None else [rows_text(report["numberOfItems"])]
    rows += [f"{rows_text(counts[name])} {name}" for name in ("imported", "rejected", "unprocessed") if name in counts]
    return ", ".join(rows)


def _window_text(report: Mapping[str, Any]) -> str | None:
    """The half-open window of an incremental run: the times at which its records were written."""
    if not report.get("windowTo"):
        return None
    begin = f"from {time_text(report['windowFrom'])}, " if report.get("windowFrom") else ""
    return f"written {begin}before {time_text(report['windowTo'])}"
