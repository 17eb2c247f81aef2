"""Every error Waybill raises on purpose.

    WaybillError                  code, status: what an HTTP caller sees
    ├── MalformedRequest   400    JSON, path or query that cannot be read
    ├── Unauthorized       401    no valid token
    ├── Forbidden          403    visible, but not allowed to do this
    ├── NotFound           404    unknown, or the caller may not see it
    ├── MethodNotAllowed   405    carries the methods that are supported
    ├── Conflict           409    the state does not allow it; carries the actions that it allows
    │   ├── EntityDeleted  409    the entity was deleted, or is being deleted
    │   ├── FileUnreadable 409    S3 has the file and refuses to hand it out; says why. Job code `source-error`
    │   └── StillRunning   409    an earlier attempt at the same request has not ended; says when to try again
    ├── Gone               410    expired, record still there
    ├── PreconditionFailed 412    `If-Match` names another version than the current one
    ├── TooLarge           413    body or file over a limit
    ├── InvalidRequest     422    well-formed, breaks a rule; carries one problem per member
    ├── TooManyRequests    429    more than one caller, or one entity, may have; says when to try again
    ├── Unavailable        503    what the request needs does not respond, or is too busy; says when to try again
    ├── JobFailed                 ends a job as FAILED with a documented code (never worth a retry)
    └── DeliveryFailed     502    a destination did not accept the file; says whether a retry or a relaunch helps
    ChecksFailed                  what a registration relies on has changed: its caller says what that was
    LeaseHeld                     another attempt may still be processing the chunk: wait
    Superseded                    this worker lost its chunk to a newer attempt, or the job ended: stop quietly

Row errors are data (`waybill.entities.row_results.RowError`), not exceptions. Errors of AWS are defined in
`waybill.aws`. The state machine repeats a step that raises; for how long depends on whether a retry can help
(`waybill.jobs.giving_up`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


def in_words(status: str) -> str:
    """A status as a sentence names it: "in progress" for IN_PROGRESS."""
    return status.lower().replace("_", " ")


def counted(count: int, one: str = "row") -> str:
    """A count as a sentence has it: "1 row", "1,200 rows" of what is called `one`."""
    return f"{count:,} {one if count == 1 else one + 's'}"


class WaybillError(Exception):
    """Root. `detail` is one sentence for the user, without internal details."""

    code: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"
    status: ClassVar[int] = 500
    #: When the same request may succeed; None where waiting alone does not help.
    retry_after_seconds: int | None = None

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class MalformedRequest(WaybillError):
    code, title, status = "malformed-request", "Malformed request", 400


class Unauthorized(WaybillError):
    code, title, status = "unauthorized", "A valid token is needed", 401


class Forbidden(WaybillError):
    code, title, status = "forbidden", "Not allowed", 403


class NotFound(WaybillError):
    code, title, status = "not-found", "Not found", 404


class MethodNotAllowed(WaybillError):
    code, title, status = "method-not-allowed", "Method not allowed", 405

    def __init__(self, detail: str, allow: Sequence[str]) -> None:
        super().__init__(detail)
        self.allow = tuple(allow)


class Conflict(WaybillError):
    code, title, status = "conflict", "The state forbids it", 409

    def __init__(self, detail: str, allowed_actions: Sequence[str] = ()) -> None:
        super().__init__(detail)
        self.allowed_actions = tuple(allowed_actions)


class EntityDeleted(Conflict):
    def __init__(self, name: str) -> None:
        super().__init__(f"The entity {name} was deleted, or is being deleted.")


class FileUnreadable(Conflict):
    """S3 has a file and refuses to hand it out: for its KMS key, a policy, or how it is stored. `detail` says why, and
    what to do."""


class StillRunning(Conflict):
    #: A few times this is longer than an attempt that died holds its key (`jobs.idempotency.LOCKED`).
    retry_after_seconds = 15

    def __init__(
        self, detail: str = "The first request with this Idempotency-Key is still running. Try again in a minute."
    ) -> None:
        super().__init__(detail)


class Gone(WaybillError):
    code, title, status = "gone", "Expired", 410


class PreconditionFailed(WaybillError):
    code, title, status = "precondition-failed", "Changed meanwhile", 412

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not in the state that If-Match names. Read it again.")


class TooLarge(WaybillError):
    code, title, status = "too-large", "Too large", 413


class InvalidRequest(WaybillError):
    """`problems`: (member path such as `/schema/fields/0/type`, what is wrong with it)."""

    code, title, status = "invalid-request", "The request breaks a rule", 422

    def __init__(self, detail: str, problems: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(detail)
        self.problems = tuple(problems)


class TooManyRequests(WaybillError):
    code, title, status = "too-many-requests", "Too many requests", 429

    def __init__(self, detail: str, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(WaybillError):
    code, title, status = "unavailable", "Not available just now", 503

    def __init__(self, detail: str, retry_after_seconds: int = 60) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class JobFailed(WaybillError):
    """Ends the job as FAILED.

    `job_code` is one of the contract's job codes or a label error type (section 4); `row_number` is the row
    that the message names, if any.
    """

    code, title, status = "job-failed", "The job failed", 422

    def __init__(self, job_code: str, detail: str, row_number: int | None = None) -> None:
        super().__init__(detail)
        self.job_code = job_code
        self.row_number = row_number


class DeliveryFailed(WaybillError):
    """A destination did not accept a file, or may not be connected to. Job code `delivery-failed`.

    Attributes:
        reason: one of `REASONS`.
        retry_now: whether the same attempt may succeed when it is repeated in a moment.
        relaunchable: whether a relaunch may succeed, at once or after the cause is corrected.
        remedy: what happened and what to do about it, for a connection test: there is no run to relaunch.

    Args:
        what: what happened: one sentence that names the host but no secret; the advice is appended.
    """

    code, title, status = "delivery-failed", "The delivery failed", 502

    # reason: (retry now, relaunchable, what to do about it)
    REASONS: ClassVar[dict[str, tuple[bool, bool, str]]] = {
        "unreachable": (
            True,
            True,
            "Check the host and port, and whether the server accepts connections from here",
        ),
        "timeout": (True, True, "Check whether the server is overloaded, or a firewall drops the connection"),
        "connection-lost": (True, True, "Check the server's log"),
        "busy": (True, True, "Check whether another program holds the file, and the server's log"),
        "disk-full": (False, True, "Free space on the server"),
        "auth": (False, True, "Correct the user name, password or key in the secret"),
        "secret": (False, True, "Correct the secret or the definition"),
        "host-key": (False, True, "Ask the operator for the server's host key and correct the definition"),
        "certificate": (False, True, "Have the certificate renewed, or give the caCertificate that signs it"),
        "host-refused": (False, True, "Use a public host, or ask the operator of this service to allow this one"),
        "permission": (False, True, "Grant the right to write there, and on a server to rename and delete"),
        "not-found": (False, True, "Create the directory or bucket, or correct the definition"),
        "taken": (False, True, "Move it away, or give the export a file name or a prefix of its own"),
        "exists": (False, True, "Remove the older files"),
        "encryption-key": (False, True, "Replace the key in the definition"),
        "protocol": (False, False, "The server lacks something that a delivery needs: ask its operator"),
    }

    def __init__(self, reason: str, what: str) -> None:
        self.reason = reason
        self.retry_now, self.relaunchable, advice = self.REASONS[reason]
        self.remedy = f"{what} {advice}."
        super().__init__(f"{what} {advice}, then relaunch the export." if self.relaunchable else self.remedy)


class ChecksFailed(Exception):
    """A job was not registered, because one of its caller's checks was false."""


class Superseded(Exception):
    """A newer attempt owns the chunk, or the job has ended: nothing more may be written."""


class StopRequested(Exception):
    """Somebody has stopped the run of an export: what works on it leaves nothing and ends it."""


class NotItsTurn(Exception):
    """Another import of the entity is running: the job goes on waiting."""


class LeaseHeld(Exception):
    """Another attempt holds the lease, which expires in `wait_seconds`."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(f"held for {wait_seconds:.1f} s")
        self.wait_seconds = wait_seconds
