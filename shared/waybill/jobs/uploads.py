"""Uploads: files sent to Waybill that may become imports.

UPLOAD#{uploadId} / UPLOAD   the members of `Upload`
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from waybill.aws.expressions import Attr, Change
from waybill.aws.table import Action, Item, Key, Table
from waybill.errors import NotFound
from waybill.jobs.items import camel
from waybill.timestamps import from_epoch


@dataclass(frozen=True)
class Upload:
    """A place to send a file to, and who may make an import of it. The import may name the entity (None)."""

    upload_id: str
    entity: str | None
    file_name: str
    started_by: str
    started_by_id: str | None
    key: str
    expires_at: datetime
    entity_uid: str | None = None
    job_id: str | None = None


class Uploads:
    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, upload: Upload, entry: Sequence[Action] = ()) -> None:
        """Store a new upload.

        Args:
            entry: `AuditTrail.entry` of whoever sends the file.
        """
        self._table.transact([self._table.put_action(_item(upload)), *entry])

    def get(self, upload_id: str) -> Upload:
        """The upload, also when it has expired.

        Raises:
            NotFound
        """
        item = self._table.get(_key(upload_id))
        if item is None:
            raise NotFound("There is no upload with this id, or it has expired.")
        return _from_item(item)


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
    return Upload(**{**values, "expires_at": from_epoch(item["expiresAt"])})
