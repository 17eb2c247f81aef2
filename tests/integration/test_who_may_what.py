"""Every operation of the description, for every role, with an entity that can be seen and one that cannot.

What an operation needs is its `x-needs`; what that means for a role stands here once more, in the words of the contract
(section 6): 401 without a token, 404 for what is not for the caller's eyes, 403 for what they see and may not do.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.api_builders import ADMIN, CONTACTS, PERIODIC, SOURCE, Api
from tests.described import operations
from tests.strict_s3 import sha256_of
from waybill.aws.part_upload import composite
from waybill.imports.part_uploads import begin_parts, presign_parts
from waybill.jobs.model import Job, Status
from waybill.jobs.uploads import Upload

FILE = b"contact_id\n1\n"
PERMISSIONS = {"view": ["viewers"], "import": ["importers"], "export": ["exporters"]}
Caller = dict[str, Any]
ROLES: dict[str, tuple[Caller | None, set[str]]] = {  # role → caller, rights on the visible entity
    "no token": (None, set()),
    "no group": ({"name": "bob", "groups": ()}, set()),
    "backoffice": ({"name": "carol", "groups": ("backoffice",)}, set()),
    "viewer": ({"name": "vera", "groups": ("viewers",)}, {"view"}),
    "importer": ({"name": "ivan", "groups": ("importers",)}, {"import"}),
    "exporter": ({"name": "eva", "groups": ("exporters",)}, {"export"}),
    "clerk": ({"name": "clara", "groups": ("viewers", "importers")}, {"view", "import"}),
    "admin": (ADMIN, {"view", "import", "export"}),
}


def expected(needs: str, role: str, is_hidden: bool) -> int:
    """The status, 200 for any that is no refusal."""
    if needs == "nothing":
        return 200
    if role == "no token":
        return 401
    if role == "admin" or needs in ("token", "upload"):  # the matrix has uploads of the caller's own
        return 200
    rights = set() if is_hidden else ROLES[role][1]
    refused = 403 if rights else 404
    match needs:
        case "admin":
            return 403
        case "entity":
            return 200 if rights else 404
        case "entity, and admin":
            return refused
        case "view" | "import" | "export":
            return 200 if needs in rights else refused
        case "job" | "download":  # the matrix downloads the source of an import
            return 200 if "view" in rights else 404
        case "change job":
            return 404 if "view" not in rights else 200 if "import" in rights else 403
        case "source":
            return 200 if "import" in rights else 404
        case "import or export":
            return 200 if rights & {"import", "export"} else 403 if rights else 404
        case "export definition":
            return 200 if "export" in rights else 404
    raise AssertionError(f"x-needs has a word that the contract does not explain: {needs}")


class World:
    """Makes what an operation works on, so that whoever may call it is not refused for its state."""

    def __init__(self, calling: Api, entity: str) -> None:
        self.api = calling
        self.entity = entity

    def job(self) -> Job:
        """A finished import of somebody else's, with its files."""
        services = self.api.services
        bucket, key = services.settings.files_bucket, f"uploads/{uuid.uuid4()}/source"
        services.files.put(bucket, key, b"contact_id\nx\n")
        source = services.files.head(bucket, key)
        assert source is not None
        return self.api.add_finished(
            entity=self.entity,
            started_by="olga",
            started_by_id="olga-subject",
            source_bucket=bucket,
            source_key=key,
            source_etag=source.etag,
            detected={"encoding": "utf-8", "bom": False, "delimiter": ",", "headerRow": 1},
        )

    def waiting(self, **changes: Any) -> Job:
        return self.api.add_job(entity=self.entity, started_by="olga", started_by_id="olga-subject", **changes)

    def running(self) -> Job:
        return self.waiting(status=Status.IN_PROGRESS, started_at=self.api.now)

    def export(self, **definition: Any) -> str:
        body = {"name": "An export", "entity": self.entity, **definition}
        export_id: str = self.api("POST", "/exports", ADMIN, body=body).json["exportId"]
        return export_id

    def source(self, is_scheduled: bool) -> str:
        body = SOURCE | {"entity": self.entity}
        source_id: str = self.api("POST", "/sources", ADMIN, body=body).json["sourceId"]
        if is_scheduled:
            assert self.api("POST", f"/sources/{source_id}/activate", ADMIN).status == 200
        return source_id

    def scheduled(self) -> str:
        export_id = self.export(**PERIODIC)
        assert self.api("POST", f"/exports/{export_id}/activate", ADMIN).status == 200
        return export_id

    def upload(self, caller: Caller | None, in_parts: str = "") -> str:
        """A file that the caller has sent, whatever they may do by now.

        Args:
            in_parts: how far it is sent in parts: `begun` or `sent`; empty for a whole file.
        """
        services = self.api.services
        name = "nobody" if caller is None else caller["name"]
        upload_id = str(uuid.uuid4())
        upload = Upload(
            upload_id=upload_id,
            entity=self.entity,
            file_name="contacts.csv",
            started_by=name,
            started_by_id=f"{name}-subject",
            key=f"uploads/{upload_id}/source",
            expires_at=services.clock.now() + timedelta(days=1),
        )
        if in_parts:
            begun = begin_parts(services, upload, len(FILE))
            if in_parts == "sent":
                (url,) = presign_parts(services, begun, [(1, sha256_of(FILE))])
                httpx.put(url, content=FILE, headers={"x-amz-checksum-sha256": sha256_of(FILE)}).raise_for_status()
            return upload_id
        services.uploads.add(upload)
        services.files.put(services.settings.files_bucket, upload.key, FILE)
        return upload_id

    def request(self, operation_id: str, path: str, caller: Caller | None) -> tuple[str, Any]:
        """(path, body) of a request that nothing but the caller's rights can refuse."""
        if operation_id == "deleteEntity":
            name = f"deleted-{uuid.uuid4()}"
            permissions = self.api.services.entities.get(self.entity).to_resource()["permissions"]
            self.api.put_contacts(name, permissions=permissions)
            return path.replace("{name}", name), None
        body = {
            "putEntity": CONTACTS | {"permissions": PERMISSIONS if self.entity == "visible" else {}},
            "createUpload": {"entity": self.entity, "fileName": "contacts.csv"},
            "deleteJobs": {"jobIds": [str(uuid.uuid4())]},
            "deleteExports": {"exportIds": [str(uuid.uuid4())]},
            "createExport": {"name": "An export", "entity": self.entity},
            "putExport": {"name": "Another name", "entity": self.entity},
            "copyExport": {"name": "A copy"},
            "previewAnySchedule": {"schedule": {"at": "2099-01-31T09:30", "timezone": "UTC"}},
            "previewExport": {"entity": self.entity},
            "previewUpload": {},
            "inferUpload": {},
            "createUploadParts": {"parts": [{"partNumber": 1, "sha256": sha256_of(FILE)}]},
            "completeUpload": {"checksum": composite([sha256_of(FILE)])},
            "rememberColumns": {"columns": {"E-mail": "email"}},
            "checkRejectedRows": {"rows": [{"rowNumber": 4, "cells": {"contact_id": "c3"}}]},
            "testDestination": {"entity": self.entity, "destination": {"kind": "s3"}},
            "testWebhook": {"entity": self.entity, "webhook": {"url": "https://hooks.example.com", "secretId": "none"}},
            "redriveDeadLetters": {"entity": self.entity},
            "createSource": SOURCE | {"entity": self.entity},
            "putSource": SOURCE | {"entity": self.entity, "name": "Another name"},
            "testSource": {"entity": self.entity, "location": {"kind": "s3"}},
        }.get(operation_id)
        if operation_id == "createImport":
            body = {"uploadId": self.upload(caller)}
        in_parts = {"createUploadParts": "begun", "completeUpload": "sent"}.get(operation_id, "")
        jobs: dict[str, Callable[[], Job]] = {"cancelJob": self.waiting, "stopJob": self.running}
        sources = {"runSource", "unscheduleSource"}
        exports = {"runExport", "unscheduleExport", "getDefinition"}
        for parameter, make in [
            ("{name}", lambda: self.entity),
            ("{job_id}", lambda: jobs.get(operation_id, self.job)().job_id),
            ("{import_id}", lambda: self.job().job_id),
            ("{upload_id}", lambda: self.upload(caller, in_parts)),
            ("{source_id}", lambda: self.source(operation_id in sources)),
            ("{export_id}", self.scheduled if operation_id in exports else self.export),
        ]:
            if parameter in path:
                path = path.replace(parameter, make())
        return path, body


