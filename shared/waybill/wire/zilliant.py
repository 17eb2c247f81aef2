"""The bodies of Zilliant's file import."""

from __future__ import annotations

from typing import Annotated, NotRequired

from typing_extensions import TypedDict

from waybill.wire.schema import Moment, Schema, Uuid


class ZilliantImport(TypedDict):
    importId: Uuid


class ZilliantStatus(TypedDict):
    status: Annotated[str, Schema(enum=["RUNNING", "SUCCEEDED", "FAILED"])]
    startDate: Moment
    stopDate: NotRequired[Moment]
    """Only once the import has ended."""
    clientErrorCallingService: bool
    """It FAILED for a cause in the request or the file."""
    entityImportId: Uuid
