"""What the description says about each route, by the function that serves it.

What every request of a kind can be answered is added in `document`: 400, 401, 404, 405, 413, 422, 500.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from routes import about, entities, exports, imports, jobs, zilliant

LOCATION, RETRY_AFTER, ETAG = "Location", "RetryAfter", "ETag"


class Needs(StrEnum):
    """Who may call it. What somebody may not see is answered 404, what they see and may not do 403."""

    NOTHING = "nothing"
    TOKEN = "token"  # noqa: S105
    ADMIN = "admin"
    ENTITY = "entity"  # any right on it
    DELETE_ENTITY = "entity, and admin"
    VIEW = "view"
    IMPORT = "import"
    EXPORT = "export"
    JOB = "job"
    CHANGE_JOB = "change job"
    DOWNLOAD = "download"
    EXPORT_DEFINITION = "export definition"


WHO: dict[Needs, str] = {
    Needs.NOTHING: "Anybody, without a token.",
    Needs.TOKEN: "Everybody with a token; lists hold what the caller may see.",
    Needs.ADMIN: "The group `admin`.",
    Needs.ENTITY: "Whoever has any right on the entity.",
    Needs.DELETE_ENTITY: "The group `admin`.",
    Needs.VIEW: "Whoever has the right `view` on the entity.",
    Needs.IMPORT: "Whoever has the right `import` on the entity.",
    Needs.EXPORT: "Whoever has the right `export` on the entity.",
    Needs.JOB: "Whoever started the job or has the right `view` on its entity.",
    Needs.CHANGE_JOB: "Whoever started the job, or sees it and has the right `import` (of an export: `export`).",
    Needs.DOWNLOAD: "Whoever sees the job; of an export also with the right `export` on its entity.",
    Needs.EXPORT_DEFINITION: "Whoever has the right `export` on the entity. Custom flows are the back office's.",
}
_FORBIDS = {
    Needs.ADMIN,
    Needs.DELETE_ENTITY,
    Needs.VIEW,
    Needs.IMPORT,
    Needs.EXPORT,
    Needs.CHANGE_JOB,
    Needs.DOWNLOAD,
}


@dataclass(frozen=True)
class Answer:
    """An answer that is no refusal: schema of its JSON (None: it has no content), and headers."""

    description: str
    schema: str | None = None
    headers: tuple[str, ...] = ()
    media_type: str = "application/json"


@dataclass(frozen=True)
class Operation:
    """`refusals`: statuses beyond those that every route of the kind has, and what they mean here."""

    id: str
    tag: str
    summary: str
    needs: Needs
    answers: dict[int, Answer]
    refusals: dict[int, str] = field(default_factory=dict)
    request: str | None = None
    request_required: bool = True
    headers: tuple[str, ...] = ()
    description: str = ""

    @property
    def forbids(self) -> bool:
        return self.needs in _FORBIDS or 403 in self.refusals


def _ok(description: str, schema: str, *headers: str) -> dict[int, Answer]:
    return {200: Answer(description, schema, headers)}


def _accepted(description: str) -> dict[int, Answer]:
    return {202: Answer(description, "Job", (LOCATION, RETRY_AFTER))}


_DELETED = {204: Answer("It is deleted.")}
_LINK = {
    200: Answer("The link, for `as=link`.", "Link"),
    303: Answer("A link that is good for five minutes.", None, (LOCATION,)),
}
_EXPIRED_JOB = {410: "The job has expired."}
_EXPIRED = {410: "The job or its files have expired."}
_CUSTOM = {403: "It is a custom flow, which the back office alone sets up."}
_STATE = {409: "The state forbids it; `allowedActions` says what it allows."}

OPERATIONS: dict[Callable[..., Any], Operation] = {
    about.get_health: Operation("getHealth", "Service", "Is it alive?", Needs.NOTHING, _ok("It is.", "Health")),
    about.get_openapi: Operation(
        "getOpenapi",
        "Service",
        "This description",
        Needs.NOTHING,
        {200: Answer("OpenAPI 3.1; `servers` holds the address that was called.", "")},
    ),
    about.get_docs: Operation(
        "getDocs",
        "Service",
        "The browsable reference",
        Needs.NOTHING,
        {200: Answer("A page of HTML.", "", media_type="text/html")},
    ),
    about.get_auth_config: Operation(
        "getAuthConfig",
        "Service",
        "Where to sign in",
        Needs.NOTHING,
        _ok("The issuer of tokens. `endpoint` is where the user pool answers, null where that is AWS.", "AuthConfig"),
    ),
    about.get_me: Operation("getMe", "Service", "Who am I?", Needs.TOKEN, _ok("Name and groups.", "Me")),
    entities.list_entities: Operation(
        "listEntities", "Entities", "List entities", Needs.TOKEN, _ok("Entities by name.", "EntityPage")
    ),
    entities.get_entity: Operation(
        "getEntity", "Entities", "Get an entity", Needs.ENTITY, _ok("The entity.", "Entity", ETAG)
    ),
    entities.put_entity: Operation(
        "putEntity",
        "Entities",
        "Create or replace an entity",
        Needs.ADMIN,
        {
            201: Answer("It is new.", "Entity", (LOCATION, ETAG)),
            200: Answer("It replaces the one of this name.", "Entity", (ETAG,)),
        },
        {409: "`primaryKey` cannot change while there are records; or another call changed the entity meanwhile."},
        request="EntityRequest",
        headers=("If-Match",),
    ),
    entities.delete_entity: Operation(
        "deleteEntity",
        "Entities",
        "Delete an entity with its records and jobs",
        Needs.DELETE_ENTITY,
        _DELETED,
        {409: "A job runs, or an export is scheduled."},
        headers=("If-Match",),
        description="Its jobs disappear at once, its records by a background job; the name can be used again.",
    ),
    entities.list_records: Operation(
        "listRecords", "Entities", "Read records", Needs.VIEW, _ok("Records in no order.", "RecordPage")
    ),
    imports.create_upload: Operation(
        "createUpload",
        "Imports",
        "Get a form to send a file to",
        Needs.IMPORT,
        {201: Answer("A presigned form, good for 15 minutes.", "Upload")},
        {404: "There is no such entity."},
        request="UploadRequest",
    ),
    imports.preview_upload: Operation(
        "previewUpload",
        "Imports",
        "Look at the beginning of the file that was sent",
        Needs.IMPORT,
        _ok("What an import with these options would make of it.", "ImportPreview"),
        {
            404: "There is no such upload.",
            409: "The file is not there yet.",
            410: "The upload has expired.",
        },
        request="PreviewRequest",
        description="Nothing is started, and the upload can be imported afterwards. What is found is what the import "
        "finds: it is read by the same code. Of a text, compressed or not, the first MiB tells what it is; to look at "
        "a large one, send its first two MiB as an upload of their own. Rows are checked one by one: what they are to "
        "each other (`duplicate-key`, `unique-error`) or to records that exist, an import with `dryRun` tells.",
    ),
    imports.create_import: Operation(
        "createImport",
        "Imports",
        "Import the file that was sent",
        Needs.IMPORT,
        _accepted("The import is registered."),
        {
            404: "There is no such upload.",
            409: "The file is not there yet, or was imported already; or the same request is at work.",
            410: "The upload has expired.",
        },
        request="ImportRequest",
        headers=("Idempotency-Key",),
    ),
    jobs.list_jobs: Operation(
        "listJobs",
        "Jobs",
        "List jobs",
        Needs.TOKEN,
        {
            200: Answer("Jobs, newest first.", "JobPage", (ETAG,)),
            304: Answer("The page is as `If-None-Match` knows it.", None, (ETAG,)),
        },
        headers=("If-None-Match",),
        description="Filters apply after the read: a page may be shorter than `limit` while `nextToken` is not null.",
    ),
    jobs.delete_many: Operation(
        "deleteJobs",
        "Jobs",
        "Delete jobs that have ended",
        Needs.TOKEN,
        _ok("What became of each.", "Deletion"),
        request="JobsToDelete",
    ),
    jobs.get_job: Operation(
        "getJob",
        "Jobs",
        "Get a job",
        Needs.JOB,
        {
            200: Answer("The job. It has `Retry-After` while it has not ended.", "Job", (ETAG, RETRY_AFTER)),
            304: Answer("It is as `If-None-Match` knows it.", None, (ETAG, RETRY_AFTER)),
        },
        _EXPIRED_JOB,
        headers=("If-None-Match",),
    ),
    jobs.delete_one: Operation(
        "deleteJob",
        "Jobs",
        "Delete a job that has ended, with its files",
        Needs.CHANGE_JOB,
        _DELETED,
        _EXPIRED_JOB | _STATE,
    ),
    jobs.cancel: Operation(
        "cancelJob",
        "Jobs",
        "Cancel an import that waits",
        Needs.CHANGE_JOB,
        _ok("The job, CANCELED.", "Job"),
        _EXPIRED_JOB | _STATE,
    ),
    jobs.stop: Operation(
        "stopJob",
        "Jobs",
        "Stop an import in progress",
        Needs.CHANGE_JOB,
        _ok("The job. It ends within seconds; what was written stays.", "Job"),
        _EXPIRED_JOB | _STATE,
    ),
    jobs.relaunch: Operation(
        "relaunchJob",
        "Jobs",
        "Do again what a job left",
        Needs.CHANGE_JOB,
        _accepted("A child job: of an import with the rows that it left, of an export with its window."),
        _EXPIRED | {409: "There is nothing left to do, or the job has not ended.", 422: "The definition fits no more."},
    ),
    jobs.list_errors: Operation(
        "listErrors", "Jobs", "Read the errors of a job", Needs.JOB, _ok("Errors by row.", "RowErrorPage"), _EXPIRED
    ),
    jobs.get_error_log: Operation("getErrorLog", "Jobs", "Download the error log", Needs.JOB, _LINK, _EXPIRED),
    jobs.get_rejects: Operation(
        "getRejects", "Jobs", "Download the rows that were not imported", Needs.JOB, _LINK, _EXPIRED
    ),
    jobs.get_download: Operation(
        "download",
        "Jobs",
        "Download the file of a one-shot export, or the source of an import",
        Needs.DOWNLOAD,
        _LINK,
        _EXPIRED | {409: "The export was delivered: only one-shot exports can be downloaded."},
    ),
    jobs.get_report: Operation(
        "getReport", "Jobs", "What became of a job", Needs.JOB, _ok("The report.", "Report"), _EXPIRED_JOB
    ),
    exports.list_exports: Operation(
        "listExports",
        "Exports",
        "List exports",
        Needs.TOKEN,
        _ok("Definitions, newest first.", "ExportPage"),
        description="`FINISHED` also finds periodic ones that have run.",
    ),
    exports.create_export: Operation(
        "createExport",
        "Exports",
        "Define an export",
        Needs.EXPORT,
        {201: Answer("A draft.", "Export", (LOCATION, ETAG))},
        {404: "There is no such entity.", 409: "The entity is being deleted."},
        request="ExportRequest",
    ),
    exports.test_destination: Operation(
        "testDestination",
        "Exports",
        "Test a destination",
        Needs.EXPORT,
        _ok("What a delivery would meet there.", "DestinationTest"),
        {404: "There is no such entity."},
        request="DestinationToTest",
        description="Connects, logs in, and does with a small file what a delivery does: it is written under a "
        "temporary name, renamed, and deleted again. In a bucket an upload is begun and given up. Takes up to "
        "25 seconds.",
    ),
    exports.get_export: Operation(
        "getExport", "Exports", "Get an export", Needs.EXPORT_DEFINITION, _ok("The export.", "Export", ETAG)
    ),
    exports.put_export: Operation(
        "putExport",
        "Exports",
        "Edit a draft",
        Needs.EXPORT_DEFINITION,
        _ok("The export.", "Export", ETAG),
        _CUSTOM | _STATE,
        request="ExportRequest",
        headers=("If-Match",),
    ),
    exports.delete_export: Operation(
        "deleteExport",
        "Exports",
        "Delete a draft",
        Needs.EXPORT_DEFINITION,
        _DELETED,
        _CUSTOM | _STATE,
        headers=("If-Match",),
    ),
    exports.activate: Operation(
        "activateExport",
        "Exports",
        "Schedule a draft, or run it now",
        Needs.EXPORT_DEFINITION,
        _ok("The export: SCHEDULED, or IN_PROGRESS.", "Export", ETAG),
        _CUSTOM | _STATE | {422: "The definition does not fit the entity any more."},
    ),
    exports.unschedule: Operation(
        "unscheduleExport",
        "Exports",
        "Turn a scheduled export back into a draft",
        Needs.EXPORT_DEFINITION,
        _ok("The export, a DRAFT.", "Export", ETAG),
        _CUSTOM | _STATE,
        request="Unscheduling",
        request_required=False,
    ),
    exports.copy: Operation(
        "copyExport",
        "Exports",
        "Copy an export",
        Needs.EXPORT_DEFINITION,
        {201: Answer("A draft of the new name.", "Export", (LOCATION, ETAG))},
        _CUSTOM | _STATE,
        request="Copy",
    ),
    exports.run_export: Operation(
        "runExport",
        "Exports",
        "Run a scheduled export now",
        Needs.EXPORT_DEFINITION,
        _accepted("The job."),
        _CUSTOM | _STATE | {422: "The definition does not fit the entity any more."},
    ),
    exports.get_definition: Operation(
        "getDefinition",
        "Exports",
        "Every parameter, with nothing left to defaults",
        Needs.EXPORT_DEFINITION,
        _ok("The definition.", "ExportWithDefinition"),
        _CUSTOM | _STATE,
    ),
    exports.list_runs: Operation(
        "listRuns", "Exports", "List the runs of an export", Needs.EXPORT_DEFINITION, _ok("Newest first.", "JobPage")
    ),
    exports.preview_schedule: Operation(
        "previewSchedule",
        "Exports",
        "When it runs next",
        Needs.EXPORT_DEFINITION,
        _ok("The next five times.", "RunTimes"),
    ),
    exports.preview_any_schedule: Operation(
        "previewAnySchedule",
        "Exports",
        "When a schedule that no export has yet would run",
        Needs.TOKEN,
        _ok("The next five times.", "RunTimes"),
        request="ScheduleToPreview",
    ),
    zilliant.start_import: Operation(
        "zilliantImport",
        "Zilliant",
        "Import the file that was sent, with all defaults",
        Needs.IMPORT,
        {201: Answer("The import is registered.", "ZilliantImport")},
        {
            404: "There is no such upload, or it has expired.",
            409: "The file is not there yet, or was imported already.",
        },
    ),
    zilliant.get_status: Operation(
        "zilliantStatus", "Zilliant", "How an import stands", Needs.JOB, _ok("Its status.", "ZilliantStatus")
    ),
}