OF_OWN_UPLOADS = (
    "createImport",
    "zilliantImport",
    "previewUpload",
    "inferUpload",
    "getUpload",
    "deleteUpload",
    "createUploadParts",
    "completeUpload",
)


@pytest.mark.parametrize("entity", ["visible", "hidden"])
def test_every_operation_for_every_role(api: Api, tester: list[Any], entity: str) -> None:
    api.put_contacts("visible", permissions=PERMISSIONS)
    api.put_contacts("hidden", permissions={})
    world = World(api, entity)
    wrong: list[str] = []
    called = 0
    for method, template, operation in operations():
        prepared: tuple[str, Any] | None = None
        for role, (caller, _) in ROLES.items():
            # What was refused has changed nothing: the next role finds the same. Uploads are the caller's own.
            if prepared is None or operation["operationId"] in OF_OWN_UPLOADS:
                prepared = world.request(operation["operationId"], template, caller)
            path, body = prepared
            answer = api(method, path.removeprefix("/v1"), caller, body=body)
            wanted = expected(operation["x-needs"], role, entity == "hidden")
            # Rights come before states: a relaunch that finds no plan of the first run has passed them, and an undo
            # of what was not kept.
            of_state = operation["operationId"] in ("relaunchJob", "undoJob", "previewUndo") and answer.status == 409
            passed = answer.status < 400 or of_state
            got = 200 if passed else answer.status
            called += 1
            if got != wanted:
                wrong.append(f"{method} {template} as {role}: {answer.status}, not {wanted}: {answer.text[:120]}")
            if got == 200 and method != "GET":
                prepared = None
    assert wrong == []
    of_tests = ("export", "import", "import or export")
    tests = sum(expected(right, role, entity == "hidden") == 200 for role in ROLES for right in of_tests)
    assert len(tester) == tests
    assert called == len(operations()) * len(ROLES)
