"""Who is asking, and what they may do: the token's caller, and the right that each route needs.

Each route declares its need. The router runs its check before the handler, and passes what the check found to the
handler, which has no other way to a job, an export or an upload that the path names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from request import Request, is_uuid
from waybill.bootstrap import services
from waybill.entities.model import NAME_PATTERN, Entity, Right
from waybill.entities.permissions import entity_not_found, may, require, require_admin, sees_entity
from waybill.errors import Forbidden, Gone, InvalidRequest, NotFound, WaybillError
from waybill.jobs.model import Job, Process
from waybill.jobs.permissions import has_right_to_download, may_change_job, sees_job

if TYPE_CHECKING:
    from tokens import TokenVerifier
    from waybill.exports.definition import Export
    from waybill.jobs.uploads import Upload
    from waybill.sources.definition import Source

Found = dict[str, Any]
"""What a check found, by the name of the handler's parameter."""


@dataclass(frozen=True)
class Need:
    """What a caller must be allowed. What they may not see is answered 404, what they see and may not do 403.

    Attributes:
        word: `x-needs` in the description of the API.
        who: who may call the route, as a sentence.
        check: raises unless the caller may. It is given the request, the parameters of the path, and the body as it was
            sent (None where the route takes none); None where a token is enough, or not even that is needed.
        forbids: whether the check can answer 403.
    """

    word: str
    who: str
    check: Callable[[Request, Mapping[str, str], Any], Found] | None = None
    forbids: bool = True


def visible_entity(request: Request, name: str) -> Entity:
    """
    Raises:
        NotFound: there is no such entity, or the caller may not see it.
    """
    entity = request.find_entity(name)
    if entity is None or not sees_entity(request.caller, entity):
        raise entity_not_found(name)
    request.about["entity"] = name
    return entity


def entity_with_right(request: Request, name: str, right: Right) -> Entity:
    """
    Raises:
        NotFound: there is no such entity, or the caller may not see it.
        Forbidden: the caller lacks the right.
    """
    return require(request.caller, visible_entity(request, name), right)


def visible_job(request: Request, job_id: str) -> Job:
    """
    Raises:
        NotFound: there is no such job, or the caller may not see it.
        Gone: it has expired, and its record is still there.
    """
    job = request.services.jobs.find(job_id)
    if job is None or not sees_job(request.caller, job, request.find_entity(job.entity)):
        raise NotFound("There is no job with this id, or it has expired.")
    if job.has_expired(request.services.clock.now()):
        raise Gone("This job has expired.")
    request.about |= {"entity": job.entity, "jobId": job_id, "exportId": job.export_id}
    return job


def job_to_change(request: Request, job_id: str) -> Job:
    """As `visible_job`.

    Raises:
        Forbidden: the caller may see the job, but not change it.
    """
    job = visible_job(request, job_id)
    if not may_change_job(request.caller, job, request.find_entity(job.entity)):
        raise Forbidden("You may look at this job, but not change it.")
    return job


def own_upload(request: Request, upload_id: str) -> Upload:
    """An upload of the caller's.

    Raises:
        NotFound: there is no such upload, or it belongs to someone else.
    """
    upload = request.services.uploads.get(upload_id)
    if upload.started_by_id != request.caller.subject and not request.caller.is_admin:
        raise NotFound("There is no upload with this id, or it has expired.")
    request.about["uploadId"] = upload_id
    return upload


def upload_into(request: Request, upload: Upload, named: object) -> tuple[Upload, Entity]:
    """An upload that the caller may import, and the entity that it is imported into.

    Args:
        named: the entity that the request names, if any.

    Raises:
        NotFound: the entity was deleted, or the caller may not see it.
        Gone: the upload has expired, and its record is still there.
        Forbidden: the caller may not import into the entity.
        InvalidRequest: neither the upload nor the request names the entity, or they name two.
    """
    name = upload.entity or named
    if not isinstance(name, str):
        what = "must be the name of an entity" if named is not None else "must be given: the upload is of no entity"
        raise InvalidRequest("The import breaks a rule.", [("/entity", what)])
    entity = entity_with_right(request, name, Right.IMPORT)
    if upload.entity_uid not in (None, entity.uid):  # the name was deleted and is used again
        raise NotFound("There is no upload with this id, or it has expired.")
    _check_expiry(request, upload)
    if named not in (None, name):
        raise InvalidRequest("The import breaks a rule.", [("/entity", f"must be {name!r}, as in the upload")])
    return replace(upload, entity=name, entity_uid=entity.uid), entity


