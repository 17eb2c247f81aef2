"""The load step: load one chunk, and go on with it in the next invocation when the time runs out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waybill.errors import Superseded
from waybill.ids import new_token
from waybill.imports.chunk_loader import load_leased_chunk
from waybill.imports.deadline import Remaining, whole_invocation
from waybill.imports.plan_document import read_plan
from waybill.jobs.leases import lease_chunk

if TYPE_CHECKING:
    from waybill.jobs.ledger import LedgerEntry
    from waybill.jobs.services import Services


def load_chunk(
    services: Services, job_id: str, number: int, remaining_seconds: Remaining = whole_invocation
) -> LedgerEntry:
    """Load one chunk of a planned import, or what earlier invocations left of it.

    Args:
        remaining_seconds: until the invocation is ended from outside.

    Returns:
        The ledger entry of the last part that is done; it is not `is_last` when there is more to do.

    Raises:
        Superseded: a newer attempt owns the chunk, or the job has ended.
        DynamoDBError, botocore errors: worth a retry of the step.
    """
    parts = services.ledger.entries(job_id, number).get(number, [])
    if parts and parts[-1].is_last:
        return parts[-1]
    plan = read_plan(services, job_id)
    if plan is None:
        if services.jobs.is_over(job_id):
            raise Superseded(f"job {job_id} has ended")
        raise LookupError(f"job {job_id} has no plan")
    attempt = new_token(services.ids)
    job = lease_chunk(services, job_id, number, attempt, remaining_seconds)
    # Again: the attempt before may have committed while this one waited for the lease. From now on only this one can.
    parts = services.ledger.entries(job_id, number).get(number, [])
    if parts and parts[-1].is_last:
        return parts[-1]
    return load_leased_chunk(services, job, plan, plan.chunks[number], parts, attempt, remaining_seconds)
