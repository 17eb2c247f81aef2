"""Leases: one attempt at a time works on a chunk; the lease of an attempt that died is waited out.

The holder sends a heartbeat each second: one conditional update of the job, which also carries the progress and brings
back whether to stop. It sends a request to the table only within MAX_AGE_SECONDS after it asked for the heartbeat that
allows it, and the request ends within WRITE_TIMEOUT_SECONDS. Together these are the 5 seconds in which Stop takes
effect (contract, section 4), and less than a lease: when an attempt takes over, the last request of the one before has
ended.
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
# A request may be on its way for so long after its last check.
WRITE_TIMEOUT_SECONDS = 3.0
STOP_SECONDS = 5.0
MAX_AGE_SECONDS = STOP_SECONDS - WRITE_TIMEOUT_SECONDS
# Heartbeats that may come back too late, one after the other, before the attempt is given up.
_LATE_HEARTBEATS = 5
# Chunk numbers of the lease under which a job is put together at its end, and of that under which the source of a
# relaunched import is made.
FINISH = -1
SOURCE = -2


def lease_chunk(
    services: Services, job_id: str, number: int, attempt: str, remaining: Callable[[], float] = lambda: 900.0
) -> Job:
    """Lease a chunk, waiting out an earlier attempt's lease."""
    while True:
        try:
            return services.ledger.lease(job_id, number, attempt, LEASE_SECONDS)
        except LeaseHeld as held:
            if held.wait_seconds > min(2 * LEASE_SECONDS, remaining()):
                raise
            services.clock.sleep(held.wait_seconds + 0.05)


class Heartbeat:
    """The heartbeat of one attempt at one chunk."""

    def __init__(self, services: Services, job: Job, chunk: int, attempt: str) -> None:
        self._services, self._chunk = services, chunk
        self._clock = services.clock
        self.job = job
        self.lease = job.leases.get(chunk) or ChunkLease(attempt)
        # The lease runs from before it was asked for, however late its reply came.
        self._lease_ends = services.clock.monotonic() + self.lease.until / 1000 - services.clock.now().timestamp()
        self._next = self._lease_ends - LEASE_SECONDS + HEARTBEAT_SECONDS

    def note(self, processed: int, imported: int, rejected: int, row: int = 0, repeated: int = 0) -> None:
        """Note progress: how many of the rows before `row` were imported and rejected, `repeated` among them.

        An attempt that reads rows again reports lower numbers at first; they change nothing.
        """
        if processed > self.lease.processed:
            self.lease = replace(
                self.lease, processed=processed, imported=imported, rejected=rejected, row=row, repeated=repeated
            )

    def check(self) -> Job:
        """Send a heartbeat when one is due, and again while its answer comes too late to say that the job is not to
        stop. Called before each request to the table.

        Returns:
            The job as last seen.

        Raises:
            Superseded: another attempt owns the chunk, the lease is over, or the answers keep coming too late.
        """
        if self._clock.monotonic() < self._next:
            return self.job
        for _ in range(_LATE_HEARTBEATS):
            asked = self._clock.monotonic()
            self.send()
            if self._clock.monotonic() - asked <= MAX_AGE_SECONDS:
                return self.job
        raise Superseded(f"the heartbeats of chunk {self._chunk} are answered too late")

    def send(self) -> Job:
        """Send a heartbeat now; it prolongs the lease from the moment before it was sent.

        Raises:
            Superseded: as `check`.
        """
        asked = self._clock.monotonic()
        if asked > self._lease_ends:
            raise Superseded(f"the lease of chunk {self._chunk} ran out")
        until = int((self._clock.now().timestamp() + LEASE_SECONDS) * 1000)
        self.job = self._services.ledger.heartbeat(self.job.job_id, self._chunk, replace(self.lease, until=until))
        self._next, self._lease_ends = asked + HEARTBEAT_SECONDS, asked + LEASE_SECONDS
        return self.job


class LenientHeartbeat(Heartbeat):
    """The heartbeat of work that takes effect only where a condition on its lease holds: files that nobody reads before
    they are recorded. It may be late, when a partner's server stalls: the work goes on unless another attempt has taken
    the chunk over."""

    def check(self) -> Job:
        """As `Heartbeat.check`, but the lease may be over.

        Raises:
            Superseded: another attempt has it, or the job has ended.
        """
        return self.job if self._clock.monotonic() < self._next else self.send()

    def send(self) -> Job:
        """Send a heartbeat now.

        Raises:
            Superseded: as `check`.
        """
        asked = self._clock.monotonic()
        until = int((self._clock.now().timestamp() + LEASE_SECONDS) * 1000)
        self.job = self._services.ledger.heartbeat(self.job.job_id, self._chunk, replace(self.lease, until=until))
        self._next = asked + HEARTBEAT_SECONDS
        return self.job
