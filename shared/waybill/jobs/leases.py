"""Leases: one attempt at a time works on a chunk, and a dead one's lease is waited out.

Who holds a lease says so each second, by one conditional update of the job that also carries the progress and brings
back whether to stop. It sends nothing to the table when its lease may be over, so that a zombie's last request is one
that was on its way already, and repeats its own chunk's values. That request ends before the lease does: its timeout is
shorter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from waybill.errors import LeaseHeld, Superseded
from waybill.jobs.model import ChunkLease, Job

if TYPE_CHECKING:
    from waybill.jobs.services import Services

LEASE_SECONDS = 12.0
HEARTBEAT_SECONDS = 1.0
# A request may be on its way for so long after its last check; Stop promises 5 seconds, and a lease is longer.
WRITE_TIMEOUT_SECONDS = 3.0
# Chunk number of the lease under which a job is put together at its end.
FINISH = -1


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
            services.clock.sleep(held.wait_seconds + 0.05)


class Pulse:
    """The heartbeat of one attempt at one chunk."""

    def __init__(self, services: Services, job: Job, chunk: int, attempt: str) -> None:
        self._services, self._chunk = services, chunk
        self._clock = services.clock
        self.job = job
        self.lease = job.leases.get(chunk) or ChunkLease(attempt)
        # The lease runs from before it was asked for, however late its reply came.
        self._lease_ends = services.clock.monotonic() + self.lease.until / 1000 - services.clock.now().timestamp()
        self._next = self._lease_ends - LEASE_SECONDS + HEARTBEAT_SECONDS

    def note(self, processed: int, imported: int, rejected: int, row: int = 0) -> None:
        """Take up progress: what became of the rows before `row`. An attempt that reads again what an earlier one read
        does not turn it back."""
        if processed > self.lease.processed:
            self.lease = replace(self.lease, processed=processed, imported=imported, rejected=rejected, row=row)

    def check(self) -> Job:
        """Send a heartbeat when one is due. Called before each request to the table.

        Returns:
            The job as last seen.

        Raises:
            Superseded: the chunk is another attempt's, or the lease is over.
        """
        job = self.job if self._clock.monotonic() < self._next else self.beat()
        if self._clock.monotonic() > self._lease_ends - WRITE_TIMEOUT_SECONDS:  # the heartbeat itself took too long
            raise Superseded(f"the lease of chunk {self._chunk} is nearly over")
        return job

    def beat(self) -> Job:
        """Send a heartbeat now; the lease is prolonged from before it was sent.

        Raises:
            Superseded: as `check`.
        """
        asked = self._clock.monotonic()
        if asked > self._lease_ends:
            raise Superseded(f"the lease of chunk {self._chunk} ran out")
        until = int((self._clock.now().timestamp() + LEASE_SECONDS) * 1000)
        self.job = self._services.jobs.heartbeat(self.job.job_id, self._chunk, replace(self.lease, until=until))
        self._next, self._lease_ends = asked + HEARTBEAT_SECONDS, asked + LEASE_SECONDS
        return self.job


class LatePulse(Pulse):
    """The heartbeat of work that shows only where a condition on its lease lets it: files that nobody reads before they
    are recorded. A partner's server that stalls may make it late; it goes on unless another attempt has taken over."""

    def check(self) -> Job:
        """As `Pulse.check`, but that the lease may be over.

        Raises:
            Superseded: another attempt has it, or the job has ended.
        """
        return self.job if self._clock.monotonic() < self._next else self.beat()

    def beat(self) -> Job:
        """As `check`, now."""
        asked = self._clock.monotonic()
        until = int((self._clock.now().timestamp() + LEASE_SECONDS) * 1000)
        self.job = self._services.jobs.heartbeat(self.job.job_id, self._chunk, replace(self.lease, until=until))
        self._next = asked + HEARTBEAT_SECONDS
        return self.job
