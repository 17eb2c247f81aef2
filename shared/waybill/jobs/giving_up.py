"""When a step that failed is given up.

A step that raises is repeated by its state machine, for more than an hour (`docs/trust.md`, *Retries*): an outage
passes. A fault of the program or a file that breaks it does not: an exception that no outage explains is raised a few
times, in case its cause was a passing one all the same, and then ends the job as `internal-error`. What outlasts the
retries ends as `timed-out`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from waybill.aws.outages import is_outage
from waybill.errors import LeaseHeld, Superseded

if TYPE_CHECKING:
    from waybill.jobs.model import Job
    from waybill.jobs.services import Services

UNEXPLAINED_RETRIES = 4
GIVEN_UP = "given-up"
TIMED_OUT = "timed-out"
_OPTION = "failure"


def gives_up(services: Services, event: Mapping[str, Any], error: Exception) -> bool:
    """Whether the step's error ends its job, which is then noted in the job; False when the step must be repeated.

    Args:
        event: of the step; `attempt` is how often the state machine has repeated it. The step `fail` is never given up.
    """
    is_passing = isinstance(error, LeaseHeld | Superseded) or is_outage(error)
    if is_passing or event["step"] == "fail" or event.get("attempt", 0) < UNEXPLAINED_RETRIES:
        return False
    with suppress(Superseded):
        services.jobs.set_option_once(event["jobId"], _OPTION, "internal-error")
    return True


def failure_code(job: Job, otherwise: str = TIMED_OUT) -> str:
    """The code of a job whose step failed for good: the one noted when it was given up, else `otherwise`."""
    return str(job.options.get(_OPTION, otherwise))
