"""The end of a job is told to the addresses that a definition names: signed, at least once, and at nobody's cost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from tests.api_builders import ADMIN, CONTACTS, EXPORT, OPS, PERIODIC, SALES, SOURCE, Api
from tests.builders import contacts_csv
from tests.importing import BAD_ROWS, run
from tests.integration.test_export_runs import end
from tests.partner_servers import HOST, certificate
from tests.unit.test_webhooks import documented
from tests.webhook_receivers import Receiver, receiving
from waybill.bootstrap import Services
from waybill.errors import DeliveryFailed
from waybill.ids import new_uuid
from waybill.jobs.audit import Wanted
from waybill.jobs.model import Job, Status
from waybill.jobs.webhook_queue import MAX_ATTEMPTS, PAUSES, Message, webhook_id
from waybill.jobs.webhooks import Webhook
from waybill.upkeep.announcements import publish_late
from waybill.webhooks import send
from waybill.webhooks.send import LIMIT_REACHED, send_due

NEW, OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
SECRET_ID = "waybill/hooks"
SECRET: dict[str, Any] = {"host": HOST, "entities": ["contacts"], "signingSecrets": [NEW]}


@pytest.fixture
def secrets(moto_url: str, api: Api) -> Any:
    client = boto3.client("secretsmanager", endpoint_url=moto_url, region_name="us-east-1")
    client.create_secret(Name=SECRET_ID, SecretString=json.dumps(SECRET))
    return client


@pytest.fixture
def receiver(
    secrets: Any, api: Api, tester: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Receiver]:
    """A receiver that the deployment allows, and whose certificate this machine trusts."""
    trusted = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.file))
    settings = replace(api.services.settings, allowed_private_hosts=HOST, console_url="https://api.test/console/")
    monkeypatch.setattr(api.services, "settings", settings)
    with receiving(trusted) as receiver:
        yield receiver


def named(receiver: Receiver, path: str = "/in") -> list[dict[str, str]]:
    return [{"url": f"https://{HOST}:{receiver.port}{path}", "secretId": SECRET_ID}]


def imported(api: Api, data: bytes | None = None, **options: Any) -> Job:
    upload_id = api.upload(data=contacts_csv(count=3) if data is None else data)
    answer = api("POST", "/imports", body={"uploadId": upload_id, **options})
    assert answer.status == 202, answer.text
    return run(api.services, api.services.jobs.get(answer.json["jobId"]))


def add(services: Services, messages: int, url: str) -> None:
    """Put messages into the queue."""
    entity = services.entities.get("contacts")
    for number in range(messages):
        name = webhook_id(f"{number}", str(services.clock.now()), url)
        webhook = Webhook(url, SECRET_ID)
        services.webhooks.add(Message(name, webhook, entity.name, entity.uid, new_uuid(), f'{{"number":{number}}}'))


def queued(services: Services) -> list[dict[str, Any]]:
    items = services.dynamodb.call("Scan", {"TableName": services.settings.jobs_table})["Items"]
    return [item for item in items if item["pk"]["S"].startswith("WEBHOOK") and "body" in item]


# What is told


def test_each_import_of_an_entity_is_told_signed_and_without_row_data(api: Api, receiver: Receiver) -> None:
    api.put_contacts(webhooks=named(receiver))
    job = imported(api, contacts_csv(BAD_ROWS, count=3))
    assert receiver.got == []  # whoever ends a job waits for nobody
    assert send_due(api.services) == 1
    [(path, headers, body)] = receiver.got
    assert (path, headers["content-type"], headers["host"]) == ("/in", "application/json", f"{HOST}:{receiver.port}")
    told = documented()(headers, body.encode(), NEW, now=api.services.clock.now().timestamp())
    resource = api("GET", f"/jobs/{job.job_id}").json
    assert (told["type"], told["timestamp"]) == ("job.completed", resource["completedAt"])
    data = told["data"]
    shared = data.keys() & resource.keys() - {"links", "warnings", "error"}
    assert {name: data[name] for name in shared} == {name: resource[name] for name in shared}
    assert {"jobId", "counts", "outcome", "fileName", "entity", "process"} <= shared
    assert data["links"] == {
        "job": f"https://api.test/v1/jobs/{job.job_id}",
        "console": "https://api.test/console/",
        "errorLog": f"https://api.test/v1/jobs/{job.job_id}/error-log",
        "rejects": f"https://api.test/v1/jobs/{job.job_id}/rejects",
    }
    rows = contacts_csv(BAD_ROWS, count=3).decode().splitlines()[1:]
    cells = {cell for row in rows for cell in row.split(",") if len(cell) > 3}
    assert not any(cell in body for cell in cells)
    assert send_due(api.services) == 0 and queued(api.services) == []


def test_a_failure_is_told_by_its_code_alone(api: Api, receiver: Receiver) -> None:
    """Its words may quote the header, which is the first row of a file that lacks one."""
    api.put_contacts(webhooks=named(receiver))
    job = imported(api, b"contact_id,contact_id\n1,2\n")
    assert job.status is Status.FAILED and job.error_message
    send_due(api.services)
    [told] = receiver.bodies
    assert (told["type"], told["data"]["error"]) == ("job.failed", {"code": job.error_code})
    assert job.error_message not in json.dumps(told)


def test_a_canceled_import_and_a_dry_run_are_told(api: Api, receiver: Receiver) -> None:
    api.put_contacts(webhooks=named(receiver))
    upload_id = api.upload()
    api.services.running_imports.find("x")
    waiting = api("POST", "/imports", body={"uploadId": upload_id}).json
    assert api("POST", f"/jobs/{waiting['jobId']}/cancel").status == 200
    imported(api, dryRun=True)
    send_due(api.services)
    assert sorted((told["type"], told["data"]["dryRun"]) for told in receiver.bodies) == [
        ("job.canceled", False),
        ("job.completed", True),
    ]


def test_an_import_tells_its_own_addresses_and_those_of_its_entity_each_once(api: Api, receiver: Receiver) -> None:
    api.put_contacts(webhooks=[*named(receiver), *named(receiver, "/entity")])
    job = imported(api, contacts_csv(BAD_ROWS, count=3), webhooks=[*named(receiver), *named(receiver, "/own")])
    send_due(api.services)
    assert sorted(path for path, _, _ in receiver.got) == ["/entity", "/in", "/own"]
    assert len(set(receiver.ids)) == 3
    child = api("POST", f"/jobs/{job.job_id}/relaunch", body={}).json
    run(api.services, api.services.jobs.get(child["jobId"]))
    send_due(api.services)
    assert sorted(path for path, _, _ in receiver.got[3:]) == ["/entity", "/in", "/own"]
    assert {told["data"]["retryOf"] for told in receiver.bodies[3:]} == {job.job_id}


@pytest.mark.parametrize("act", ["relaunch", "undo"])
def test_an_address_that_an_entity_names_no_more_is_not_told(api: Api, receiver: Receiver, act: str) -> None:
    api.put_contacts(webhooks=named(receiver, "/old"), keepPrevious=True)
    job = imported(api, contacts_csv(BAD_ROWS, count=3), webhooks=named(receiver, "/own"))
    api.put_contacts(webhooks=named(receiver, "/new"), keepPrevious=True)
    send_due(api.services)
    receiver.got.clear()
    child = api("POST", f"/jobs/{job.job_id}/{act}", body={})
    assert child.status in (201, 202), child.text
    run(api.services, api.services.jobs.get(child.json["jobId"]))
    send_due(api.services)
    assert sorted(path for path, _, _ in receiver.got) == ["/new", "/own"]


def test_a_dropped_file_that_is_refused_is_told_to_its_entity(
    api: Api, receiver: Receiver, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.importing import start

    api.put_contacts(webhooks=named(receiver))
    start(api.services, s3, b"x", key="drop/contacts/x.csv", mode="nonsense")
    start(api.services, s3, b"x", key="drop/nobody/x.csv")
    send_due(api.services)
    [told] = receiver.bodies
    assert (told["type"], told["data"]["error"]["code"]) == ("job.failed", "source-error")


def test_runs_of_exports_are_told(api: Api, receiver: Receiver) -> None:
    api.put_contacts()
    body = EXPORT | PERIODIC | {"webhooks": named(receiver)}
    export = api("POST", "/exports", body=body)
    assert (export.status, export.json["webhooks"]) == (201, named(receiver)), export.text
    path = f"/exports/{export.json['exportId']}"
    api("POST", f"{path}/activate")
    assert api("GET", f"{path}/definition").json["webhooks"] == named(receiver)
    run_id = api("POST", f"{path}/run").json["jobId"]
    end(api.services, api.services.jobs.get(run_id))
    send_due(api.services)
    [told] = receiver.bodies
    assert (told["type"], told["data"]["exportId"]) == ("job.completed", export.json["exportId"])
    assert told["data"]["process"] == "export"


def test_a_source_keeps_its_addresses(api: Api, receiver: Receiver) -> None:
    api.put_contacts()
    source = api("POST", "/sources", body=SOURCE | {"webhooks": named(receiver)})
    assert (source.status, source.json["webhooks"]) == (201, named(receiver)), source.text


# Attempts


def test_a_message_that_is_not_taken_comes_again_with_its_id_for_32_hours(
    api: Api, receiver: Receiver, clock: Any
) -> None:
    api.put_contacts(webhooks=named(receiver))
    imported(api)
    receiver.answers = [500] * (MAX_ATTEMPTS - 1)
    begun = clock.now()
    for pause in PAUSES:
        assert send_due(api.services) == 0
        clock.moment += pause * 0.99
        assert send_due(api.services) == 0
        clock.moment += pause * 0.01
    assert len(receiver.got) == MAX_ATTEMPTS - 1
    assert 30 < (clock.now() - begun).total_seconds() / 3600 < 33
    assert send_due(api.services) == 1
    assert len(set(receiver.ids)) == 1 and len({body for _, _, body in receiver.got}) == 1
    stamps = [int(headers["webhook-timestamp"]) for _, headers, _ in receiver.got]
    assert stamps == sorted(set(stamps))
    assert queued(api.services) == []


def given_up(api: Api) -> list[dict[str, Any]]:
    answer = api("GET", "/webhooks/dead-letters", ADMIN)
    assert answer.status == 200, answer.text
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def test_what_is_given_up_alarms_and_is_sent_again_when_an_admin_says_so(
    api: Api, receiver: Receiver, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics: list[dict[str, int]] = []
    monkeypatch.setattr(send, "count", lambda dimensions, **counts: metrics.append(counts))
    api.put_contacts(webhooks=named(receiver))
    job = imported(api)
    receiver.answers = [503] * MAX_ATTEMPTS
    for pause in (*PAUSES, PAUSES[-1]):
        send_due(api.services)
        clock.moment += pause
    assert metrics == [{"WebhookAttemptsFailed": 1}] * (MAX_ATTEMPTS - 1) + [{"WebhooksGivenUp": 1}]
    [letter] = given_up(api)
    assert (letter["jobId"], letter["attempts"], letter["reason"]) == (job.job_id, MAX_ATTEMPTS, "answer 503")
    assert api("GET", "/webhooks/dead-letters", OPS).status == 403
    assert api("POST", "/webhooks/dead-letters/redrive", OPS, body={}).status == 403
    assert api("POST", "/webhooks/dead-letters/redrive", ADMIN, body={"entity": "orders"}).json["redriven"] == 0
    redriven = api("POST", "/webhooks/dead-letters/redrive", ADMIN, body={"entity": "contacts"}).json
    assert redriven == {"redriven": 1, "isMore": False}
    assert send_due(api.services) == 1
    assert set(receiver.ids) == {letter["webhookId"]}
    assert given_up(api) == []


def test_dead_letters_come_in_pages_and_are_redriven_in_parts(api: Api, receiver: Receiver) -> None:
    api.put_contacts(webhooks=[*named(receiver, "/1"), *named(receiver, "/2"), *named(receiver, "/3")])
    imported(api)
    receiver.answers = [410] * 3
    for _ in range(3):  # one failure of a host is enough for a call
        send_due(api.services)
    page = api("GET", "/webhooks/dead-letters", ADMIN, query={"limit": "2"}).json
    rest = api("GET", "/webhooks/dead-letters", ADMIN, query={"limit": "2", "nextToken": page["nextToken"]}).json
    assert (len(page["items"]), len(rest["items"]), rest["nextToken"]) == (2, 1, None)
    assert {each["reason"] for each in page["items"]} == {"answer 410"}  # at the first attempt
    moved, is_more = api.services.webhooks.redrive(2)
    assert (moved, is_more) == (2, True)
    assert api.services.webhooks.redrive(2) == (1, False)
    assert send_due(api.services) == 3


def test_beyond_the_limit_of_a_day_messages_wait_for_the_next_one(api: Api, receiver: Receiver, clock: Any) -> None:
    api.services.daily_webhooks._limit = 1
    api.put_contacts(webhooks=[*named(receiver, "/1"), *named(receiver, "/2")])
    imported(api)
    assert send_due(api.services) == 1
    clock.forward(hours=11)
    assert send_due(api.services) == 0
    clock.forward(hours=1)
    assert send_due(api.services) == 1
    assert sorted(path for path, _, _ in receiver.got) == ["/1", "/2"]
    assert given_up(api) == []


def test_one_entity_cannot_use_up_the_day_of_the_others(api: Api, receiver: Receiver) -> None:
    limit = api.services.daily_webhooks
    limit._limit = 8  # two an entity
    api.put_contacts()
    add(api.services, 4, receiver.url)
    assert [send_due(api.services) for _ in range(2)] == [2, 0]
    assert [limit.take(f"another {number}") for number in range(8)] == [True] * 6 + [False] * 2
    limit.give_back("another 0")
    assert [limit.take(f"another {number}") for number in (0, 1)] == [True, False]


def test_what_is_refused_before_it_is_sent_is_not_counted(
    api: Api, receiver: Receiver, secrets: Any, clock: Any
) -> None:
    api.put_contacts()
    api.services.daily_webhooks._limit = 4  # one an entity
    add(api.services, 1, "https://127.0.0.1/")  # the secret is for another host
    assert send_due(api.services) == 0
    secrets.put_secret_value(SecretId=SECRET_ID, SecretString=json.dumps(SECRET | {"host": "127.0.0.1"}))
    clock.forward(minutes=2)
    assert send_due(api.services) == 0
    assert [item["reason"]["S"] for item in queued(api.services)] == ["host-refused"]
    assert api.services.daily_webhooks.take(api.services.entities.get("contacts").uid)


def test_a_message_that_cannot_be_sent_for_three_days_is_given_up(api: Api, receiver: Receiver, clock: Any) -> None:
    api.services.daily_webhooks._limit = 0
    api.put_contacts(webhooks=named(receiver))
    imported(api)
    for _ in range(4):
        send_due(api.services)
        clock.forward(days=1)
    send_due(api.services)
    [letter] = given_up(api)
    assert (letter["reason"], letter["attempts"]) == (LIMIT_REACHED, 0)
    assert receiver.got == []


@pytest.mark.parametrize("what", [RuntimeError, "Crash"])
def test_a_message_whose_attempts_die_is_given_up(
    api: Api, receiver: Receiver, clock: Any, monkeypatch: pytest.MonkeyPatch, what: Any
) -> None:
    api.put_contacts()
    add(api.services, 1, "https://a.example.com/")
    tried: list[str] = []

    def die(webhook: Webhook, *_: Any, **__: Any) -> int:
        tried.append(webhook.host)
        raise Crash if what == "Crash" else RuntimeError

    monkeypatch.setattr(api.services, "webhook_client", SimpleNamespace(post=die), raising=False)
    monkeypatch.setattr(send, "signing_keys", lambda *_: [b"k" * 32])
    for pause in (*PAUSES, PAUSES[-1], PAUSES[-1]):
        with suppress(Crash):
            send_due(api.services)
        clock.moment += pause
    assert len(tried) == MAX_ATTEMPTS
    [letter] = given_up(api)
    assert letter["attempts"] == MAX_ATTEMPTS and letter["reason"]


def test_dead_letters_that_have_expired_are_gone(api: Api, receiver: Receiver, clock: Any) -> None:
    """DynamoDB removes them within days only."""
    api.put_contacts(webhooks=named(receiver))
    imported(api)
    receiver.answers = [410]
    send_due(api.services)
    clock.forward(days=13)
    assert len(given_up(api)) == 1
    clock.forward(days=1, seconds=1)
    assert given_up(api) == []
    assert api("POST", "/webhooks/dead-letters/redrive", ADMIN, body={}).json["redriven"] == 0


class Crash(BaseException):
    pass


def test_an_attempt_that_dies_is_followed_by_another(api: Api, receiver: Receiver, clock: Any) -> None:
    """Whether the receiver has taken the message is not known: it comes again, with its id."""
    api.put_contacts(webhooks=named(receiver))
    imported(api)
    remove = api.services.webhooks.remove

    def die(*_: Any) -> None:
        raise Crash

    api.services.webhooks.remove = die  # type: ignore[method-assign]
    with pytest.raises(Crash):
        send_due(api.services)
    api.services.webhooks.remove = remove  # type: ignore[method-assign]
    assert send_due(api.services) == 0  # nobody else sends it at the same time
    clock.moment += PAUSES[0]
    assert send_due(api.services) == 1
    assert len(receiver.got) == 2 and len(set(receiver.ids)) == 1


def test_two_who_send_at_once_send_a_message_once(api: Api, receiver: Receiver) -> None:
    api.put_contacts(webhooks=named(receiver))
    imported(api)
    [seen] = list(api.services.webhooks.due())
    assert api.services.webhooks.claim(seen) is not None
    assert api.services.webhooks.claim(seen) is None
    assert send_due(api.services) == 0


def test_a_publication_that_dies_queues_each_message(
    api: Api, receiver: Receiver, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put_contacts(webhooks=[*named(receiver, "/1"), *named(receiver, "/2")])
    add, calls = api.services.webhooks.add, iter([True, False])

    def once(message: Any) -> None:
        if not next(calls, True):
            raise RuntimeError("no table")
        add(message)

    monkeypatch.setattr(api.services.webhooks, "add", once)
    assert imported(api).status is Status.COMPLETED
    assert len(queued(api.services)) == 1
    clock.forward(minutes=5)
    publish_late(api.services)
    assert send_due(api.services) == 2
    assert sorted(path for path, _, _ in receiver.got) == ["/1", "/2"]


def test_a_host_that_fails_keeps_no_other_waiting(api: Api, receiver: Receiver) -> None:
    with_dead_end = [{"url": f"https://{HOST}:1/{number}", "secretId": SECRET_ID} for number in range(4)]
    api.put_contacts(webhooks=[*with_dead_end, *named(receiver)])
    imported(api)
    connects: list[int] = []
    post = api.services.webhook_client.post

    def counting(webhook: Webhook, *arguments: Any, **limits: Any) -> int:
        connects.append(webhook.port)
        return post(webhook, *arguments, **limits)

    api.services.webhook_client.post = counting  # type: ignore[method-assign]
    assert send_due(api.services) == 1
    assert sorted(connects) == [1, receiver.port]


@pytest.mark.parametrize("process", ["import", "export"])
def test_the_end_of_a_job_is_told_though_it_is_deleted_before(
    api: Api, receiver: Receiver, clock: Any, monkeypatch: pytest.MonkeyPatch, process: str
) -> None:
    def throttled(_: Any) -> None:
        raise RuntimeError("no table")

    api.put_contacts(webhooks=named(receiver) if process == "import" else [])
    with monkeypatch.context() as patch:
        patch.setattr(api.services.webhooks, "add", throttled)
        if process == "import":
            job_id = imported(api).job_id
        else:
            export_id = api("POST", "/exports", body=EXPORT | PERIODIC | {"webhooks": named(receiver)}).json["exportId"]
            api("POST", f"/exports/{export_id}/activate")
            job_id = api("POST", f"/exports/{export_id}/run").json["jobId"]
            end(api.services, api.services.jobs.get(job_id))
    assert api("DELETE", f"/jobs/{job_id}").status == 204
    clock.forward(minutes=5)
    publish_late(api.services)
    assert send_due(api.services) == 1
    assert receiver.bodies[0]["data"]["jobId"] == job_id


def healthy_after(
    api: Api, clock: Any, monkeypatch: pytest.MonkeyPatch, slow: list[str], seconds: float, answer: int | None
) -> int:
    """The number of the minute in which a receiver is told that stands behind 20 messages for each of the slow ones.

    Args:
        answer: theirs, after so many seconds; None for no answer.
    """
    told: list[str] = []

    def post(webhook: Webhook, *_: Any, **__: Any) -> int:
        told.append(webhook.host)
        if webhook.host == "good.example.com":
            return 204
        clock.forward(seconds=seconds)
        if answer is None:
            raise DeliveryFailed("timeout", "late")
        return answer

    monkeypatch.setattr(api.services, "webhook_client", SimpleNamespace(post=post), raising=False)
    monkeypatch.setattr(send, "signing_keys", lambda *_: [b"k" * 32])
    clock.is_still = True
    api.put_contacts()
    for address in slow:
        add(api.services, 20, address)
    for minute in range(1, 30):
        clock.forward(seconds=1)
        add(api.services, 1, "https://good.example.com/")
        told.clear()
        began, ends = clock.now(), clock.monotonic() + 40
        send_due(api.services, lambda: clock.monotonic() < ends)  # noqa: B023
        if "good.example.com" in told:
            return minute
        clock.forward(seconds=max(0.0, 60 - (clock.now() - began).total_seconds()))
    return 30


@pytest.mark.parametrize(("seconds", "answer"), [(15.0, None), (14.0, 200), (14.0, 503)])
def test_slow_receivers_keep_the_others_waiting_for_a_minute_at_most(
    api: Api, receiver: Receiver, clock: Any, monkeypatch: pytest.MonkeyPatch, seconds: float, answer: int | None
) -> None:
    slow = [f"https://{name}.example.com/" for name in "abc"]
    assert healthy_after(api, clock, monkeypatch, slow, seconds, answer) <= 2


def test_a_receiver_is_one_however_it_is_spelled(
    api: Api, receiver: Receiver, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = [
        "https://a.example.com/",
        "https://A.example.com/x",
        "https://a.example.com:443/",
        "https://a.example.com./",
    ]
    assert healthy_after(api, clock, monkeypatch, slow, 15.0, None) == 1


def test_a_receiver_that_is_well_again_gets_all_that_waits(api: Api, receiver: Receiver, clock: Any) -> None:
    api.put_contacts()
    add(api.services, 5, receiver.url)
    receiver.answers = [503]
    assert send_due(api.services) == 0
    assert list(api.services.webhooks.troubled()) == [f"{HOST}:{receiver.port}"]
    assert send_due(api.services) == 4
    assert api.services.webhooks.troubled() == {}


def test_messages_of_a_deleted_entity_are_not_sent(api: Api, receiver: Receiver) -> None:
    api.put_contacts(webhooks=named(receiver))
    imported(api)
    assert api("DELETE", "/entities/contacts", ADMIN).status == 204
    api.put_contacts()
    assert send_due(api.services) == 0
    assert receiver.got == [] and queued(api.services) == []


# Hosts and secrets


def post_to(api: Api, receiver: Receiver, seconds: float = 15.0) -> int | str:
    try:
        return api.services.webhook_client.post(Webhook(receiver.url, SECRET_ID), {}, "{}", seconds)
    except DeliveryFailed as error:
        return error.reason


def test_redirects_are_not_followed(api: Api, receiver: Receiver) -> None:
    receiver.answers = [307]
    assert post_to(api, receiver) == 307
    assert [path for path, _, _ in receiver.got] == ["/in"]


@pytest.mark.parametrize("pause", [0.0, 0.05])
@pytest.mark.parametrize("answer", [b"x", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: y\r\n"])
def test_a_receiver_that_answers_without_end_is_given_up_in_time(
    api: Api, receiver: Receiver, answer: bytes, pause: float
) -> None:
    """Each byte is within the timeout of a socket; a header whose end never comes is no answer."""
    receiver.trickle, receiver.pause = answer, pause
    began = time.monotonic()
    assert post_to(api, receiver, 0.5) in ({"timeout"} if pause else {"timeout", "connection-lost"})
    assert time.monotonic() - began < 10


def test_a_host_that_is_private_is_not_called_unless_allowed(
    api: Api, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when it is named, nor when its name has come to mean another address."""
    monkeypatch.setattr(api.services, "settings", replace(api.services.settings, allowed_private_hosts=""))
    answer = api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | {"webhooks": named(receiver)})
    assert (answer.status, answer.pointers) == (422, ["#/webhooks/0/url"])
    assert post_to(api, receiver) == "host-refused"
    assert receiver.got == []


