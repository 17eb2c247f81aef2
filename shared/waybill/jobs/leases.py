"""Leases of chunks: one attempt at a time, and a dead one's lease is waited out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from waybill.errors import LeaseHeld
from waybill.jobs.model import Job

if TYPE_CHECKING:
    from waybill.bootstrap import Services

LEASE_SECONDS = 12.0


def lease_chunk(
    services: Services, job_id: str, number: int, attempt: str, remaining: Callable[[], float] = lambda: 900.0
) -> Job:
    """Lease a chunk, waiting out an earlier attempt's lease."""
    while True:
        try:
            return services.jobs.lease_chunk(job_id, number, attempt, LEASE_SECONDS)
        except LeaseHeld as held:
            if held.wait_seconds > min(2 * LEASE_SECONDS, remaining()):
                raise
            time.sleep(held.wait_seconds + 0.05)
