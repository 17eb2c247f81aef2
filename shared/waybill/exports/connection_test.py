"""Try a destination: connect, log in, and do what a delivery does, with a small file that is taken away again.

The same code as a delivery's, so that the reasons are those of a failed run. A person waits, and an HTTP API for 30
seconds at most: each answer of a server has less time than in a delivery, and all of them together have an end.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from waybill.aws.bucket import BucketRefused
from waybill.errors import DeliveryFailed
from waybill.exports.deliver import bucket_of, open_server
from waybill.exports.destinations import Timeouts, end_rehearsal, rehearse
from waybill.ids import new_uuid

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices

TIMEOUTS = Timeouts(connect=5.0, login=6.0, request=5.0)
SECONDS = 20.0


def try_destination(
    services: ExportServices, destination: Mapping[str, Any], timeouts: Timeouts = TIMEOUTS, seconds: float = SECONDS
) -> dict[str, Any]:
    """Try an `s3`, `sftp` or `ftps` destination that `parse_destination` has nothing against.

    Returns:
        {"ok", "code", "detail"}: code is None, or the reason that a delivery would fail for; detail says what was
        done, or what to mend.
    """
    outcomes: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            outcomes.put(_deliver_nothing(services, destination, timeouts))
        except Exception as error:
            outcomes.put(error)

    # In a thread that is left behind when it takes too long: its own time limits end it, and it tidies up.
    threading.Thread(target=attempt, name="try destination", daemon=True).start()
    try:
        outcome = outcomes.get(timeout=seconds)
    except queue.Empty:
        outcome = DeliveryFailed("timeout", f"The test was not over after {seconds:g} seconds.")
    if isinstance(outcome, DeliveryFailed):
        return {"ok": False, "code": outcome.reason, "detail": outcome.to_mend}
    if isinstance(outcome, Exception):
        raise outcome
    return {"ok": True, "code": None, "detail": outcome}


def _deliver_nothing(services: ExportServices, destination: Mapping[str, Any], timeouts: Timeouts) -> str:
    """What was done, in a sentence.

    Raises:
        DeliveryFailed
    """
    test_id = new_uuid(services.ids)
    if destination["kind"] == "s3":
        bucket, prefix = bucket_of(services, destination)
        try:
            bucket.rehearse(f"{prefix}.waybill-test.{test_id}.part")
        except BucketRefused as error:
            raise DeliveryFailed(error.reason, error.detail) from None
        return f"The bucket {bucket.name} lets us write there."
    remote = open_server(services, destination, timeouts)
    try:
        with remote:
            rehearse(remote, test_id)
    except DeliveryFailed as error:
        if error.reason in ("timeout", "connection-lost"):  # this connection can tidy up no more
            with suppress(DeliveryFailed), open_server(services, destination, timeouts) as again:
                end_rehearsal(again, test_id)
        raise
    return f"A file was written to {destination['directory']} on {destination['host']}, renamed, and deleted again."