def _check_expiry(request: Request, upload: Upload) -> None:
    if upload.expires_at <= request.services.clock.now():
        raise Gone("This upload has expired.")


def _admin(request: Request, path: Mapping[str, str], given: Any) -> Found:
    if NAME_PATTERN.fullmatch(path.get("name", "")):
        request.about["entity"] = path["name"]
    require_admin(request.caller)
    return {}


def _entity(request: Request, path: Mapping[str, str], given: Any) -> Found:
    return {"entity": visible_entity(request, path["name"])}


def _entity_as_admin(request: Request, path: Mapping[str, str], given: Any) -> Found:
    found = _entity(request, path, given)
    require_admin(request.caller)
    return found


def _view(request: Request, path: Mapping[str, str], given: Any) -> Found:
    return {"entity": entity_with_right(request, path["name"], Right.VIEW)}


def _import_into(request: Request, path: Mapping[str, str], given: Any) -> Found:
    return {"entity": entity_with_right(request, path["name"], Right.IMPORT)}


def entity_in_body(right: Right) -> Callable[[Request, Mapping[str, str], Any], Found]:
    """A check of the right on the entity that the body names.

    A body without one passes here; validation refuses it later.
    """

    def check(request: Request, path: Mapping[str, str], given: Any) -> Found:
        name = given.get("entity") if isinstance(given, dict) else None
        return {"entity": entity_with_right(request, name, right)} if isinstance(name, str) else {}

    return check


def _entity_to_tell_of(request: Request, path: Mapping[str, str], given: Any) -> Found:
    """As `entity_in_body`, of either right with which somebody may name webhooks."""
    name = given.get("entity") if isinstance(given, dict) else None
    if not isinstance(name, str):
        return {}
    entity = visible_entity(request, name)
    may_import = may(request.caller, entity, Right.IMPORT)
    return {"entity": entity if may_import else require(request.caller, entity, Right.EXPORT)}


def _new_upload(request: Request, path: Mapping[str, str], given: Any) -> Found:
    """A file of no entity, yet, is for those who define entities."""
    if isinstance(given, dict) and given.get("entity") is None:
        require_admin(request.caller)
        return {"entity": None}
    return entity_in_body(Right.IMPORT)(request, path, given)


def _upload(request: Request, path: Mapping[str, str], given: Any) -> Found:
    named = given.get("entity") if isinstance(given, dict) else None
    upload, entity = upload_into(request, own_upload(request, path["upload_id"]), named)
    return {"upload": upload, "entity": entity}


def _upload_to_preview(request: Request, path: Mapping[str, str], given: Any) -> Found:
    """A definition that is not saved stands for the entity: it is for those who define entities."""
    if not isinstance(given, dict) or given.get("definition") is None:
        return _upload(request, path, given)
    upload = own_upload(request, path["upload_id"])
    require_admin(request.caller)
    if upload.entity is not None or given.get("entity") is not None:
        what = "must be left out: the upload or the request names an entity"
        raise InvalidRequest("The import breaks a rule.", [("/definition", what)])
    _check_expiry(request, upload)
    return {"upload": upload, "entity": None}


def _upload_to_infer(request: Request, path: Mapping[str, str], given: Any) -> Found:
    upload = own_upload(request, path["upload_id"])
    if upload.entity is not None:
        upload, _ = upload_into(request, upload, None)
    _check_expiry(request, upload)
    return {"upload": upload}


def _own_upload(request: Request, path: Mapping[str, str], given: Any) -> Found:
    """Whoever made an upload may look at it, and take it back, whatever else they may by now."""
    upload = own_upload(request, path["upload_id"])
    _check_expiry(request, upload)
    return {"upload": upload}


def _upload_in_body(request: Request, path: Mapping[str, str], given: Any) -> Found:
    """A body without the id of an upload passes here; validation refuses it later."""
    upload_id = given.get("uploadId") if isinstance(given, dict) else None
    if not isinstance(upload_id, str) or not is_uuid(upload_id):
        return {}
    return _upload(request, {"upload_id": upload_id.lower()}, given)


