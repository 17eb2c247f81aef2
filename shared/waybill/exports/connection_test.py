"""Connection test of a destination: what a delivery does, step by step, with a small file that is deleted again.

It runs a delivery's own code, so that its reasons are those of a failed run. A person waits for the result, and an HTTP
API waits 30 seconds at most: each answer of a server has less time than in a delivery, and the whole test has a limit.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from waybill.errors import DeliveryFailed
from waybill.exports.decryption import decryption_key
from waybill.exports.destinations import kind_of
from waybill.exports.destinations.base import DeliveredKind, Timeouts

if TYPE_CHECKING:
    from waybill.jobs.services import Services

TIMEOUTS = Timeouts(connect=5.0, login=6.0, request=5.0)
SECONDS = 20.0


@dataclass(frozen=True)
class Result:
    """The result of a connection test.

    Attributes:
        code: None, or the reason that a delivery would fail for.
        detail: what was done, or what to correct.
        step: the last step that began.
    """

    code: str | None
    detail: str
    step: str

    def to_document(self) -> dict[str, Any]:
        return {"ok": self.code is None, "code": self.code, "detail": self.detail}


def run_connection_test(
    services: Services,
    destination: Mapping[str, Any],
    entity: str,
    timeouts: Timeouts = TIMEOUTS,
    seconds: float = SECONDS,
) -> Result:
    """Test a checked destination of a kind that files are sent to.

    Args:
        entity: whose records would be delivered.
        seconds: limit of the whole test.
    """
    kind = _delivered_kind(destination)
    steps = ["begin"]
    outcomes: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            outcomes.put(kind.test(services, destination, entity, timeouts, steps.append))
        except Exception as error:
            outcomes.put(error)

    # A test that takes too long is abandoned in its thread: its own timeouts end it, and it cleans up.
    threading.Thread(target=attempt, name="connection test", daemon=True).start()
    try:
        outcome = outcomes.get(timeout=seconds)
    except queue.Empty:
        outcome = DeliveryFailed("timeout", f"The test was not over after {seconds:g} seconds.")
    if isinstance(outcome, DeliveryFailed):
        return Result(outcome.reason, outcome.remedy, steps[-1])
    if isinstance(outcome, Exception):
        raise outcome
    return Result(None, outcome, steps[-1])


def check_secret(services: Services, destination: Mapping[str, Any], entity: str) -> Result:
    """Only the first step of a test: whether there is a usable secret for the destination and the entity."""
    try:
        _delivered_kind(destination).check_secret(services, destination, entity)
    except DeliveryFailed as error:
        return Result(error.reason, error.remedy, "read the secret")
    return Result(None, "The secret can be used.", "read the secret")


def check_decryption(services: Services, location: Mapping[str, Any], entity: str) -> Result:
    """Whether there is a secret with a usable key for what is fetched from a location."""
    try:
        decryption_key(services, location, entity)
    except DeliveryFailed as error:
        return Result(error.reason, error.remedy, "read the secret of the decryption")
    return Result(None, "The secret can be used.", "read the secret of the decryption")


def _delivered_kind(destination: Mapping[str, Any]) -> DeliveredKind:
    kind = kind_of(destination)
    if not isinstance(kind, DeliveredKind):
        raise TypeError(f"nothing is delivered to {destination['kind']}")
    return kind
