"""What happens once although it is asked for twice: routes that honour Idempotency-Key, and replies that are lost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api_builders import ADMIN, ALICE, CONTACTS, EXPORT, PERIODIC, Answer, Api
from tests.builders import contacts_csv
from tests.importing import BAD_ROWS, run
from tests.lost_replies import lost_replies
from waybill.aws.dynamodb import DynamoDBError
from waybill.errors import Conflict, InvalidRequest, Superseded
from waybill.exports.run import end_run, fail_run, relaunch_export
from waybill.jobs.idempotency import IdempotencyKeys
from waybill.jobs.model import Counts, Job, Status, finished

KEY = {"idempotency-key": "k-1"}


@pytest.fixture(autouse=True)
def contacts(api: Api) -> None:
    api.put_contacts()


def make_draft(api: Api, **members: Any) -> str:
    answer = api("POST", "/exports", body=EXPORT | members)
    assert answer.status == 201, answer.text
    return str(answer.json["exportId"])


def make_scheduled(api: Api, **members: Any) -> str:
    export_id = make_draft(api, **(PERIODIC | members))
    assert api("POST", f"/exports/{export_id}/activate").status == 200
    return export_id


def fail_job(api: Api, job_id: str) -> Job:
    return fail_run(api.services, api.services.jobs.begin(job_id), "delivery-failed", "timeout: nobody answered")


def a_definition(api: Api) -> tuple[str, dict[str, Any]]:
    return "/exports", {"body": EXPORT}


def a_copy(api: Api) -> tuple[str, dict[str, Any]]:
    return f"/exports/{make_scheduled(api)}/copy", {"body": {"name": "Copy"}}


def an_activation(api: Api) -> tuple[str, dict[str, Any]]:
    return f"/exports/{make_draft(api, **PERIODIC)}/activate", {}


def a_one_shot(api: Api) -> tuple[str, dict[str, Any]]:
    return f"/exports/{make_draft(api)}/activate", {}


def a_run(api: Api) -> tuple[str, dict[str, Any]]:
    return f"/exports/{make_scheduled(api)}/run", {}


def a_relaunched_run(api: Api) -> tuple[str, dict[str, Any]]:
    job = api("POST", f"/exports/{make_scheduled(api)}/run").json
    return f"/jobs/{fail_job(api, job['jobId']).job_id}/relaunch", {}


def an_import(api: Api) -> tuple[str, dict[str, Any]]:
    return "/imports", {"body": {"uploadId": api.upload()}}


def a_relaunched_import(api: Api) -> tuple[str, dict[str, Any]]:
    upload_id = api.upload(data=contacts_csv(BAD_ROWS, count=3))
    job_id = api("POST", "/imports", body={"uploadId": upload_id}).json["jobId"]
    assert run(api.services, api.services.jobs.get(job_id)).has_rejects
    return f"/jobs/{job_id}/relaunch", {}


def a_zilliant_import(api: Api) -> tuple[str, dict[str, Any]]:
    return f"/EntityImport/{api.upload()}/import", {}


MAKING = [
    *(a_definition, a_copy, an_activation, a_one_shot, a_run, a_relaunched_run),
    *(an_import, a_zilliant_import, a_relaunched_import),
]


def made(api: Api) -> tuple[int, int, int]:
    """The numbers of exports, of jobs, and of entries of the audit trail."""
    lists = (("/exports", ALICE), ("/jobs", ALICE), ("/audit", ADMIN))
    exports, jobs, entries = (len(api("GET", path, who, query={"limit": "100"}).json["items"]) for path, who in lists)
    return exports, jobs, entries


@pytest.mark.parametrize("request_of", MAKING)
def test_a_request_with_a_key_is_answered_once(api: Api, request_of: Any) -> None:
    path, request = request_of(api)
    first = api("POST", path, headers=KEY, **request)
    assert first.status < 300, first.text
    count = made(api)
    api.later(minutes=5)
    again = api("POST", path, headers=KEY, **request)
    assert (again.status, again.text, again.headers) == (first.status, first.text, first.headers)
    assert made(api) == count


class Killed(BaseException):
    """The function is gone."""


def die_before_the_answer_is_kept(api: Api, path: str, monkeypatch: pytest.MonkeyPatch, **request: Any) -> None:
    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(IdempotencyKeys, "complete", die)
        with pytest.raises(Killed):
            api("POST", path, headers=KEY, **request)


@pytest.mark.parametrize("request_of", MAKING)
def test_an_attempt_that_died_before_its_answer_was_kept_has_had_its_effect(
    api: Api, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, request = request_of(api)
    die_before_the_answer_is_kept(api, path, monkeypatch, **request)
    count = made(api)
    assert api("POST", path, headers=KEY, **request).status == 409
    api.later(seconds=61)
    again = api("POST", path, headers=KEY, **request)
    assert again.status < 300, again.text
    assert made(api) == count
    assert api("POST", path, headers=KEY, **request).text == again.text


@pytest.mark.parametrize("request_of", MAKING)
def test_a_refusal_after_an_attempt_that_died_frees_no_key(
    api: Api, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused for a moment, such as a secret that is being changed, may have been accepted before."""
    path, request = request_of(api)
    die_before_the_answer_is_kept(api, path, monkeypatch, **request)
    count = made(api)
    api.later(seconds=61)

    def refuse(*_: Any) -> None:
        raise InvalidRequest("Not at this moment.")

    with monkeypatch.context() as patch:
        patch.setattr(type(api.module.operations()[0]), "_arguments", refuse)
        assert api("POST", path, headers=KEY, **request).status == 422
    again = api("POST", path, headers=KEY, **request)
    assert again.status < 300, again.text
    assert made(api) == count
    assert api("POST", path, headers=KEY, **request).text == again.text


