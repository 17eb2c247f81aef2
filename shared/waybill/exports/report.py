"""The report of a job, and the e-mail with it.

Its members are those of Actito's *View report*: status, start, end, duration, file name, rows, error code, whether a
relaunch can help (contract, sections 6 and 7).
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from waybill.errors import DeliveryFailed, counted
from waybill.exports.destinations import kind_of
from waybill.exports.file_names import manifest_name
from waybill.jobs.giving_up import left_unread
from waybill.jobs.model import Job, Process, Status, message_of
from waybill.timestamps import rfc3339
from waybill.wire.jobs import run_summary, work_of
from waybill.wire.reports import JobDelivery, JobReport

if TYPE_CHECKING:
    from waybill.settings import Settings

_MAX_MESSAGE = 1_000


class _Advice(NamedTuple):
    do: str
    relaunch: bool  # whether a repeat of the same window may succeed


_ADVICE = {
    "delivery-failed": _Advice(
        "Check that the destination can be reached, knows the credentials, and has room; then relaunch the run.", True
    ),
    "internal-error": _Advice("Relaunch the run. If it fails again, give the job's id to your administrator.", True),
    "no-permission": _Advice(
        "Ask somebody who may export this entity to activate the export, then relaunch the run. The run of a one-shot "
        "export is only relaunched.",
        True,
    ),
    "timed-out": _Advice("The service was not available. Relaunch the run.", True),
    "unknown-entity": _Advice("The entity is gone: unschedule the export, or register the entity again.", False),
    "window-not-over": _Advice("Wait until the entity's running import has ended, then relaunch the run.", True),
    "window-too-old": _Advice(
        "Deletions can be reported for 30 days, and this window is older. Copy the export and activate the copy: it "
        "begins with all records.",
        False,
    ),
}
_IMPORT_AGAIN = _Advice("Open the job and relaunch the import.", True)
_CORRECT_FILE = _Advice("Correct the file, or its options, and import it again.", False)
_OTHER_ADVICE = _Advice("Look at the report for details, correct the definition, and run the export again.", False)


def is_relaunchable(job: Job) -> bool:
    """Whether a relaunch can help: an export that failed for a cause outside its definition, an import that left rows
    that can be imported, or that failed before its file was read."""
    if job.process is Process.IMPORT:
        if job.undo_of is not None:  # its rows are to be undone, not imported: the import can be undone again
            return False
        return left_unread(job) or (job.is_terminal and job.has_rejects and job.counts.importable > 0)
    reason = (job.delivery or {}).get("reason")
    if job.status is Status.FAILED and reason is not None:
        return DeliveryFailed(reason, "").relaunchable
    return job.status is Status.FAILED and _ADVICE.get(job.error_code or "", _OTHER_ADVICE).relaunch


def report_of(
    job: Job,
    *,
    export_name: str | None = None,
    destination: Mapping[str, Any] | None = None,
    size_bytes: int | None = None,
    sha256: str | None = None,
    files: int | None = None,
    entity_shown: str | None = None,
    relaunchable: bool | None = None,
) -> JobReport:
    """The body of `GET /jobs/{id}/report`.

    Args:
        export_name: of the definition, for exports.
        destination: of the definition, with the bucket filled in. Its secrets and keys are left out of the report.
        size_bytes, sha256: of the delivered file.
        files: how many were delivered, of a split export.
        entity_shown: the entity's name as the reader may see it; the job's when left out.
        relaunchable: overrides `is_relaunchable`, for example when the files have expired.
    """
    delivered = None
    if job.has_delivered and destination is not None:
        last = job.file_name if files is None else manifest_name(job.file_name)
        delivered = _delivered(destination, last)
    return {
        **work_of(job, job.entity if entity_shown is None else entity_shown),
        **run_summary(job),
        "name": export_name,
        "delivered": delivered,
        "bytes": size_bytes,
        "sha256": sha256,
        "files": files,
        "encryption": (job.extracted or {}).get("encryption"),
        "relaunchable": is_relaunchable(job) if relaunchable is None else relaunchable,
    }


def report_of_run(job: Job, snapshot: Mapping[str, Any], settings: Settings, **shown: Any) -> JobReport:
    """`report_of` for a run of an export, from its snapshot.

    Args:
        snapshot: the definition that the job keeps.
        shown: further arguments of `report_of`.
    """
    definition, file = snapshot["export"], job.extracted or {}
    destination = definition["destination"]
    size, files = file.get("bytes"), file.get("files")
    return report_of(
        job,
        export_name=definition["name"],
        destination=kind_of(destination).with_defaults(destination, settings),
        size_bytes=None if size is None else int(size),
        sha256=file.get("sha256"),
        files=None if files is None else int(files),
        **shown,
    )


def _delivered(destination: Mapping[str, Any], file_name: str) -> JobDelivery:
    """`{"kind", "location"}`; location None for a download."""
    return {"kind": destination["kind"], "location": kind_of(destination).address(destination, file_name)}


class Mail(NamedTuple):
    """An e-mail; `text` and `html` say the same. `subject` is one line without words that somebody chose freely."""

    subject: str
    text: str
    html: str


def mail_of(report: JobReport, *, console_url: str | None = None, next_run: datetime | None = None) -> Mail:
    """The e-mail that recipients of an export get when a run has ended.

    Args:
        report: `report_of` a job that has ended.
        console_url: address of the run in the console.
        next_run: when a periodic export runs next.
    """
    name = report["name"] or report["entity"]
    result = _result(report)
    if report["status"] != Status.FAILED and report["numberOfItems"] is not None:
        result += f", {counted(report['numberOfItems'])}"
    # Nothing that an exporter writes freely: the export's name is in the body.
    subject = f"Waybill: export of {report['entity']} {result} ({report['jobId'][:8]})"
    opening = f"The export {_line(name)} has {_line(result)}."
    return _mail(subject, opening, _lines(report, next_run), console_url)


def mail_of_import(job: Job, *, console_url: str | None = None) -> Mail:
    """The e-mail that recipients of an import get when it has ended.

    Args:
        console_url: address of the job in the console.
    """
    report = report_of(job)
    result = "been canceled" if job.status is Status.CANCELED else _result(report)
    kind = "undo of an import" if job.undo_of else "dry run of an import" if job.dry_run else "import"
    subject = f"Waybill: {kind} into {job.entity} {result.removeprefix('been ')} ({job.job_id[:8]})"
    opening = f"The {kind} of {_line(job.file_name)} into {_line(job.entity)} has {_line(result)}."
    return _mail(subject, opening, _lines_of_import(job, report), console_url)


def _result(report: JobReport) -> str:
    is_told_why = report["status"] == Status.FAILED and report["error"]
    return f"failed ({report['error']['code']})" if is_told_why and report["error"] else str(report["status"]).lower()


def _mail(subject: str, opening: str, body: list[tuple[str, str | None]], console_url: str | None) -> Mail:
    lines = [(label, _line(value)) for label, value in body if value is not None]
    width = max(len(label) for label, _ in lines) + 2
    text = [opening, "", *(f"{label + ':':{width}}{value}" for label, value in lines), ""]
    rows = [f"<tr><th>{html.escape(label)}</th><td>{html.escape(value)}</td></tr>" for label, value in lines]
    link = ""
    if console_url is not None:
        text += [f"Report: {console_url}", ""]
        address = html.escape(console_url)
        link = f'<p>Report: <a href="{address}">{address}</a></p>\n'
    page = _PAGE.format(title=html.escape(subject), opening=html.escape(opening), rows="\n".join(rows), link=link)
    return Mail(subject, "\n".join(text), page)


_PAGE = """\
<!DOCTYPE html>
<html lang="en" dir="ltr">
<head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 sans-serif; color: #1c1c1c }}
th {{ text-align: left; vertical-align: top; font-weight: normal; color: #5a5a5a; padding: 2px 16px 2px 0 }}
td {{ vertical-align: top; padding: 2px 0; overflow-wrap: anywhere }}
</style></head>
<body>
<p>{opening}</p>
<table>
{rows}
</table>
{link}</body>
</html>
"""


def _lines(report: JobReport, next_run: datetime | None) -> list[tuple[str, str | None]]:
    """The lines of the body as (label, value); a value of None is left out."""
    error, delivered = report["error"], report["delivered"]
    rows, size, files, encryption = report["numberOfItems"], report["bytes"], report["files"], report["encryption"]
    lines: list[tuple[str, str | None]] = []
    if error is not None:
        lines += _lines_of_error(report, "run", _ADVICE.get(error["code"], _OTHER_ADVICE))
    window = None
    if report["windowTo"] is not None:
        begin = "the beginning" if report["windowFrom"] is None else _moment(report["windowFrom"])
        window = f"from {begin} to before {_moment(report['windowTo'])}"
    lines += [
        ("Entity", report["entity"]),
        ("File", report["fileName"]),
        ("Files", None if files is None else f"{files:,}, as the manifest lists them"),
        ("Rows", None if rows is None else f"{rows:,}"),
        ("Size", None if size is None else f"{size:,} bytes"),
        ("SHA-256", report["sha256"]),
        ("Encrypted for", None if encryption is None else ", ".join(encryption["recipients"])),
        ("Delivered", None if delivered is None else delivered["location"] or "ready for download"),
        ("Records written", window),
        *_lines_of_work(report),
        ("Next run", _moment(rfc3339(next_run))),
    ]
    return lines


def _lines_of_import(job: Job, report: JobReport) -> list[tuple[str, str | None]]:
    """As `_lines`."""
    counts = job.counts
    lines: list[tuple[str, str | None]] = []
    if report["error"] is not None:
        lines += _lines_of_error(report, "import", _IMPORT_AGAIN if report["relaunchable"] else _CORRECT_FILE)
    else:
        lines.append(("Result", message_of(job)))
    return [
        *lines,
        ("Entity", report["entity"]),
        ("File", report["fileName"]),
        ("Rows", None if counts.total is None else f"{counts.total:,}"),
        ("Undone" if job.undo_of else "Would be imported" if job.dry_run else "Imported", f"{counts.imported:,}"),
        ("Rejected", f"{counts.rejected:,}"),
        ("Not processed", f"{counts.unprocessed:,}" if counts.unprocessed else None),
        *(("Warning", warning["message"]) for warning in job.warnings),
        *_lines_of_work(report),
    ]


def _lines_of_error(report: JobReport, what: str, advice: _Advice) -> list[tuple[str, str | None]]:
    error, again = report["error"], "can help" if report["relaunchable"] else "does not help"
    message = (error and error["message"]) or ""
    return [
        ("Error", error and error["code"]),
        ("Message", message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 1] + "…"),
        ("What to do", advice.do),
        ("Relaunch", f"A relaunch of this {what} {again}."),
    ]


def _lines_of_work(report: JobReport) -> list[tuple[str, str | None]]:
    seconds = report["durationSeconds"]
    return [
        ("Started", _moment(report["startedAt"])),
        ("Ended", _moment(report["completedAt"])),
        ("Duration", None if seconds is None else _span(seconds)),
        ("Started by", report["startedBy"]),
        ("Job", report["jobId"]),
    ]


def _moment(text: str | None) -> str | None:
    """`2026-01-31 09:30:00 UTC`."""
    if text is None:
        return None
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _span(seconds: float) -> str:
    """`1 h 2 min 3 s`; parts of a second only below ten."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{part:,} {unit}" for part, unit in parts if part)


_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_HALVES = re.compile("[\ud800-\udfff]")


def _line(text: str) -> str:
    """Text from outside as part of a line: no line breaks and other controls (a header ends at one), nothing that turns
    the direction of the text around it (Unicode Annex 9: right-to-left text is put into an isolate)."""
    line = _HALVES.sub("\ufffd", _DIRECTIONS.sub("", _BREAKS.sub(" ", text))).strip()
    if any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in line):
        return f"\u2068{line}\u2069"
    return line
