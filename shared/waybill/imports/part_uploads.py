"""Uploads in parts: files that are too large for one request, or for a connection that breaks.

The caller asks for the addresses of some parts, sends these, and asks for the next ones. S3 has the parts that were
sent, and is asked for them: nothing else remembers how far an upload is, so that it goes on after any interruption.
Each address is bound to a part's length and SHA-256, which S3 checks. `complete` then compares what S3 has with what
the caller's file has, part by part, and makes it the file of the upload, which may be imported as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from waybill.aws.part_upload import Part, PartsChanged, PartsGone, PartUpload, composite
from waybill.errors import Conflict, Gone, TooLarge, TooManyRequests

if TYPE_CHECKING:
    from waybill.aws.table import Action
    from waybill.jobs.audit import Act
    from waybill.jobs.services import Services
    from waybill.jobs.uploads import Upload

MIB = 1024**2
#: S3 takes 10,000 parts, of 5 MiB at least but for the last. With these sizes there are 8,192 at most up to 512 GiB.
PART_BYTES = (16 * MIB, 32 * MIB, 64 * MIB)
MAX_PARTS = 8_192
MAX_FILE_BYTES = 500 * 1024**3
#: How many parts one request may ask for, and how long it takes to send them at most.
MAX_AT_ONCE = 100
PART_SECONDS = 900
_SHOWN = 10


def part_bytes_for(size_bytes: int, most: int = MAX_FILE_BYTES) -> int:
    """The bytes of each part but the last of a file of this size.

    Args:
        most: bytes that a file may have, MAX_FILE_BYTES or less.

    Raises:
        TooLarge
    """
    if size_bytes > most:
        message = f"The file has {size_bytes:,} bytes; an upload in parts takes at most {most:,}. Divide it."
        raise TooLarge(message)
    return next(part_bytes for part_bytes in PART_BYTES if size_bytes <= part_bytes * MAX_PARTS)


def begin_parts(services: Services, upload: Upload, size_bytes: int, entry: Sequence[Action] = ()) -> Upload:
    """Store a new upload as one in parts, and return it.

    Args:
        entry: `AuditTrail.entry` of whoever sends the file.

    Raises:
        TooLarge
        TooManyRequests: the caller has too many of them that are unfinished.
    """
    part_bytes = part_bytes_for(size_bytes, services.settings.max_parts_upload_bytes)
    bucket = services.settings.files_bucket
    multipart_id = services.files.begin_parts(bucket, upload.key)
    begun = replace(upload, multipart_id=multipart_id, size_bytes=size_bytes, part_bytes=part_bytes)
    try:
        services.uploads.add(begun, entry)
    except TooManyRequests:
        services.files.in_parts(bucket, upload.key, multipart_id).abort()
        raise
    return begun


def parts_of(services: Services, upload: Upload) -> list[Part] | None:
    """The parts that have arrived, in order; None of an upload that is complete.

    Raises:
        Gone: S3 has thrown the parts away.
    """
    if upload.checksum is not None:
        return None
    try:
        return _in_parts(services, upload).parts()
    except PartsGone:
        if _in_parts(services, upload).completed() is not None:
            return None  # an attempt to complete it has died before it could note that
        raise _parts_gone() from None


def presign_parts(services: Services, upload: Upload, wanted: Sequence[tuple[int, str]]) -> list[str]:
    """The addresses to send parts to, for PART_SECONDS.

    Args:
        wanted: (number of the part, its SHA-256 in base64).

    Raises:
        Conflict: the upload is complete, or sent to a form.
    """
    if upload.checksum is not None:
        raise Conflict("This upload is complete: it takes no more parts.")
    target = _in_parts(services, upload)
    return [target.presign(number, upload.part_size(number), sha256, PART_SECONDS) for number, sha256 in wanted]


def complete_parts(services: Services, upload: Upload, checksum: str, act: Act | None = None) -> None:
    """Make all parts one file. May be repeated.

    Args:
        checksum: of the caller's file, as `composite` makes it.
        act: for the audit trail.

    Raises:
        Conflict: parts are missing, or sent again meanwhile, or the file is not what the caller has.
        Gone: S3 has thrown the parts away.
    """
    if upload.checksum is not None:
        if upload.checksum != checksum:
            raise _differs(upload.checksum, checksum)
        return
    target = _in_parts(services, upload)
    try:
        parts = target.parts()
        _check(upload, parts, checksum)
        target.complete(parts)
    except PartsChanged:
        raise Conflict("A part was sent again while the upload was completed. Complete it again.") from None
    except PartsGone:
        found = target.completed()
        if found is None:
            raise _parts_gone() from None
        size, stored = found
        of_all = f"{(stored or '').partition('-')[0]}-{upload.parts}"
        if size != upload.size_bytes or of_all != checksum:
            raise _differs(of_all, checksum) from None
    expires_at = services.clock.now() + timedelta(seconds=services.settings.files_retention_seconds)
    entry = services.audit.entry(act, entity=upload.entity, uploadId=upload.upload_id)
    services.uploads.complete(upload, checksum, expires_at, entry)


def delete_upload(services: Services, upload: Upload, act: Act | None = None) -> None:
    """Forget an upload, with all that was sent.

    Raises:
        Conflict: it was imported.
    """
    entry = services.audit.entry(act, entity=upload.entity, uploadId=upload.upload_id)
    services.uploads.delete(upload, entry)  # first: nobody can import it from here on
    bucket = services.settings.files_bucket
    if upload.multipart_id is not None:
        services.files.in_parts(bucket, upload.key, upload.multipart_id).abort()
    services.files.delete(bucket, upload.key)


def _in_parts(services: Services, upload: Upload) -> PartUpload:
    if upload.multipart_id is None:
        raise Conflict("This upload is not one in parts: send the file to its form.")
    return services.files.in_parts(services.settings.files_bucket, upload.key, upload.multipart_id)


def _check(upload: Upload, parts: Sequence[Part], checksum: str) -> None:
    sizes = {part.number: part.size_bytes for part in parts}
    missing = [number for number in range(1, upload.parts + 1) if sizes.get(number) != upload.part_size(number)]
    if missing:
        shown = ", ".join(map(str, missing[:_SHOWN]))
        more = f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
        raise Conflict(
            f"Of {upload.parts:,} parts these are missing: {shown}{more}. Send them, then complete it again."
        )
    found = composite([part.sha256 for part in parts])
    if found != checksum:
        raise _differs(found, checksum)


def _differs(found: str, wanted: str) -> Conflict:
    return Conflict(
        f"What has arrived has the checksum {found}, and the file that was to be sent has {wanted}: it has changed "
        "meanwhile, or another file was sent. Compare the checksums of the parts, and send those that differ again."
    )


def _parts_gone() -> Gone:
    return Gone("The parts of this upload were thrown away, as it was not completed in time. Begin a new upload.")
