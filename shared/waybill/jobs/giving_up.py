"""When a step that failed is given up.

A step that raises is repeated by its state machine, for more than an hour (`docs/trust.md`, *Retries*): an outage
passes. A fault of the program or a file that breaks it does not: an exception that no outage explains is raised a few
times, in case its cause was a passing one all the same, and then ends the job as `internal-error`, or where S3 does not
hand out the file, as `source-error`. What outlasts the retries ends as `timed-out`.

The step `fail` that is given up, because what Waybill noted about the job cannot be read, ends it without counting
(`imports.abandon.abandon_import`): a job that never ends would hold up its entity for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from waybill.aws.dynamodb import why_refused
from waybill.aws.outages import is_outage
from waybill.errors import LeaseHeld, Superseded
from waybill.jobs.model import Job, Process, Status
from waybill.jobs.rights import NO_PERMISSION
from waybill.jobs.usual_rows import UNUSUAL_ROWS

if TYPE_CHECKING:
    from waybill.jobs.services import Services

UNEXPLAINED_RETRIES = 4
GIVEN_UP = "given-up"
TIMED_OUT, INTERNAL_ERROR, SOURCE_ERROR, TOO_LARGE = "timed-out", "internal-error", "source-error", "too-large"
_OPTION, _REASON = "failure", "failureReason"


def gives_up(services: Services, event: Mapping[str, Any], error: Exception, code: str = INTERNAL_ERROR) -> bool:
    """Whether the step's error ends its job, which is then noted in the job; False when the step must be repeated.

    Args:
        event: of the step; `attempt` is how often the state machine has repeated it.
        code: of the job, when it ends.
    """
    if passes(error) or event.get("attempt", 0) < UNEXPLAINED_RETRIES:
        return False
    with suppress(Superseded):
        job = services.jobs.set_option_once(event["jobId"], _OPTION, code)
        reason = why_refused(error)
        if reason is not None and job.options[_OPTION] == code:
            services.jobs.set_option_once(event["jobId"], _REASON, reason)
    return True


def passes(error: Exception) -> bool:
    """Whether it helps to try again later: an outage, or another attempt that is at work."""
    return isinstance(error, LeaseHeld | Superseded) or is_outage(error)


def left_unread(job: Job) -> bool:
    """Whether an import failed before a row was read, of an outage, a program error, because whoever started it had
    lost the right to, or because the file has an unusual number of rows: the whole file is left."""
    is_unread = job.process is Process.IMPORT and job.status is Status.FAILED and job.counts.total == 0
    return is_unread and job.error_code in (TIMED_OUT, INTERNAL_ERROR, NO_PERMISSION, UNUSUAL_ROWS)


def failure_reason(job: Job) -> str:
    """What is known of the cause of a failure beyond its code: empty, or a space and a sentence."""
    return f" {job.options[_REASON]}" if _REASON in job.options else ""


def failure_code(job: Job, otherwise: str = TIMED_OUT) -> str:
    """The code of a job whose step failed for good: the one noted when it was given up, else `otherwise`."""
    return str(job.options.get(_OPTION, otherwise))
