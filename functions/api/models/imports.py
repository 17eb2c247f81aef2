"""Requests about uploads and imports."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from models.base import Body, Line, Must, checked, refuse
from models.entities import EntityRequest
from models.webhooks import TellsWebhooks
from waybill.entities.model import Entity, check_columns, check_dialect, check_encoding
from waybill.errors import InvalidRequest
from waybill.imports.modes import DEFAULT_MODE, MODES, MODES_IN_WORDS
from waybill.imports.options import MAX_ERRORS, NOT_KEPT, ImportOptions, check_blanks, check_mode, check_on_error
from waybill.imports.part_uploads import MAX_AT_ONCE, MAX_PARTS
from waybill.jobs.recipients import MAX_RECIPIENTS, check_recipients
from waybill.sizes import MAX_OPTIONS_BYTES, check_size
from waybill.wire.entities import Encoding, TableDialectDocument
from waybill.wire.imports import EXAMPLE_SHA256
from waybill.wire.jobs import BLANKS, ON_ERROR
from waybill.wire.schema import UUID_PATTERN, Email, Schema

MAX_FILE_NAME = 255
_SHA256 = "[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]="  # RFC 4648, section 3.5: the last bits of 32 bytes are zero
_CHECKSUM_RULE = "must be the SHA-256 of the digests of all parts in base64, a hyphen, and the number of parts"
_UPLOAD_ID = "2587c81c-b9fc-4873-ae2f-421b292d2c2b"


class UploadRequest(Body):
    """A file that is about to be sent."""

    refusal: ClassVar[str] = "The upload breaks a rule."
    model_config = ConfigDict(json_schema_extra={"examples": [{"entity": "contacts", "fileName": "contacts.csv"}]})

    entity: str | None = None
    """Without it, `POST /v1/imports` names the entity."""
    file_name: Annotated[str, Line(MAX_FILE_NAME)]
    """For display."""
    size_bytes: Annotated[int, Field(ge=1), Must("must be a whole number from 1")] | None = None
    """Of the file, to send it in parts: of more than 5 GiB, or over a connection that may break."""


class UploadPartRequest(Body):
    part_number: Annotated[int, Field(ge=1)]
    """From 1 to the `partCount` of the upload."""
    sha256: Annotated[str, Field(pattern=f"^{_SHA256}$"), Must("must be 32 bytes in base64")]
    """Of the part, in base64."""


class PartsRequest(Body):
    """Parts that are about to be sent."""

    refusal: ClassVar[str] = "The parts break a rule."
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"parts": [{"partNumber": 1, "sha256": EXAMPLE_SHA256}]}]}
    )

    parts: Annotated[list[UploadPartRequest], Field(min_length=1, max_length=MAX_AT_ONCE)]

    @field_validator("parts")
    @classmethod
    def _are_of_the_upload(cls, value: list[UploadPartRequest], info: ValidationInfo) -> list[UploadPartRequest]:
        upload = (info.context or {}).get("upload")
        last = MAX_PARTS if upload is None or upload.multipart_id is None else upload.parts
        rule = f"must be at most {last}, the last part of this upload"
        refuse([(f"/parts/{at}/partNumber", rule) for at, one in enumerate(value) if one.part_number > last])
        return value


class CompleteUploadRequest(Body):
    """What the whole file is."""

    refusal: ClassVar[str] = "The checksum breaks a rule."
    model_config = ConfigDict(json_schema_extra={"examples": [{"checksum": f"{EXAMPLE_SHA256}-12"}]})

    checksum: Annotated[str, Field(pattern=f"^{_SHA256}-[1-9][0-9]{{0,4}}$"), Must(_CHECKSUM_RULE)]
    """The SHA-256 of the SHA-256 digests (32 bytes each) of all parts, one after the other, in base64; a hyphen; and
    the number of parts. That is S3's composite checksum."""


class InferRequest(Body):
    """What is known about a file of which an entity is to be made."""

    refusal: ClassVar[str] = "The file cannot be read in this way."
    model_config = ConfigDict(json_schema_extra={"examples": [{"dialect": {"sheetName": "March"}}]})

    encoding: Encoding | None = None
    """The label of a text encoding, as the WHATWG Encoding Standard knows it; detected when left out."""
    dialect: TableDialectDocument | None = None

    @field_validator("encoding", mode="wrap")
    @classmethod
    def _is_encoding(cls, value: Any, _: Any) -> Any:
        return checked(check_encoding, value, "/encoding")

    @field_validator("dialect", mode="wrap")
    @classmethod
    def _is_table_dialect(cls, value: Any, _: Any) -> Any:
        return checked(check_dialect, value, "/dialect")

    def options(self) -> ImportOptions:
        return ImportOptions(encoding=self.encoding, dialect=self.dialect)


