"""Uploads: files sent to Waybill that may become imports.

    UPLOAD#{uploadId} / UPLOAD   the members of `Upload`
    SWEEP / {due}#{uploadId}     uploadId: of an upload in parts, whose parts are thrown away once it has expired

An upload in parts counts as one of its caller's unfinished uploads until it is completed, deleted or expired.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from waybill.aws.dynamodb import TransactionCanceled
from waybill.aws.expressions import Attr, Change
from waybill.aws.table import Action, Item, Key, Table
from waybill.errors import Conflict, NotFound
from waybill.jobs.items import camel
from waybill.jobs.quotas import UnfinishedUploads, too_many_uploads
from waybill.timestamps import from_epoch, rfc3339


@dataclass(frozen=True)
class Upload:
    """A place to send a file to, and who may make an import of it. The import may name the entity (None).

    Attributes:
        multipart_id: of an upload in parts: S3's id of it, with `size_bytes` of the file and `part_bytes` of each part
            but the last.
        checksum: of the whole, once an upload in parts is complete.
    """

    upload_id: str
    entity: str | None
    file_name: str
    started_by: str
    started_by_id: str | None
    key: str
    expires_at: datetime
    entity_uid: str | None = None
    job_id: str | None = None
    multipart_id: str | None = None
    size_bytes: int | None = None
    part_bytes: int | None = None
    checksum: str | None = None

    @property
    def parts(self) -> int:
        """How many parts the file has."""
        return -(-(self.size_bytes or 0) // (self.part_bytes or 1))

    def part_size(self, number: int) -> int:
        """The bytes of a part; the first has the number 1."""
        size, part = self.size_bytes or 0, self.part_bytes or 1
        return min(part, size - (number - 1) * part)


class Uploads:
    def __init__(self, table: Table, unfinished: UnfinishedUploads) -> None:
        self._table = table
        self._unfinished = unfinished

    def add(self, upload: Upload, entry: Sequence[Action] = ()) -> None:
        """Store a new upload.

        Args:
            entry: `AuditTrail.entry` of whoever sends the file.

        Raises:
            TooManyRequests: the caller has too many unfinished uploads in parts.
        """
        actions = [self._table.put_action(_item(upload))]
        if upload.multipart_id is not None:
            due = {"pk": "SWEEP", "sk": f"{rfc3339(upload.expires_at)}#{upload.upload_id}"}
            actions += [
                self._unfinished.join_action(upload.started_by_id or "", upload.upload_id, upload.expires_at),
                self._table.put_action(due | {"uploadId": upload.upload_id, "sourceKey": upload.key}),
            ]
        try:
            self._table.transact([*actions, *entry])
        except TransactionCanceled as error:
            if error.failed_conditions != [1]:
                raise
            raise too_many_uploads() from None

    def complete(self, upload: Upload, checksum: str, expires_at: datetime, entry: Sequence[Action] = ()) -> None:
        """Note that all parts of an upload are one file now; a repeated call changes nothing.

        Args:
            expires_at: from now on.

        Raises:
            NotFound: it was deleted meanwhile.
        """
        key = _key(upload.upload_id)
        is_open = Attr("pk").exists() & Attr("checksum").is_missing()
        change = Change(sets={"checksum": checksum, "expiresAt": int(expires_at.timestamp())})
        leave = self._unfinished.leave_action(upload.started_by_id or "", upload.upload_id, upload.expires_at)
        try:
            self._table.transact([self._table.update_action(key, change, is_open), leave, *entry])
        except TransactionCanceled as error:
            if error.failed_conditions != [0]:
                raise
            self.get(upload.upload_id)

    def delete(self, upload: Upload, entry: Sequence[Action] = ()) -> None:
        """Forget an upload that was not imported.

        Raises:
            Conflict: it was.
            NotFound: somebody else has deleted it.
        """
        key = _key(upload.upload_id)
        actions = [self._table.delete_action(key, Attr("pk").exists() & Attr("jobId").is_missing())]
        if upload.multipart_id is not None:
            subject = upload.started_by_id or ""
            actions.append(self._unfinished.leave_action(subject, upload.upload_id, upload.expires_at))
        try:
            self._table.transact([*actions, *entry])
        except TransactionCanceled as error:
            if error.failed_conditions != [0]:
                raise
            job_id = self.get(upload.upload_id).job_id
            raise Conflict(
                f"This upload was imported, as job {job_id}, which owns the file now: delete that job."
            ) from None

    def find(self, upload_id: str) -> Upload | None:
        """The upload, also when it has expired; None when there is none."""
        item = self._table.get(_key(upload_id))
        return None if item is None else _from_item(item)

    def get(self, upload_id: str) -> Upload:
        """The upload, also when it has expired.

        Raises:
            NotFound
        """
        upload = self.find(upload_id)
        if upload is None:
            raise NotFound("There is no upload with this id, or it has expired.")
        return upload


@dataclass(frozen=True)
class UploadOrigin:
    """An upload, of which one job is made."""

    upload_id: str
    job_id: str
    refusal = "This upload was imported already. Upload the file again to import it once more."

    def actions(self, table: Table, now: datetime) -> list[Action]:
        is_free = Attr("pk").exists() & Attr("jobId").is_missing()
        return [table.update_action(_key(self.upload_id), Change(sets={"jobId": self.job_id}), is_free)]


def _key(upload_id: str) -> Key:
    return f"UPLOAD#{upload_id}", "UPLOAD"


def _item(upload: Upload) -> Item:
    pk, sk = _key(upload.upload_id)
    item = {camel(name): value for name, value in dataclasses.asdict(upload).items() if value is not None}
    return item | {"pk": pk, "sk": sk, "expiresAt": int(upload.expires_at.timestamp())}


def _from_item(item: Item) -> Upload:
    values: dict[str, Any] = {field.name: item.get(camel(field.name)) for field in dataclasses.fields(Upload)}
    values |= {name: int(values[name]) for name in ("size_bytes", "part_bytes") if values[name] is not None}
    return Upload(**{**values, "expires_at": from_epoch(item["expiresAt"])})
