"""Following a job to its end, and saying how it ended and what to do next."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import httpx

from waybill_cli.client import decode, path_of, retry_after_seconds
from waybill_cli.context import Context
from waybill_cli.failures import Interrupted, Unreachable
from waybill_cli.output import Output, Progress, duration_text, rows_text, time_text

Job = Mapping[str, Any]

FINAL = frozenset({"COMPLETED", "FAILED", "CANCELED"})
DEFAULT_WAIT_SECONDS = 2.0
MIN_WAIT_SECONDS = 0.05  # a service that says 0 is not asked in a busy loop


def watch(context: Context, answer: httpx.Response) -> Job:
    """Poll a job, as often as the service asks, until it ends.

    Args:
        answer: one that holds the job.

    Raises:
        Interrupted: Ctrl-C; the job goes on.
    """
    job: Job = decode(answer)
    etag = answer.headers.get("ETag") if answer.request.method == "GET" else None
    job_id = str(job["jobId"])
    try:
        with Progress(f"{str(job['process']).capitalize()} of {job['fileName']}", at_once=True) as progress:
            while job["status"] not in FINAL:
                counts = job["counts"]
                progress.update(counts["processed"], counts["total"], progress_text(job))
                wait = retry_after_seconds(answer)
                time.sleep(max(DEFAULT_WAIT_SECONDS if wait is None else wait, MIN_WAIT_SECONDS))
                headers = {"If-None-Match": etag} if etag else None
                answer = context.api.request("GET", path_of("jobs", job_id), headers=headers)
                if answer.status_code != 304:
                    job, etag = decode(answer), answer.headers.get("ETag")
    except KeyboardInterrupt:
        end = "cancel" if job["status"] == "WAITING" else "stop"
        steps = [f"waybill job {job_id} --watch   (follow it again)"]
        if job["process"] == "import":
            steps.append(f"waybill {end} {job_id}   (end it)")
        raise Interrupted(f"Interrupted: the {job['process']} goes on without you.", *steps, resource=job) from None
    except Unreachable as failure:
        again = f"waybill job {job_id} --watch   (the {job['process']} goes on)"
        raise Unreachable(failure.message, *failure.next_steps, again) from None
    return job


def progress_text(job: Job) -> str:
    """`1,200 of 34,033 rows, 5,400 rows/s, 6.0 s left`."""
    counts = job["counts"]
    if job["status"] == "WAITING":
        position = job.get("queuePosition")
        return f"waiting, number {position} in the queue" if position else "waiting"
    if job["process"] == "export":  # how many rows there are is known at the end only
        rate = f", {job['rowsPerSecond']:,.0f} rows/s" if job.get("rowsPerSecond") else ""
        return f"{job.get('message') or 'reading the table'}{rate}"
    if not counts["processed"] and counts["total"] is None:
        return str(job.get("message") or "reading the file")
    total = "" if counts["total"] is None else f" of {counts['total']:,}"
    text = f"{counts['processed']:,}{total} rows"
    if job.get("rowsPerSecond"):
        text += f", {job['rowsPerSecond']:,.0f} rows/s"
    if job.get("remainingSeconds") is not None:
        text += f", {duration_text(job['remainingSeconds'])} left"
    return text


def show_end(out: Output, job: Job) -> None:
    """How a job stands or ended, and what to do next."""
    counts = job["counts"]
    outcome = f" ({job['outcome']})" if job.get("outcome") not in (None, job["status"]) else ""
    out.line(f"{job['status']}{outcome}: {job['message']}")
    if job["status"] in FINAL and job["status"] != "CANCELED":
        parts = [f"{rows_text(counts['total'])} rows", f"{rows_text(counts['imported'])} {_written(job)}"]
        if job["process"] == "import":
            parts += [f"{rows_text(counts[name])} {name}" for name in ("rejected", "unprocessed")]
        took = f", in {duration_text(job['durationSeconds'])}" if job.get("durationSeconds") is not None else ""
        out.line(f"{', '.join(parts)}{took}")
    if job.get("duplicateOf"):
        out.line(f"The same content was imported before, by job {job['duplicateOf']}.")
    out.next_steps(next_steps(job))


def show_job(out: Output, job: Job) -> None:
    """All that a person may want to know about a job."""
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
            ("Stopped by", job.get("stopReason")),
            ("Retry of", job.get("retryOf")),
            ("Export", job.get("exportId")),
            ("Files until", time_text(job.get("filesExpireAt"))),
            ("Kept until", time_text(job.get("expiresAt"))),
        ]
    )
    show_end(out, job)


def next_steps(job: Job) -> list[tuple[str, str]]:
    """Commands that make sense now, each with what it is for."""
    job_id, links = job["jobId"], job.get("links") or {}
    steps: list[tuple[str, str]] = []
    if job["status"] not in FINAL:
        steps.append((f"waybill job {job_id} --watch", "follow it to its end"))
        steps += [(f"waybill {action} {job_id}", "end it") for action in job["allowedActions"] if action != "delete"]
    if links.get("errorLog"):
        steps.append((f"waybill errors {job_id}", "what is wrong, cell by cell"))
    if links.get("rejects"):
        name = rejects_name(str(job["fileName"]))
        steps.append((f"waybill rejects {job_id} -o {shlex.quote(name)}", "the rejected rows, to correct"))
        again = f"waybill import {shlex.quote(name)} --entity {shlex.quote(str(job['entity']))}"
        steps.append((again, "import them again as they are then"))
    if job["process"] == "export" and job["status"] in FINAL:
        if links.get("download"):
            steps.append((f"waybill download {job_id}", "the file"))
        elif job["status"] == "COMPLETED":
            steps.append((f"waybill report {job_id}", "where it was delivered, its size and SHA-256"))
        else:
            steps.append((f"waybill report {job_id}", "whether a relaunch can help"))
    return steps


def rejects_name(file_name: str) -> str:
    """`in/contacts.csv` → `contacts.rejects.csv`."""
    stem = PurePosixPath(file_name.replace("\\", "/")).stem or "file"
    # a leading dash would be read as an option
    return f"{'./' if stem.startswith('-') else ''}{stem}.rejects.csv"


def exit_status(job: Job) -> int:
    """1 for a job that failed or was canceled, else 0."""
    return 1 if job["status"] in ("FAILED", "CANCELED") or job.get("outcome") == "FAILED" else 0


def _written(job: Job) -> str:
    if job["process"] == "export":
        return "written, not delivered" if job["status"] == "FAILED" else "exported"
    return "would be imported" if job.get("dryRun") else "imported"