class _Unsaved(Body):
    definition: EntityRequest | None = None
    """An entity that is not saved yet, as `PUT /v1/entities/{name}` takes it: the file is judged by it. For the group
    `admin`, and uploads without an entity."""

    @field_validator("definition", mode="wrap")
    @classmethod
    def _is_definition(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        name = value.get("name") if isinstance(value, dict) else None
        try:
            return EntityRequest.read(value, {**(info.context or {}), "name": name})
        except InvalidRequest as error:
            refuse([(f"/definition{pointer}", problem) for pointer, problem in error.problems])

    def unsaved_entity(self) -> Entity:
        """
        Raises:
            InvalidRequest: there is no definition.
        """
        if self.definition is None:
            raise InvalidRequest(self.refusal, [("/definition", "is required")])
        return self.definition.to_entity("unsaved", "")


class ReadRequest(InferRequest):
    """The options of an import that say how a file is read."""

    refusal: ClassVar[str] = "The import breaks a rule."
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"dialect": {"sheetName": "March"}, "columns": {"E-mail": "email"}}]}
    )

    mode: str = Field(DEFAULT_MODE, json_schema_extra={"enum": [*MODES]}, description=MODES_IN_WORDS)
    blanks: str = Field("clear", json_schema_extra={"enum": [*BLANKS]})
    """Of the modes merge and update: whether a missing value clears its field, or keeps it as it stands."""
    entity: str | None = None
    """Of an upload that was made without one."""
    columns: dict[str, str] | None = None
    """Header names of files, and the fields that they mean; applied before the header is checked."""
    unescape_formulas: bool = False
    """Take one leading `'` off cells that an export's formula guard prefixed."""

    @field_validator("mode", mode="wrap")
    @classmethod
    def _is_mode(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        entity = _entity(info)
        return checked(check_mode, value, entity.primary_key if entity else ("a key",), "/mode")

    @field_validator("blanks", mode="wrap")
    @classmethod
    def _are_blanks(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        return checked(check_blanks, value, info.data.get("mode"), "/blanks")

    @field_validator("columns", mode="wrap")
    @classmethod
    def _are_columns(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        entity = _entity(info)
        return checked(check_columns, value, entity.field_names if entity else (), "/columns")

    def options(self) -> ImportOptions:
        return ImportOptions(
            mode=self.mode,
            encoding=self.encoding,
            dialect=self.dialect,
            columns=self.columns,
            unescape_formulas=self.unescape_formulas,
            blanks=self.blanks,
        )


def _entity(info: ValidationInfo) -> Entity | None:
    """The entity of the upload, or the unsaved one; None where the body does not say which upload."""
    definition = info.data.get("definition")
    return definition.to_entity("unsaved", "") if definition else (info.context or {}).get("entity")


class PreviewRequest(ReadRequest, _Unsaved):  # the options are judged by the definition, which is read before them
    """How a file is read, and by which entity it is judged."""


class ImportRequest(ReadRequest, TellsWebhooks):
    """The import of a file that was sent."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"uploadId": _UPLOAD_ID, "mode": "upsert", "onError": "skip", "dryRun": False}]}
    )

    upload_id: Annotated[
        str,
        Field(pattern=f"^{UUID_PATTERN}$", json_schema_extra={"format": "uuid"}),
        Must("must be the id of an upload"),
    ]
    """What `POST /v1/uploads` answered."""
    on_error: str = Field("skip", json_schema_extra={"enum": [*ON_ERROR]})
    """What a row that is rejected does to the import: nothing, stop it after `maxErrors`, or fail it before anything is
    written."""
    max_errors: Annotated[int, Field(ge=1, le=MAX_ERRORS), Must(f"must be a whole number from 1 to {MAX_ERRORS}")] = 1
    """For `abort`: rejected rows after which it stops."""
    dry_run: bool = False
    """Check everything, write nothing."""
    keep_previous: bool | None = None
    """Keep what each record was before, so that the import can be undone; as the entity says when left out. It costs
    about a read unit a row. An `insert` can always be undone; an import into a target table never."""
    remember_columns: bool = False
    """Add `columns` to those of the entity, for later imports. A dry run adds none."""

    recipients: Annotated[list[Email], Schema(maxItems=MAX_RECIPIENTS)] = Field(default_factory=list)
    """E-mail addresses, of the domains that this deployment mails to, that get the report when the import ends."""

    @field_validator("on_error", mode="wrap")
    @classmethod
    def _is_on_error(cls, value: Any, _: Any) -> Any:
        return checked(check_on_error, value, "/onError")

    @field_validator("keep_previous")
    @classmethod
    def _can_keep(cls, value: bool | None, info: ValidationInfo) -> bool | None:
        entity = _entity(info)
        if value and entity is not None and entity.target is not None:
            refuse([("/keepPrevious", NOT_KEPT)])
        return value

    @field_validator("recipients", mode="wrap")
    @classmethod
    def _are_recipients(cls, value: Any, _: Any, info: ValidationInfo) -> Any:
        domains = (info.context or {})["request"].services.settings.mail_domains
        return list(checked(check_recipients, value, domains))

    def options(self) -> ImportOptions:
        """
        Raises:
            TooLarge
        """
        options = replace(
            super().options(),
            on_error=self.on_error,
            max_errors=self.max_errors,
            dry_run=self.dry_run,
            keep_previous=self.keep_previous,
            recipients=tuple(self.recipients),
            webhooks=self.told_webhooks(),
        )
        check_size("The options of the import", options.to_document(), MAX_OPTIONS_BYTES)
        return options
