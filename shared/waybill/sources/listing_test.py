"""Test of a location: connect, and list what a run would fetch. A person waits for the result."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from waybill.errors import DeliveryFailed
from waybill.exports.connection_test import SECONDS, TIMEOUTS
from waybill.exports.decryption import decryption_key
from waybill.exports.destinations import kind_of
from waybill.exports.destinations.base import DeliveredKind
from waybill.exports.destinations.folder import FolderFile
from waybill.sources.fetch import DELIVERIES, first_files
from waybill.sources.wire import ListedFile, SourceTest
from waybill.timestamps import rfc3339

if TYPE_CHECKING:
    from waybill.jobs.services import Services

#: Files that are shown, and names that are looked at: a folder may have a million.
SHOWN, LOOKED_AT = 20, 10_000


def run_listing_test(
    services: Services,
    location: Mapping[str, Any],
    entity: str,
    listing: Mapping[str, str],
    seconds: float = SECONDS,
) -> SourceTest:
    """Test a checked location.

    Args:
        entity: into which files would be imported.
        listing: `pattern` and `order` of the definition.
        seconds: limit of the whole test.
    """
    outcomes: queue.SimpleQueue[SourceTest | Exception] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            outcomes.put(_listed(services, location, entity, listing))
        except Exception as error:
            outcomes.put(error)

    # A test that takes too long is abandoned in its thread: its own timeouts end it.
    threading.Thread(target=attempt, name="listing test", daemon=True).start()
    try:
        outcome = outcomes.get(timeout=seconds)
    except queue.Empty:
        outcome = DeliveryFailed("timeout", f"The listing was not over after {seconds:g} seconds.")
    if isinstance(outcome, DeliveryFailed):
        return {"ok": False, "code": outcome.reason, "detail": outcome.remedy, "files": []}
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _listed(services: Services, location: Mapping[str, Any], entity: str, listing: Mapping[str, str]) -> SourceTest:
    kind = kind_of(location)
    if not isinstance(kind, DeliveredKind):
        raise TypeError(f"nothing is fetched from {location['kind']}")
    decryption_key(services, location, entity)
    with kind.open_folder(services, location, entity, TIMEOUTS) as folder:
        files, is_whole = first_files(folder, listing["pattern"], listing["order"], SHOWN, LOOKED_AT)
    where = kind.address(kind.with_defaults(location, services.settings))
    if not files and is_whole:
        detail = f"{where} can be read; no file there that would be fetched matches {listing['pattern']}."
    elif is_whole:
        detail = f"{where} can be read; a run would fetch the files that it has not seen, in this order."
    elif not files:
        detail = f"{where} can be read. First there are these, which no source fetches: {DELIVERIES}."
    else:
        detail = f"{where} can be read; these are among the first {LOOKED_AT:,} names of its listing."
    return {"ok": True, "code": None, "detail": detail, "files": [_file(file) for file in files]}


def _file(file: FolderFile) -> ListedFile:
    return {"name": file.name, "sizeBytes": file.size_bytes, "modified": rfc3339(file.modified)}
