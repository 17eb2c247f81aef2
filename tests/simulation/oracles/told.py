"""Webhooks: the end of a job is told to whoever was to be told, signed, and nothing else is (docs/webhooks.md)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections import defaultdict

from tests.simulation.oracles.sight import Sight
from tests.simulation.servers import SIGNING_KEY
from waybill.aws.dynamodb import from_attributes

#: After so many attempts, or so many days, or the answer 410, a message is given up.
ATTEMPTS, DAYS, GONE = 8, 3, 410


def every_end_is_told(watch: Sight) -> None:
    """Whoever is to be told of the end of a job has taken a message, or it waits for its next attempt, or was given up.
    One end has one id and one body, which says how the job has ended."""
    name = every_end_is_told
    taken: dict[tuple[str, str], set[str]] = defaultdict(set)
    sent: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (url, webhook_id), posts in watch.hooks.sent.items():
        sent[url, json.loads(posts[0].body)["data"]["jobId"]].add(webhook_id)
    for (url, job_id), ids in sent.items():
        watch.require(len(ids) == 1, name, f"{url} was told of {job_id} with several ids: {ids}")
    for (url, webhook_id), posts in watch.hooks.taken.items():
        bodies = {post.body for post in posts}
        watch.require(len(bodies) == 1, name, f"{url} got {webhook_id} with {len(bodies)} bodies")
        told = json.loads(posts[0].body)
        job_id = told["data"]["jobId"]
        taken[url, job_id].add(webhook_id)
        watch.require((url, job_id) in watch.to_be_told, name, f"{url} was told of {job_id}, and nobody asked for it")
        job = watch.jobs[job_id].job
        said = {**{key: told["data"][key] for key in ("status", "stopReason", "mode")}, "type": told["type"]}
        is_right = {
            "status": str(job.status),
            "stopReason": job.stop_reason,
            "mode": job.mode,
            "type": f"job.{job.status.lower()}",
        }
        watch.require(said == is_right, name, f"{url} was told {said}, and {job_id} ended with {is_right}")
        watch.require(told["data"]["counts"]["imported"] == job.counts.imported, name, f"{url} was told other counts")
        codes = [warning["code"] for warning in job.warnings]
        watch.require(told["data"]["warnings"] == codes, name, f"{job_id} has {codes}, told are {told['data']}")
    waiting, dead = _waiting(watch, "WEBHOOK"), _waiting(watch, "WEBHOOK#DEAD")
    entities = _live_entities(watch)
    for url, job_id in watch.to_be_told:
        if watch.is_poisoned(job_id) or watch.jobs[job_id].job.entity_uid not in entities:
            continue
        ids = taken[url, job_id]
        is_left = (url, job_id) in waiting or (url, job_id) in dead
        watch.require(bool(ids) or is_left, name, f"{url} was never told of the end of {job_id}")


def attempts_are_made_in_time(watch: Sight) -> None:
    """What waits at the end has had an attempt and waits for the next one, at most 14 hours later; what was given up
    had all of its attempts, or its receiver wanted no more."""
    name, now = attempts_are_made_in_time, watch.aws.timeline.now()
    for entry in _waiting(watch, "WEBHOOK").values():
        due = entry["sk"].partition("#")[0]
        watch.require(entry["attempts"] >= 1, name, f"no attempt was made: {entry}")
        watch.require(due > now.strftime("%Y-%m-%dT%H:%M:%S"), name, f"at {now} this was due and is there: {entry}")
    for (url, _), entry in _waiting(watch, "WEBHOOK#DEAD").items():
        answers = watch.hooks.answered[url, entry["sk"].partition("#")[2]]
        is_over = entry["attempts"] >= ATTEMPTS or GONE in answers
        watch.require(is_over, name, f"given up after {entry['attempts']} attempts, answers {answers}")


def messages_are_signed(watch: Sight) -> None:
    """Standard Webhooks, *Symmetric*: the signature is that of id, time and body."""
    for (url, webhook_id), posts in watch.hooks.taken.items():
        for post in posts:
            signed = f"{webhook_id}.{post.headers['webhook-timestamp']}.{post.body}".encode()
            right = base64.b64encode(hmac.digest(SIGNING_KEY, signed, hashlib.sha256)).decode()
            given = post.headers["webhook-signature"]
            watch.require(given == f"v1,{right}", messages_are_signed, f"{url} got {given}")


def _waiting(watch: Sight, partition: str) -> dict[tuple[str, str], dict[str, object]]:
    """The entries of the queue by address and job."""
    items = watch.server.tables[watch.settings.jobs_table].query(partition)
    entries = [from_attributes(item) for item in items]
    return {(entry["url"], entry["jobId"]): entry for entry in entries}


def _live_entities(watch: Sight) -> set[str]:
    items = watch.server.tables[watch.settings.catalog_table].query("ENTITY")
    return {str(from_attributes(item)["uid"]) for item in items}