def test_an_unknown_certificate_is_refused(
    api: Api, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate(tmp_path).file))
    assert post_to(api, receiver) == "certificate"


FOREIGN: dict[str, Any] = {
    "another host": SECRET | {"host": "hooks.example.com"},
    "another entity": SECRET | {"entities": ["orders"]},
    "no binding": {"signingSecrets": [NEW]},
    "there is none": None,
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_secret_signs_nothing(api: Api, receiver: Receiver, secrets: Any, what: str) -> None:
    """Refused when it is named, tested, and, for what was saved before, when a message is sent."""
    api.put_contacts(webhooks=named(receiver))
    imported(api)
    secrets.delete_secret(SecretId=SECRET_ID, ForceDeleteWithoutRecovery=True)
    if FOREIGN[what] is not None:
        secrets.create_secret(Name=SECRET_ID, SecretString=json.dumps(FOREIGN[what]))
    told = {"webhooks": named(receiver)}
    requests = [
        ("PUT", "/entities/contacts", ADMIN, CONTACTS | told),
        ("POST", "/exports", OPS, EXPORT | told),
        ("POST", "/sources", OPS, SOURCE | told),
        ("POST", "/imports", OPS, {"uploadId": api.upload(OPS), **told}),
    ]
    details = set()
    for method, path, who, body in requests:
        answer = api(method, path, who, body=body)
        assert (answer.status, answer.pointers) == (422, ["#/webhooks/0/secretId"]), path
        details.add(answer.json["errors"][0]["detail"])
    test = api("POST", "/webhooks/test", OPS, body={"entity": "contacts", "webhook": named(receiver)[0]}).json
    assert (test["ok"], test["code"]) == (False, "secret")
    assert details == {test["detail"]}
    assert send_due(api.services) == 0
    assert receiver.got == []


def test_a_secret_is_replaced_without_a_message_that_nobody_can_verify(
    api: Api, receiver: Receiver, secrets: Any
) -> None:
    api.put_contacts(webhooks=named(receiver))
    now = api.services.clock.now().timestamp()
    for signing, verified_by in (([OLD], {OLD}), ([NEW, OLD], {NEW, OLD}), ([NEW], {NEW})):
        secrets.put_secret_value(SecretId=SECRET_ID, SecretString=json.dumps(SECRET | {"signingSecrets": signing}))
        imported(api)
        send_due(api.services)
        _, headers, body = receiver.got[-1]
        for secret in (OLD, NEW):
            try:
                documented()(headers, body.encode(), secret, now=now)
                is_verified = True
            except ValueError:
                is_verified = False
            assert is_verified == (secret in verified_by)


# Tests


def test_a_test_sends_an_event_and_says_what_the_receiver_answered(api: Api, receiver: Receiver) -> None:
    api.put_contacts()
    body = {"entity": "contacts", "webhook": named(receiver)[0]}
    assert api("POST", "/webhooks/test", OPS, body=body).json == {
        "ok": True,
        "code": None,
        "detail": f"{HOST} took the event and answered 204.",
    }
    [(_, headers, sent)] = receiver.got
    told = documented()(headers, sent.encode(), NEW, now=api.services.clock.now().timestamp())
    assert (told["type"], told["data"]) == ("webhook.test", {"entity": "contacts"})
    receiver.answers = [302]
    failed = api("POST", "/webhooks/test", OPS, body=body).json
    assert (failed["ok"], failed["code"], "302" in failed["detail"]) == (False, "protocol", True)
    assert [each["action"] for each in api.services.audit.page(Wanted(), 10)[0]].count("testWebhook") == 2
    assert api("POST", "/webhooks/test", SALES, body=body).status == 403
    assert api("POST", "/webhooks/test", OPS, body=body | {"entity": "orders"}).status == 404
    bad = api("POST", "/webhooks/test", OPS, body=body | {"webhook": {"url": "http://a.example", "secretId": "s"}})
    assert (bad.status, bad.pointers) == (422, ["#/webhook/url"])


def test_tests_count_among_the_requests_of_a_day(api: Api, receiver: Receiver) -> None:
    api.services.daily_webhooks._limit = 1
    api.put_contacts()
    body = {"entity": "contacts", "webhook": named(receiver)[0]}
    assert api("POST", "/webhooks/test", OPS, body=body).json["ok"] is True
    refused = api("POST", "/webhooks/test", OPS, body=body)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "43200")
    assert len(receiver.got) == 1
