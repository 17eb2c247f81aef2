"""The errors of the client. Each ends the command with its exit status.

    Failure                exit status 1
    ├── Refusal            the service refused; carries its problem document (RFC 9457)
    ├── Unreachable        no response
    ├── Interrupted        exit status 130: Ctrl-C
    └── UsageFailure       exit status 2: the command line, a local file, or the saved profile is wrong

`Output.failure` prints them; `document` is what `--json` prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import unquote


class Failure(Exception):
    """`message` is one line; `next_steps` tell what to do about it."""

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *next_steps: str) -> None:
        super().__init__(message)
        self.message = message
        self.next_steps = next_steps

    def details(self) -> Sequence[str]:
        """Further lines between the message and the next steps."""
        return ()

    def document(self) -> Mapping[str, Any]:
        """What `--json` prints."""
        return {"title": "The command failed", "detail": self.message}


class UsageFailure(Failure):
    exit_status = 2


class Unreachable(Failure):
    pass


class Interrupted(Failure):
    """`resource` is the job that continues, as last seen."""

    exit_status = 130  # 128 + SIGINT, as shells report it

    def __init__(self, message: str, *next_steps: str, resource: Mapping[str, Any] | None = None) -> None:
        super().__init__(message, *next_steps)
        self._resource = resource

    def document(self) -> Mapping[str, Any]:
        return super().document() if self._resource is None else self._resource


class Refusal(Failure):
    """The service refused the request.

    Args:
        status: HTTP status.
        problem: the problem document.
        retry_after_seconds: from the response's `Retry-After`.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_seconds: float | None = None) -> None:
        title, detail = problem.get("title") or f"HTTP {status}", problem.get("detail")
        super().__init__(
            f"{title}: {detail}" if detail else str(title), *_next_steps(status, problem, retry_after_seconds)
        )
        self.status = status
        self._problem = problem

    @property
    def allowed_actions(self) -> Sequence[str]:
        """The actions that the resource's status allows, if the service lists them."""
        actions = self._problem.get("allowedActions")
        return [str(action) for action in actions] if isinstance(actions, list) else []

    def details(self) -> Sequence[str]:
        errors = self._problem.get("errors")
        return [_member_line(error) for error in errors] if isinstance(errors, list) else []

    def document(self) -> Mapping[str, Any]:
        return self._problem


def _wait(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"


_COMMANDS = {"edit": "update"}  # actions whose command has another name


def _member_line(error: object) -> str:
    if not isinstance(error, Mapping):
        return str(error)
    pointer = unquote(str(error.get("pointer") or ""))  # a URI fragment (RFC 6901, section 6)
    where = (pointer or str(error.get("parameter") or error.get("name") or "")).removeprefix("#")
    what = str(error.get("detail") or error.get("message") or error.get("reason") or "is wrong")
    return f"{where}: {what}" if where else what


def _next_steps(status: int, problem: Mapping[str, Any], retry_after_seconds: float | None) -> list[str]:
    match status:
        case 401:
            return ["sign in with `waybill login`"]
        case 403:
            return ["ask an administrator for permission; `waybill me` shows your user name and groups"]
        case 404:
            return ["list what exists with `waybill jobs`, `waybill entities`, `waybill exports` or `waybill sources`"]
        case 409 if actions := problem.get("allowedActions"):
            return [f"allowed now: {', '.join(_COMMANDS.get(str(action), str(action)) for action in actions)}"]
        case 410:
            return ["it has expired; start again"]
        case 413:
            return ["split the file, or send less at a time"]
        case 400 | 422:
            return ["correct what is listed above and try again"]
        case 429 | 502 | 503 | 504:
            return [f"try again in {_wait(retry_after_seconds or 30)}"]
        case _ if status >= 500:
            return ["try again; if the error persists, contact the operator of this service"]
    return []
