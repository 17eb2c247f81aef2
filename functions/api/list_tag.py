"""The ETag of a list of jobs, by which the list proves unchanged without being read.

"{content}.{list}.{watched}.{live}.{until}"

A page changes when a job joins or leaves it, when one of its unfinished jobs moves, when an entity changes, and when
something expires. So the ETag names all of that, and a client that sends it back costs two small reads: one of the keys
in the index `newest`, and one of the revision of the catalogue. The unfinished jobs of the page, if there are any, are
read too; those that have ended, fifty or a hundred, are not.

- `content`: of the answer. After a full read, the same content is 304 as well.
- `list`: of who asks for what, the ids on the page, and the revision of the catalogue.
- `watched`: which of the ids are unfinished jobs, as a bitmap.
- `live`: of these jobs and of their positions in their queues.
- `until`: when the page is read again in any case: as something on it expires, and after MAX_AGE at the latest. That
  bounds what the other parts do not tell, such as a dropped object that was deleted.

The answer to a request without an ETag saves these reads, and its own ETag has the content alone: a client that polls
gets the other parts with its second request.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from waybill.jobs.items import job_item
from waybill.jobs.model import Job

if TYPE_CHECKING:
    from request import Request

MAX_AGE = timedelta(minutes=5)


@dataclass(frozen=True)
class ListTag:
    """The parts of an ETag, as above; `until` is in epoch seconds."""

    content: str
    list: str
    watched: int
    live: str
    until: int

    def __str__(self) -> str:
        return f'"{self.content}.{self.list}.{self.watched:x}.{self.live}.{self.until:x}"'

    @classmethod
    def of(cls, request: Request) -> ListTag | None:
        """The one that the client knows; None without `If-None-Match`, or with another one's."""
        for tag in (request.headers.get("if-none-match") or "").split(","):
            try:
                content, list_, watched, live, until = tag.strip().removeprefix("W/").strip('"').split(".")
                return cls(content, list_, int(watched, 16), live, int(until, 16))
            except ValueError:
                continue
        return None

    def is_current(self, request: Request, list_: str, job_ids: Sequence[str]) -> bool:
        """Whether the page is as it was. Reads its unfinished jobs, and the queues of those that wait.

        Args:
            list_: `list_digest` of now.
            job_ids: on the page.
        """
        services = request.services
        if self.list != list_ or self.until <= services.clock.now().timestamp():
            return False
        watched = [job_id for place, job_id in enumerate(job_ids) if self.watched >> place & 1]
        return self.live == live_digest(request, services.jobs.find_many(watched) if watched else [])


UNPROVEN = ListTag(content="", list="", watched=0, live="", until=0)


def new_tag(request: Request, list_: str, job_ids: Sequence[str], jobs: Sequence[Job]) -> ListTag:
    """The ETag of an answer that is made of `jobs`, still without its content. Make it before the answer: what changes
    meanwhile then shows at the next time.

    Args:
        jobs: those of the page that have not expired.
    """
    unfinished = [job for job in jobs if not job.is_terminal]
    places = {job_id: place for place, job_id in enumerate(job_ids)}
    now = request.services.clock.now()
    expiries = (expiry for job in jobs for expiry in (job.files_expire_at, job.expires_at) if expiry and expiry > now)
    return ListTag(
        content="",
        list=list_,
        watched=sum(1 << places[job.job_id] for job in unfinished),
        live=live_digest(request, unfinished),
        until=int(min([now + MAX_AGE, *expiries]).timestamp()),
    )


def list_digest(request: Request, job_ids: Sequence[str], next_token: str | None) -> str:
    """The part `list` of an ETag: a read of the catalogue's revision. Take it before entities and jobs are read."""
    caller = request.caller
    asked = [caller.subject, caller.name, sorted(caller.groups), request.base_url, request.raw_query_string]
    return _digest([asked, request.services.entities.revision(), list(job_ids), next_token])


def live_digest(request: Request, jobs: Sequence[Job]) -> str:
    """The part `live` of an ETag: reads the queues of imports that wait."""
    queues = {job.entity_uid for job in jobs if job.is_queued}
    positions = {uid: request.services.queue.positions(uid) for uid in sorted(queues)}
    return _digest([[job_item(job), positions.get(job.entity_uid, {}).get(job.job_id)] for job in jobs])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
