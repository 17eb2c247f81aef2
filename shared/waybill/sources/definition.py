"""A source: its definition, its statuses, and the actions that each allows (contract, section 8). Pure.

DRAFT ─activate→ SCHEDULED ─unschedule→ DRAFT

A source stays SCHEDULED while it runs. It returns to DRAFT by itself when its owner may no longer import.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from waybill.errors import Conflict, in_words
from waybill.exports.definition import Owner
from waybill.timestamps import parse_rfc3339, rfc3339
from waybill.validation import is_line


class SourceStatus(StrEnum):
    DRAFT = "DRAFT"
    SCHEDULED = "SCHEDULED"


class Order(StrEnum):
    """In which order a run imports the files that it finds."""

    NAME = "name"
    MODIFIED = "modified"


class After(StrEnum):
    """What becomes of a file whose import has succeeded."""

    LEAVE = "leave"
    DELETE = "delete"
    MOVE = "move"


# In the words of the API's paths, where there is one.
ALLOWED_ACTIONS: dict[SourceStatus, tuple[str, ...]] = {
    SourceStatus.DRAFT: ("edit", "delete", "activate"),
    SourceStatus.SCHEDULED: ("unschedule", "run"),
}
MAX_PATTERN = 255
MAX_NAME_BYTES = 255
"""Of a file that is imported; longer names are passed over."""
SET_ASIDE_PREFIX = ".waybill-"
"""Of the names that files have while they are being deleted."""


def is_usable(name: str) -> bool:
    """Whether a name from a listing can be that of a file in the folder, and nothing else: it is never a path, and
    ends no command."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return False
    is_name = name not in (".", "..") and not {"/", "\\"} & set(name) and not name.startswith(SET_ASIDE_PREFIX)
    return is_name and size <= MAX_NAME_BYTES and is_line(name, MAX_NAME_BYTES)


def is_match(pattern: str, name: str) -> bool:
    """Whether a name matches as in a shell: a dot at the beginning must be in the pattern, and capitals count."""
    return (not name.startswith(".") or pattern.startswith(".")) and bool(_compiled(pattern).fullmatch(name))


@lru_cache(maxsize=16)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


@dataclass(frozen=True)
class Definition:
    """Where files come from and how they are imported. All defaults are filled in.

    Attributes:
        options: members of the contract's import options, as JSON.
    """

    name: str
    entity: str
    location: dict[str, Any]
    pattern: str
    schedule: dict[str, Any]
    after: After
    move_to: str | None
    order: Order
    options: dict[str, Any]
    recipients: tuple[str, ...]
    webhooks: tuple[dict[str, str], ...]

    @property
    def started_by(self) -> str:
        """*Started by* of its jobs."""
        return f"source:{self.name}"

    def takes(self, name: str) -> bool:
        """Whether a file of this name is meant."""
        return is_match(self.pattern, name)

    def to_document(self) -> dict[str, Any]:
        """The members of the contract's definition, as JSON values."""
        return {
            "name": self.name,
            "entity": self.entity,
            "location": self.location,
            "pattern": self.pattern,
            "schedule": self.schedule,
            "after": self.after.value,
            "moveTo": self.move_to,
            "order": self.order.value,
            "options": self.options,
            "recipients": list(self.recipients),
            "webhooks": list(self.webhooks),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Definition:
        return cls(
            name=document["name"],
            entity=document["entity"],
            location=document["location"],
            pattern=document["pattern"],
            schedule=document["schedule"],
            after=After(document["after"]),
            move_to=document["moveTo"],
            order=Order(document["order"]),
            options=document["options"],
            recipients=tuple(document["recipients"]),
            webhooks=tuple(document.get("webhooks", ())),
        )


@dataclass(frozen=True)
class Run:
    """A run that has begun. The source holds it until it has ended, so that there is one at a time.

    Attributes:
        run_id: the source's id, a dot and an id of its own: the name of its execution.
        occurrence: the moment of the schedule that it is for; None for one that a person started.
        only_after: it fetches nothing, and moves or deletes files whose import has succeeded.
        restarts: executions before the current one, which have died.
        taken: files that it has made jobs of, as far as an invocation has noted them.
    """

    run_id: str
    started_at: datetime
    started_by: str
    occurrence: datetime | None = None
    only_after: bool = False
    restarts: int = 0
    taken: int = 0

    def to_document(self) -> dict[str, Any]:
        times = {"started_at": rfc3339(self.started_at), "occurrence": rfc3339(self.occurrence)}
        return dataclasses.asdict(self) | times

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Run:
        times = {"started_at": datetime.fromisoformat(document["started_at"])}
        return cls(**{**document, **times, "occurrence": parse_rfc3339(document["occurrence"])})


@dataclass(frozen=True)
class Source:
    """A definition and its state. Its `owner` is who activated it last; None before the first activation.

    `version` counts the edits. `handled_until`: the schedule up to here is done. `running` is the run that has not
    ended, `last_run` a summary of the one before (`wire.SourceRun`). `position` is where the next run goes on in a
    folder of more files than one run looks at: the sort key of the last one. `trouble` says since when and why the
    location cannot be read, and whether the recipients were told; None when it can. `message` says why the source
    paused itself, `paused_at` when. The schedule attends to it at `due_at`, and `revision` counts all changes; the
    repository keeps both.
    """

    source_id: str
    definition: Definition
    entity_uid: str
    status: SourceStatus
    created_at: datetime
    created_by: str
    created_by_id: str
    version: int = 1
    last_run: dict[str, Any] | None = None
    running: Run | None = None
    handled_until: datetime | None = None
    position: list[str] | None = None
    trouble: dict[str, Any] | None = None
    message: str | None = None
    paused_at: datetime | None = None
    owner: Owner | None = None
    revision: int = dataclasses.field(default=1, compare=False)
    due_at: datetime | None = dataclasses.field(default=None, compare=False)

    @property
    def id(self) -> str:
        return self.source_id

    @property
    def etag(self) -> str:
        """Names this state of the source (RFC 9110, section 8.8.3), without the quotes."""
        return f"{self.source_id}.{self.revision}"

    def allowed_actions(self) -> list[str]:
        actions = list(ALLOWED_ACTIONS[self.status])
        if self.running is not None:
            actions = [action for action in actions if action not in ("run", "edit", "delete")]
        return actions

    def check_allows(self, action: str) -> None:
        """Raise Conflict, with what is allowed, unless the source's state allows the action."""
        if action not in self.allowed_actions():
            raise self.conflict(action)

    def conflict(self, action: str) -> Conflict:
        """The refusal of an action: names the source and what is in the way, and says what to do."""
        detail = f'The source "{self.definition.name}" ({self.source_id}) '
        if self.running is not None and action in ALLOWED_ACTIONS[self.status]:
            detail += f"has been running since {rfc3339(self.running.started_at)}: wait for the end of that run."
        elif self.status is SourceStatus.SCHEDULED and action in ("edit", "delete"):
            detail += "is scheduled: unschedule it first."
        elif self.status is SourceStatus.DRAFT and action == "run":
            detail += "is a draft: activate it first."
        else:
            detail += f"is {in_words(self.status)}: that does not allow {action}."
        return Conflict(detail, self.allowed_actions())
