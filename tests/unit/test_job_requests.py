"""What becomes of a job's requests when DynamoDB collides or hangs."""

from __future__ import annotations

import time

import pytest

from tests import builders
from tests.builders import START, Clock
from tests.unit.test_dynamodb import Pauses, PlayedDynamoDB, client, played, refusal
from waybill.aws.dynamodb import TransactionCanceled, to_attributes
from waybill.aws.table import Table
from waybill.bootstrap import Services
from waybill.errors import Superseded
from waybill.jobs.items import job_item
from waybill.jobs.leases import LEASE_SECONDS, WRITE_TIMEOUT_SECONDS
from waybill.jobs.ledger import Ledger, LedgerEntry
from waybill.jobs.model import ChunkLease, Job, Process, Retention, Status
from waybill.jobs.outbox import Outbox
from waybill.jobs.repository import JobRepository

__all__ = ["played"]


def ledger_of(played: PlayedDynamoDB, pauses: Pauses | None = None) -> Ledger:
    table, clock = Table(client(played, pauses), "jobs"), Clock()
    outbox = Outbox(table, clock, lambda job, done: True)
    return Ledger(table, table, JobRepository(table, outbox, Retention(1, 1, 1, 1), clock), clock)


COLLISION = refusal("TransactionCanceledException", CancellationReasons=[{"Code": "TransactionConflict"}])
ENTRY = LedgerEntry(0, 0, "attempt", 10, 0, 0, 0, 12, 500, True)


def test_a_commit_that_only_collides_is_tried_again_with_one_token(played: PlayedDynamoDB) -> None:
    played.plan, pauses = [COLLISION] * 20 + [(200, {})], Pauses()
    assert ledger_of(played, pauses).commit("job", ENTRY) == ENTRY
    assert len({body["ClientRequestToken"] for _, body in played.requests}) == 1
    assert len(pauses) > 15


def test_a_commit_that_collides_all_the_time_is_no_sign_of_another_attempt(played: PlayedDynamoDB) -> None:
    played.plan = [lambda body: COLLISION if "TransactItems" in body else (200, {"Items": []})] * 1000
    with pytest.raises(TransactionCanceled) as raised:
        ledger_of(played, Pauses()).commit("job", ENTRY)
    assert raised.value.retryable
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed"}]
    played.plan = [refusal("TransactionCanceledException", CancellationReasons=reasons), (200, {"Items": []})]
    with pytest.raises(Superseded):
        ledger_of(played).commit("job", ENTRY)


def test_a_heartbeat_that_hangs_leaves_time_for_another(
    played: PlayedDynamoDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    item = to_attributes(job_item(Job("j", Process.IMPORT, Status.IN_PROGRESS, "e", "u", "f", START, "a")))
    played.plan = [8.0, (200, {"Attributes": item})]
    began = time.monotonic()
    beaten = Services(builders.settings(played.url), Clock()).ledger.heartbeat("j", 0, ChunkLease("attempt"))
    assert beaten.job_id == "j"
    assert time.monotonic() - began < LEASE_SECONDS - WRITE_TIMEOUT_SECONDS
