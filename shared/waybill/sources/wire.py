"""Sources: their definitions and states, and the files that they have seen."""

from __future__ import annotations

from typing import Annotated, Any

from typing_extensions import TypedDict

from waybill.errors import DeliveryFailed
from waybill.exports.wire import ScheduleDocument
from waybill.jobs.model import Outcome, Status
from waybill.sources.definition import ALLOWED_ACTIONS, After, Order, SourceStatus
from waybill.wire.schema import Email, Moment, Natural, NextToken, Ordinal, Schema, Uuid
from waybill.wire.webhooks import Webhook

LocationDocument = Annotated[dict[str, Any], Schema(shape="Location")]
OptionsDocument = Annotated[dict[str, Any], Schema(shape="SourceOptions")]

_Action = Annotated[str, Schema(enum=list(dict.fromkeys(one for some in ALLOWED_ACTIONS.values() for one in some)))]
_Reason = Annotated[str, Schema(enum=list(DeliveryFailed.REASONS))]


class SourceDefinition(TypedDict):
    """Where files come from and how they are imported, with all defaults filled in."""

    name: str
    entity: str
    """Name of the entity; you need the right `import` on it."""
    location: LocationDocument
    pattern: str
    """The files that are meant, as a shell matches names: `*`, `?`, `[abc]`."""
    schedule: ScheduleDocument
    after: After
    """What becomes of a file once its import has ended with at least one row, or as a duplicate."""
    moveTo: str | None
    """Where files are moved to: a directory or prefix."""
    order: Order
    """In which order the files of a run are imported."""
    options: OptionsDocument
    recipients: list[Email]
    """E-mail addresses that are told once when the location cannot be read, and when the source pauses."""
    webhooks: list[Webhook]
    """Addresses that are told of the end of each import of its files, by Standard Webhooks."""


class SourceRun(TypedDict):
    """What a run has come to."""

    startedAt: Moment
    endedAt: Moment
    startedBy: str
    """`schedule`, or who started it."""
    taken: Natural
    """Files that it has made jobs of."""
    waiting: Natural
    """Files that wait for the next run: younger than a minute, changed while they were fetched, or not to be had."""
    passedOver: Natural
    """Files whose names cannot be used (with a slash, control characters, or more than 255 bytes), and objects that
    exports have delivered."""
    code: str | None
    """Null, or why the run could not do its work."""
    message: str | None
    """More about that, or about files that wait."""


class SourceTrouble(TypedDict):
    """Since when and why the location cannot be read, or files in it cannot be decrypted with the secret's keys."""

    since: Moment
    code: _Reason
    message: str


class SourceStanding(TypedDict):
    """The state of a source."""

    sourceId: Uuid
    status: SourceStatus
    version: Ordinal
    """Grows by one with each edit."""
    createdAt: Moment
    createdBy: str
    owner: str | None
    """Who activated it last: each run needs their right `import`. Null before the first activation."""
    allowedActions: list[_Action]
    isRunning: bool
    nextRunAt: Moment | None
    lastRun: SourceRun | None
    unreachable: SourceTrouble | None
    """Null while the location can be read, and its files decrypted. Each run tries again."""
    message: str | None
    """Why the source paused itself."""
    pausedAt: Moment | None


class Source(SourceStanding, SourceDefinition):
    """A definition and its state."""


class SourcePage(TypedDict):
    items: list[Source]
    nextToken: NextToken


class ListedFile(TypedDict):
    """A file that a run would fetch."""

    name: str
    sizeBytes: Natural
    modified: Moment
    """By the location's own clock."""


class SourceTest(TypedDict):
    """The result of a connection test, and what a run would find."""

    ok: bool
    """Whether the location can be read."""
    code: _Reason | None
    """Why not."""
    detail: str
    """What was done, or what to correct."""
    files: list[ListedFile]
    """The first files that match, in the order of their imports."""


class SourceFile(TypedDict):
    """A file that was seen, and how its import has ended. It is remembered for 400 days."""

    name: str
    sizeBytes: Natural
    modified: Moment
    seenAt: Moment
    jobId: Uuid | None
    """Its job; null once that is gone (a job expires days after it has ended), and for those who may not see it."""
    status: Status | None
    """Of the job, once it has ended."""
    outcome: Outcome | None
    imported: Natural | None
    """Rows."""
    errorCode: str | None
    errorMessage: str | None
    """Null like `jobId`."""
    after: Annotated[str, Schema(enum=["moved", "deleted", "gone", "changed", "left"])] | None
    """What became of the file then: `gone` when it was not there any more, `changed` when another one has its name,
    `left` when the definition has changed."""
    movedTo: str | None


class SourceFilePage(TypedDict):
    items: list[SourceFile]
    nextToken: NextToken