def test_a_relaunch_that_died_before_its_answer_was_kept_finds_its_child_although_it_has_ended(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = a_relaunched_import(api)
    api.later(seconds=1)
    die_before_the_answer_is_kept(api, path, monkeypatch)
    child = api("GET", "/jobs").json["items"][0]["jobId"]
    assert run(api.services, api.services.jobs.get(child)).is_terminal
    api.later(seconds=61)
    again = api("POST", path, headers=KEY)
    assert (again.status, again.json["jobId"]) == (202, child)
    assert len(api("GET", "/jobs").json["items"]) == 2


@pytest.mark.parametrize("operation", ["PutItem", "TransactWriteItems"])
@pytest.mark.parametrize("request_of", MAKING)
def test_no_lost_reply_is_taken_for_a_refusal(api: Api, request_of: Any, operation: str) -> None:
    path, request = request_of(api)
    before = made(api)[2]
    with lost_replies(api.services.dynamodb, operation, 1) as lost:
        answer = api("POST", path, headers=KEY, **request)
        assert answer.status < 300, answer.text
    assert lost, "the request does not write this way"
    count = made(api)
    assert count[2] == before + 1, "one entry of the audit trail"
    assert api("POST", path, headers=KEY, **request).text == answer.text
    assert made(api) == count


def test_a_key_is_for_one_path(api: Api) -> None:
    one, other = make_draft(api), make_draft(api)
    assert api("POST", f"/exports/{one}/activate", headers=KEY).status == 200
    assert api("POST", f"/exports/{other}/activate", headers=KEY).status == 422


def test_a_key_that_has_expired_makes_something_new(api: Api) -> None:
    first = api("POST", "/exports", body=EXPORT, headers=KEY)
    api.later(days=1, seconds=1)
    second = api("POST", "/exports", body=EXPORT, headers=KEY)
    assert (first.status, second.status) == (201, 201)
    assert first.json["exportId"] != second.json["exportId"]


def test_a_run_is_refused_while_another_one_runs_but_not_to_its_own_request(api: Api) -> None:
    path = f"/exports/{make_scheduled(api)}/run"
    first = api("POST", path, headers=KEY)
    assert api("POST", path).status == 409
    assert api("POST", path, headers={"idempotency-key": "k-2"}).status == 409
    assert api("POST", path, headers=KEY).json["jobId"] == first.json["jobId"]


def test_a_second_relaunch_of_a_run_finds_the_first_until_it_has_ended(api: Api) -> None:
    path, _ = a_relaunched_run(api)
    api.later(seconds=1)
    first = api("POST", path).json
    assert api("POST", path).json["jobId"] == first["jobId"]
    fail_job(api, first["jobId"])
    api.later(seconds=1)
    second = api("POST", path)
    assert (second.status, second.json["jobId"] != first["jobId"]) == (202, True)


def test_a_run_is_not_relaunched_once_a_later_one_has_delivered_it(api: Api) -> None:
    path, _ = a_relaunched_run(api)
    report = path.replace("relaunch", "report")
    assert api("GET", report).json["relaunchable"]
    api.later(seconds=1)
    child = api.services.jobs.begin(api("POST", path).json["jobId"])
    end_run(api.services, child, Status.COMPLETED, Counts(0))
    refused = api("POST", path)
    assert (refused.status, child.job_id in refused.json["detail"]) == (409, True)
    assert not api("GET", report).json["relaunchable"]


INCREMENTAL = {"type": "INCREMENTAL", "fields": ["contact_id"]}


def failed_increment(api: Api, export_id: str) -> Job:
    """A run that failed once its window was chosen."""
    job = api.services.jobs.begin(api("POST", f"/exports/{export_id}/run").json["jobId"])
    job = api.services.jobs.set_window_end(job)
    api.later(minutes=1)
    return fail_run(api.services, job, "delivery-failed", "disk-full: no space")


def delivered_repeat(api: Api, job: Job) -> Job:
    answer = api("POST", f"/jobs/{job.job_id}/relaunch")
    assert answer.status == 202, answer.text
    child = api.services.jobs.begin(answer.json["jobId"])
    child = end_run(api.services, api.services.jobs.set_window_end(child), Status.COMPLETED, Counts(0))
    api.later(minutes=1)
    return child


def windows(*jobs: Job) -> list[tuple[Any, Any]]:
    return [(job.window_from, job.window_to) for job in jobs]


def is_relaunchable(api: Api, job: Job) -> bool:
    return bool(api("GET", f"/jobs/{job.job_id}/report").json["relaunchable"])


def test_of_two_increments_that_failed_the_later_is_not_relaunched_once_the_earlier_was(api: Api) -> None:
    """Windows follow each other: the next run begins where the delivered one ended, and has the rest."""
    export_id = make_scheduled(api, **INCREMENTAL)
    earlier, later = failed_increment(api, export_id), failed_increment(api, export_id)
    assert earlier.window_from == later.window_from
    assert is_relaunchable(api, earlier) and is_relaunchable(api, later)
    child = delivered_repeat(api, earlier)
    assert windows(child) == windows(earlier)
    refused = api("POST", f"/jobs/{later.job_id}/relaunch")
    assert (refused.status, f"Job {child.job_id}" in refused.json["detail"]) == (409, True)
    assert "the next run has the rest" in refused.json["detail"]
    assert not is_relaunchable(api, later)
    assert failed_increment(api, export_id).window_from == child.window_to


def test_a_relaunch_that_stalls_while_another_one_delivers_the_beginning_of_its_window_is_refused(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = make_scheduled(api, **INCREMENTAL)
    earlier, later = failed_increment(api, export_id), failed_increment(api, export_id)
    find = api.services.exports.get

    def stall(export_id: str) -> Any:
        """After the look at the runs, before the export is claimed."""
        monkeypatch.setattr(api.services.exports, "get", find)
        delivered_repeat(api, earlier)
        return find(export_id)

    monkeypatch.setattr(api.services.exports, "get", stall)
    with pytest.raises(Conflict, match="the next run has the rest"):
        relaunch_export(api.services, later, "alice", "a")


def edit(api: Api, export_id: str) -> None:
    """With other fields it starts over: its windows are another series."""
    assert api("POST", f"/exports/{export_id}/unschedule", body={}).status == 200
    assert api("PUT", f"/exports/{export_id}", body=EXPORT | PERIODIC | {"type": "INCREMENTAL"}).status == 200


def test_windows_of_an_earlier_definition_do_not_overlap_either(api: Api) -> None:
    export_id = make_scheduled(api, **INCREMENTAL)
    earlier, later = failed_increment(api, export_id), failed_increment(api, export_id)
    edit(api, export_id)
    delivered_repeat(api, earlier)
    assert not is_relaunchable(api, later)
    assert api("POST", f"/jobs/{later.job_id}/relaunch").status == 409


def test_a_repeat_begins_where_its_run_did_although_its_end_was_not_chosen_and_the_export_starts_over(api: Api) -> None:
    export_id = make_scheduled(api, **INCREMENTAL)
    delivered = delivered_repeat(api, failed_increment(api, export_id))
    job = api.services.jobs.begin(api("POST", f"/exports/{export_id}/run").json["jobId"])
    failed = fail_run(api.services, job, "timed-out", "The service was not available.")
    assert windows(failed) == [(delivered.window_to, None)]
    edit(api, export_id)
    assert delivered_repeat(api, failed).window_from == delivered.window_to


def test_a_deleted_draft_is_deleted_although_the_reply_was_lost(api: Api) -> None:
    export_id = make_draft(api)
    with lost_replies(api.services.dynamodb, "TransactWriteItems"):
        assert api("DELETE", f"/exports/{export_id}").status == 204
    assert api("GET", f"/exports/{export_id}").status == 404


@pytest.mark.parametrize("has_etag", [False, True])
def test_an_entity_that_was_put_is_put_although_the_reply_was_lost(api: Api, has_etag: bool) -> None:
    with lost_replies(api.services.dynamodb, "TransactWriteItems"):
        assert put(api, "news", title="News").status == 201
    etag = api("GET", "/entities/news", ADMIN).headers["ETag"]
    with lost_replies(api.services.dynamodb, "TransactWriteItems"):
        changed = put(api, "news", {"if-match": etag} if has_etag else {}, title="Old news")
    assert (changed.status, changed.json["title"]) == (200, "Old news")


def put(api: Api, name: str, headers: dict[str, str] | None = None, **changes: Any) -> Answer:
    return api("PUT", f"/entities/{name}", ADMIN, body=CONTACTS | changes, headers=headers or {})


def test_an_entity_that_was_deleted_is_deleted_although_the_reply_was_lost(api: Api) -> None:
    for operation in ("PutItem", "TransactWriteItems"):
        api.put_contacts("news")
        with lost_replies(api.services.dynamodb, operation):
            assert api("DELETE", "/entities/news", ADMIN).status == 204


def test_an_export_is_unscheduled_although_the_reply_was_lost(api: Api) -> None:
    export_id = make_scheduled(api)
    with lost_replies(api.services.dynamodb, "TransactWriteItems"):
        assert api("POST", f"/exports/{export_id}/unschedule").json["status"] == "DRAFT"


def test_a_job_is_canceled_although_the_reply_was_lost(api: Api) -> None:
    job = api.add_job()
    with lost_replies(api.services.dynamodb, "TransactWriteItems"):
        assert api("POST", f"/jobs/{job.job_id}/cancel").json["status"] == "CANCELED"


def test_a_stop_that_was_heard_was_accepted_although_the_reply_was_lost(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import may end, stopped, before the request is sent again."""
    job = api.services.jobs.begin(api.add_job().job_id)
    send = api.services.dynamodb._call_once

    def send_again(operation: str, body: bytes) -> tuple[int, bytes]:
        """A transaction that is sent again with its token is not applied again."""
        is_stop = operation == "TransactWriteItems" and b"AUDIT#" in body
        return (200, b"{}") if is_stop else send(operation, body)

    def end_before_the_retry(operation: str, body: bytes) -> tuple[int, bytes]:
        answer = send(operation, body)
        if operation == "TransactWriteItems" and b"stopReason" in body:
            monkeypatch.setattr(api.services.dynamodb, "_call_once", send_again)
            stopped = api.services.jobs.get(job.job_id)
            ended = finished(stopped, Status.COMPLETED, Counts(1, 1), api.now, api.retention)
            api.services.jobs.finish(ended, Status.IN_PROGRESS)
            raise DynamoDBError("InternalServerError", "", 500, retryable=True)
        return answer

    monkeypatch.setattr(api.services.dynamodb, "_call_once", end_before_the_retry)
    answer = api("POST", f"/jobs/{job.job_id}/stop")
    assert (answer.status, answer.json.get("stopReason")) == (200, "USER"), answer.text
    assert api("POST", f"/jobs/{job.job_id}/stop").status == 409


def test_a_job_is_restarted_although_the_reply_was_lost(api: Api) -> None:
    job = api.services.jobs.begin(api.add_job().job_id)
    with lost_replies(api.services.dynamodb, "UpdateItem"):
        restarted = api.services.jobs.count_restart(job, api.now)
    assert (restarted.restarts, restarted.recovering_since) == (job.restarts + 1, api.now)
    api.services.jobs.count_restart(restarted, api.now)
    with pytest.raises(Superseded):
        api.services.jobs.count_restart(job, api.now)
