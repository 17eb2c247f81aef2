"""Jobs, their errors and their reports."""

from __future__ import annotations

from openapi.schemas.blocks import (
    JOB_ID,
    MOMENT,
    Schema,
    given,
    ident,
    listed,
    moment,
    of,
    or_null,
    page_of,
    ref,
    taken,
    uri,
    word,
)
from routes.jobs import MAX_DELETED
from waybill.exports.destinations import DESTINATIONS
from waybill.imports.modes import MODES
from waybill.imports.options import ON_ERROR
from waybill.jobs.model import Outcome, Process, Status

_COUNTS = given(
    {
        "total": or_null(of("integer", "Rows of the file; null until known.", minimum=0)),
        "processed": of("integer", "Rows handled so far; never falls.", minimum=0),
        "imported": of("integer", "In a dry run: would be imported. For exports: rows written.", minimum=0),
        "rejected": of("integer", minimum=0),
        "unprocessed": of("integer", "0 until the end.", minimum=0),
    }
)
JOB_ERROR = or_null(
    of(
        "object",
        "Why a job FAILED; `code` is one of those on the page of errors.",
        properties={"code": of("string", examples=["empty-file"]), "message": or_null(of("string"))},
        required=["code", "message"],
    )
)
_ENTITY_SHOWN = of("string", "`(No permission)` when you may no longer view it or add to it.")
_STATUS = word(Status, "WAITING → IN_PROGRESS → COMPLETED or FAILED; WAITING → CANCELED.")


def detected() -> Schema:
    return given(
        {
            "encoding": or_null(of("string", "null: of a workbook.")),
            "bom": of("boolean", "Whether it begins with a byte order mark."),
            "delimiter": or_null(of("string", "null: not of a text with delimiters.")),
            "headerRow": or_null(of("integer", "null: it has none.", minimum=1)),
            "format": of("string", "Unless it is a text with delimiters.", examples=["xlsx", "jsonl"]),
            "sheet": of("string", "Of a workbook."),
            "compression": of("string", "Of a compressed file.", examples=["gzip"]),
        },
        optional=["format", "sheet", "compression"],
    ) | {
        "description": "What was found out about the file.",
        "examples": [{"encoding": "utf-8", "bom": False, "delimiter": ",", "headerRow": 1}],
    }


def _job() -> Schema:
    link = or_null(uri())
    return given(
        {
            "jobId": ident(),
            "process": word(Process),
            "status": _STATUS,
            "outcome": or_null(word(Outcome, "Of a job that has ended; null of a canceled one.")),
            "entity": _ENTITY_SHOWN,
            "fileName": of("string"),
            "submittedAt": moment(),
            "startedAt": or_null(moment()),
            "completedAt": or_null(moment()),
            "durationSeconds": or_null(of("number", minimum=0)),
            "startedBy": of("string", examples=["alice", "s3:123456789012"]),
            "counts": _COUNTS,
            "numberOfItems": or_null(of("integer", "As `counts.total`.", minimum=0)),
            "message": of("string", examples=["1,200 of 34,033 rows processed"]),
            "error": JOB_ERROR,
            "allowedActions": listed(word(["cancel", "stop", "delete"])),
            "mode": word(MODES),
            "dryRun": of("boolean"),
            "onError": word(ON_ERROR),
            "detected": or_null(detected()),
            "rowsPerSecond": or_null(of("number", minimum=0)),
            "remainingSeconds": or_null(of("integer", minimum=0)),
            "queuePosition": or_null(of("integer", "1 is the next one into this entity.", minimum=1)),
            "stopReason": or_null(word(["USER", "MAX_ERRORS"])),
            "duplicateOf": or_null(of("string", "An earlier job that imported the same content.")),
            "exportId": or_null(ident()),
            "windowFrom": or_null(moment("Of an incremental export; null: everything before `windowTo`.")),
            "windowTo": or_null(moment()),
            "retryOf": or_null(ident("The job that this one relaunches.")),
            "expiresAt": or_null(moment("When the job is gone; null while it runs.")),
            "filesExpireAt": or_null(moment()),
            "heartbeatAt": or_null(moment("When a worker last reported progress.")),
            "links": given({"errorLog": link, "rejects": link, "download": link}),
        }
    ) | {
        "examples": [
            {
                "jobId": JOB_ID,
                "process": "import",
                "status": "IN_PROGRESS",
                "outcome": None,
                "entity": "contacts",
                "fileName": "contacts.csv",
                "submittedAt": MOMENT,
                "startedAt": "2026-01-31T09:30:01.000Z",
                "completedAt": None,
                "durationSeconds": None,
                "startedBy": "alice",
                "counts": {"total": 34033, "processed": 1200, "imported": 1180, "rejected": 20, "unprocessed": 0},
                "numberOfItems": 34033,
                "message": "1,200 of 34,033 rows processed",
                "error": None,
                "allowedActions": ["stop"],
                "mode": "upsert",
                "dryRun": False,
                "onError": "skip",
                "detected": {"encoding": "utf-8", "bom": False, "delimiter": ",", "headerRow": 1},
                "rowsPerSecond": 5400,
                "remainingSeconds": 6,
                "queuePosition": None,
                "stopReason": None,
                "duplicateOf": None,
                "exportId": None,
                "windowFrom": None,
                "windowTo": None,
                "retryOf": None,
                "expiresAt": None,
                "filesExpireAt": None,
                "heartbeatAt": "2026-01-31T09:30:01.200Z",
                "links": {"errorLog": None, "rejects": None, "download": None},
            }
        ]
    }