def _job(request: Request, path: Mapping[str, str], given: Any) -> Found:
    return {"job": visible_job(request, path["job_id"])}


def _job_to_change(request: Request, path: Mapping[str, str], given: Any) -> Found:
    return {"job": job_to_change(request, path["job_id"])}


def _job_to_relaunch(request: Request, path: Mapping[str, str], given: Any) -> Found:
    job = job_to_change(request, path["job_id"])
    _check_relaunch(request, job)
    return {"job": job}


def may_relaunch(request: Request, job: Job) -> bool:
    """Whether a caller who sees the job has what a relaunch needs; the state may still forbid it."""
    if not may_change_job(request.caller, job, request.find_entity(job.entity)):
        return False
    try:
        _check_relaunch(request, job)
    except WaybillError:
        return False
    return True


def _check_relaunch(request: Request, job: Job) -> None:
    """A relaunch starts a new job, so that even the person who started the first one needs the right for it today."""
    entity = request.find_entity(job.entity)
    if entity is not None:
        require(request.caller, entity, Right.EXPORT if job.process is Process.EXPORT else Right.IMPORT)
    if job.process is Process.EXPORT:
        from waybill.exports.definition import CUSTOM

        if job.export_type in CUSTOM:
            require_backoffice(request)


def _job_with_download(request: Request, path: Mapping[str, str], given: Any) -> Found:
    job = visible_job(request, path["job_id"])
    entity = request.find_entity(job.entity)
    if not has_right_to_download(request.caller, job, entity):
        raise Forbidden(f"You may not export {job.entity}.")
    return {"job": job}


def _zilliant_upload(request: Request, path: Mapping[str, str], given: Any) -> Found:
    """Zilliant answers 404 for what has expired."""
    try:
        return _upload(request, path, given)
    except (Gone, InvalidRequest) as error:
        raise NotFound(error.detail) from None


def _zilliant_job(request: Request, path: Mapping[str, str], given: Any) -> Found:
    try:
        job = visible_job(request, path["import_id"])
    except Gone as error:
        raise NotFound(error.detail) from None
    if job.process is not Process.IMPORT:
        raise NotFound("There is no import with this id.")
    return {"job": job}


def entity_of_export(request: Request, export: Export) -> Entity | None:
    """The export's entity, if it is still the same and the caller may export it."""
    entity = request.find_entity(export.definition.entity)
    if entity is None or entity.uid != export.entity_uid or not may(request.caller, entity, Right.EXPORT):
        return None
    return entity


def _export(request: Request, path: Mapping[str, str], given: Any) -> Found:
    export = request.services.exports.get(path["export_id"])
    entity = entity_of_export(request, export)
    if entity is None:
        raise request.services.exports.not_found()
    request.about |= {"entity": entity.name, "exportId": export.export_id}
    return {"export": export, "entity": entity}


def export_to_change(request: Request, export_id: str) -> Found:
    """An export that the caller may change, with its entity.

    Raises:
        NotFound: there is none, or the caller may not export its entity.
        Forbidden: a custom flow, and the caller is not in the back office.
    """
    return _export_to_change(request, {"export_id": export_id}, None)


def _export_to_change(request: Request, path: Mapping[str, str], given: Any) -> Found:
    found = _export(request, path, given)
    if found["export"].definition.is_custom:
        require_backoffice(request)
    return found


def _export_to_edit(request: Request, path: Mapping[str, str], given: Any) -> Found:
    """The new definition may be of another entity."""
    export = _export_to_change(request, path, given)["export"]
    export.check_allows("edit")
    return {"export": export, **entity_in_body(Right.EXPORT)(request, path, given)}


def _export_to_take_over(request: Request, path: Mapping[str, str], given: Any) -> Found:
    """An incremental custom flow can be looked at, copied, and turned into a standard export."""
    found = _export(request, path, given)
    definition = found["export"].definition
    if definition.is_custom and not definition.is_incremental:
        require_backoffice(request)
    return found


def entity_of_source(request: Request, source: Source) -> Entity | None:
    """The source's entity, if it is still the same and the caller may import into it."""
    entity = request.find_entity(source.definition.entity)
    if entity is None or entity.uid != source.entity_uid or not may(request.caller, entity, Right.IMPORT):
        return None
    return entity