def _report() -> Schema:
    place = of(
        "object",
        "Where the file is.",
        properties={"kind": word(DESTINATIONS), "location": or_null(of("string"))},
        required=["kind", "location"],
    )
    return given(
        {
            "jobId": ident(),
            "exportId": or_null(ident()),
            "name": or_null(of("string", "Of the export.")),
            "entity": _ENTITY_SHOWN,
            "process": word(Process),
            "status": word(Status),
            "outcome": or_null(word(Outcome)),
            "startedAt": or_null(moment()),
            "completedAt": or_null(moment()),
            "durationSeconds": or_null(of("number", minimum=0)),
            "startedBy": of("string"),
            "fileName": of("string"),
            "numberOfItems": or_null(of("integer", minimum=0)),
            "counts": _COUNTS,
            "windowFrom": or_null(moment()),
            "windowTo": or_null(moment()),
            "delivered": or_null(place),
            "bytes": or_null(of("integer", minimum=0)),
            "sha256": or_null(of("string")),
            "error": JOB_ERROR,
            "relaunchable": of("boolean", "Whether `POST /v1/jobs/{job_id}/relaunch` can help."),
            "definition": ref("ExportWithDefinition"),
        },
        optional=["definition"],
    )


def schemas() -> dict[str, Schema]:
    return {
        "Job": _job(),
        "JobPage": page_of(ref("Job")),
        "JobsToDelete": taken(
            {"jobIds"},
            {"jobIds": listed(of("string"), minItems=1, maxItems=MAX_DELETED)},
            ["jobIds"],
            examples=[{"jobIds": [JOB_ID]}],
        ),
        "Deletion": given(
            {
                "deleted": listed(of("string")),
                "failed": listed(
                    given({"jobId": of("string"), "status": of("integer"), "detail": of("string")}),
                ),
            }
        ),
        "RowErrorPage": page_of(
            given(
                {
                    "rowNumber": or_null(of("integer", "The header is row 1.", minimum=1)),
                    "fieldNumber": or_null(of("integer", minimum=1)),
                    "fieldName": or_null(of("string")),
                    "type": of("string", examples=["type-error"]),
                    "cell": of("string"),
                    "message": of("string"),
                }
            ),
            summary=listed(
                given(
                    {
                        "type": of("string"),
                        "fieldName": or_null(of("string")),
                        "count": of("integer", minimum=1),
                        "sample": or_null(of("string")),
                    }
                ),
                "Errors of the whole job by type and field.",
            ),
        ),
        "Report": _report(),
    }