def _source(request: Request, path: Mapping[str, str], given: Any) -> Found:
    source = request.services.sources.get(path["source_id"])
    entity = entity_of_source(request, source)
    if entity is None:
        raise request.services.sources.not_found()
    request.about |= {"entity": entity.name, "sourceId": source.source_id}
    return {"source": source, "entity": entity}


def _source_to_edit(request: Request, path: Mapping[str, str], given: Any) -> Found:
    """The new definition may be of another entity."""
    source = _source(request, path, given)["source"]
    source.check_allows("edit")
    return {"source": source, **entity_in_body(Right.IMPORT)(request, path, given)}


def require_backoffice(request: Request) -> None:
    """
    Raises:
        Forbidden: the caller does not belong to the back office.
    """
    if not request.caller.is_backoffice:
        raise Forbidden("Custom flows are set up by the back office (group backoffice).")


NOTHING = Need("nothing", "Anybody; no token is needed.", forbids=False)
TOKEN = Need("token", "Anybody with a token. Lists hold what the caller may see.", forbids=False)
ADMIN = Need("admin", "The group `admin`.", _admin)
ENTITY = Need("entity", "Callers with any right on the entity.", _entity, forbids=False)
DELETE_ENTITY = Need("entity, and admin", "The group `admin`.", _entity_as_admin)
VIEW = Need("view", "Callers with the right `view` on the entity.", _view)
_IMPORTERS = "Callers with the right `import` on the entity."
IMPORT_INTO = Need("import", _IMPORTERS, _import_into)
IMPORT = Need("import", _IMPORTERS, entity_in_body(Right.IMPORT))
NEW_UPLOAD = Need("import", f"{_IMPORTERS} Without one: the group `admin`.", _new_upload)
UPLOAD = Need("import", _IMPORTERS, _upload)
UPLOAD_TO_PREVIEW = Need("import", f"{_IMPORTERS} With a `definition`: the group `admin`.", _upload_to_preview)
UPLOAD_TO_INFER = Need("import", "Whoever made the upload.", _upload_to_infer)
OWN_UPLOAD = Need("upload", "Whoever made the upload.", _own_upload, forbids=False)
UPLOAD_TO_SEND = Need("import", "Whoever made the upload, with the right `import` on its entity.", _upload_to_infer)
UPLOAD_IN_BODY = Need("import", _IMPORTERS, _upload_in_body)
EXPORT = Need("export", "Callers with the right `export` on the entity.", entity_in_body(Right.EXPORT))
JOB = Need("job", "Whoever started the job, and callers with the right `view` on its entity.", _job, forbids=False)
_CHANGERS = "Whoever started the job, and callers who see it and have the right `import` (for exports: `export`)."
CHANGE_JOB = Need("change job", _CHANGERS, _job_to_change)
RELAUNCH_JOB = Need("change job", f"{_CHANGERS} Only the back office changes custom flows.", _job_to_relaunch)
_EXPORTERS = "Callers with the right `export` on the entity. Only the back office changes custom flows."
EXPORT_DEFINITION = Need("export definition", _EXPORTERS, _export, forbids=False)
CHANGE_EXPORT = Need("export definition", _EXPORTERS, _export_to_change)
EDIT_EXPORT = Need("export definition", _EXPORTERS, _export_to_edit)
TAKE_OVER_EXPORT = Need("export definition", _EXPORTERS, _export_to_take_over)
TEST_WEBHOOK = Need(
    "import or export", "Callers with the right `import` or `export` on the entity.", _entity_to_tell_of
)
SOURCE = Need("source", _IMPORTERS, _source, forbids=False)
EDIT_SOURCE = Need("source", _IMPORTERS, _source_to_edit)
DOWNLOAD = Need(
    "download",
    "Callers who see the job; for an export they also need the right `export` on its entity.",
    _job_with_download,
)

ZILLIANT_UPLOAD = replace(UPLOAD, check=_zilliant_upload)
ZILLIANT_JOB = replace(JOB, check=_zilliant_job)


@cache
def verifier() -> TokenVerifier:
    """The token verifier of this process, with its cache of keys."""
    from tokens import TokenVerifier

    return TokenVerifier.from_settings(services().settings)
