"""A file that S3 does not hand out ends its import with the reason and what to do, at once and in every place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from tests import builders
from tests.api_builders import Api, load_function
from tests.importing import all_jobs, counts, drop_object, finish, planned, rejects, start
from tests.integration.test_giving_up import Context
from waybill.bootstrap import Services
from waybill.errors import FileUnreadable
from waybill.imports.load import load_chunk
from waybill.imports.plan import plan_import
from waybill.imports.start import start_drop
from waybill.jobs.giving_up import UNEXPLAINED_RETRIES
from waybill.jobs.model import Job, Status
from waybill.upkeep.lost_drops import start_lost_drops
from waybill.upkeep.retention import remove_expired

KEY = "drop/contacts/contacts.csv"
FILE = builders.contacts_csv(count=3)
KMS_KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = "arn:aws:sts::444455556666:assumed-role/waybill-ImportSteps/x"
# Texts of S3's answers as they are on AWS.
NO_KEY = ("AccessDenied", 403, f"User: {ROLE} is not authorized to perform: kms:Decrypt on resource: {KMS_KEY} because "
          "no identity-based policy allows the kms:Decrypt action")  # fmt: skip
DISABLED = ("KMS.DisabledException", 400, f"{KMS_KEY} is disabled.")
POLICY = ("AccessDenied", 403, "Access Denied")
SSE_C = ("InvalidRequest", 400, "The object was stored using a form of Server Side Encryption. The correct parameters "
         "must be provided to retrieve the object.")  # fmt: skip
ARCHIVED = ("InvalidObjectState", 403, "The operation is not valid for the object's storage class")
Refusal = tuple[str, int, str]


@pytest.fixture(autouse=True)
def contacts(services: Services, clock: builders.Clock) -> None:
    services.entities.put(builders.entity())
    clock.moment = datetime.now(UTC)  # moto stores objects at the real time
    clock.on_sleep = lambda seconds: clock.forward(seconds=seconds)


@contextmanager
def refusing(services: Services, refusal: Refusal, *, head: bool = False, prefix: str = "drop/") -> Iterator[None]:
    """S3 refuses to hand out objects under a prefix.

    Args:
        head: refuses HEAD as well, as for a policy of the bucket; that of a key does not concern it.
    """
    code, status, message = refusal

    def answer(request: Any, **_: Any) -> AWSResponse | None:
        if f"/{prefix}" not in request.url:
            return None
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>" if request.method == "GET" else ""
        raw = SimpleNamespace(stream=lambda: iter([body.encode()]), read=lambda *_: body.encode())
        return AWSResponse(request.url, status, {"content-type": "application/xml"}, raw)

    events = services.files._s3.meta.events
    names = ["before-send.s3.GetObject", *(["before-send.s3.HeadObject"] if head else [])]
    for name in names:
        events.register(name, answer)
    yield
    for name in names:
        events.unregister(name, answer)


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (NO_KEY, [KMS_KEY, "OtherKmsKeyArns"]),
        (DISABLED, [KMS_KEY, "DisabledException", "Enable the key"]),
        (POLICY, ["policy of the bucket"]),
        (SSE_C, ["SSE-C"]),
        (ARCHIVED, ["archived", "STANDARD"]),
    ],
)
@pytest.mark.parametrize("head", [False, True])
def test_a_drop_that_cannot_be_read_becomes_a_failed_job_that_says_why_and_what_to_do(
    services: Services, s3: Any, refusal: Refusal, says: list[str], head: bool
) -> None:
    event = drop_object(services, s3, FILE, key=KEY)
    with refusing(services, refusal, head=head):
        job = start_drop(services, event["detail"])
        assert job is not None
        if job.status is Status.WAITING:  # its metadata could be read
            plan_import(services, job.job_id)
    job = services.jobs.get(job.job_id)
    assert (job.status, job.error_code, counts(job)) == (Status.FAILED, "source-error", (0, 0, 0, 0))
    assert all(part in str(job.error_message) for part in says) and "again" in str(job.error_message)
    assert ROLE not in str(job.error_message)
    assert services.jobs.find(job.job_id) is not None and len(all_jobs(services)) == 1


def test_the_key_is_named_where_only_the_object_tells_it(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older texts of S3 name no key."""
    job = start(services, s3, FILE, key=KEY)
    really = services.files._s3.head_object
    monkeypatch.setattr(services.files._s3, "head_object", lambda **named: {**really(**named), "SSEKMSKeyId": KMS_KEY})
    with refusing(services, POLICY):
        plan_import(services, job.job_id)
    assert KMS_KEY in str(services.jobs.get(job.job_id).error_message)


def test_a_refused_drop_makes_one_job_and_its_object_expires(
    services: Services, s3: Any, clock: builders.Clock
) -> None:
    event = drop_object(services, s3, FILE, key=KEY)
    with refusing(services, SSE_C, head=True):
        first = start_drop(services, event["detail"])
        again = start_drop(services, event["detail"])
        assert again and first and again.job_id == first.job_id
        clock.forward(hours=1)
        start_lost_drops(services)
        assert [job.job_id for job in all_jobs(services)] == [first.job_id]
        clock.forward(hours=49)
        remove_expired(services)
    assert services.files.head(services.settings.drop_bucket, KEY) is None


def test_a_lost_drop_that_cannot_be_read_is_told_once(services: Services, s3: Any, clock: builders.Clock) -> None:
    drop_object(services, s3, FILE, key=KEY)
    with refusing(services, SSE_C, head=True):
        for _ in range(40):
            clock.forward(minutes=1)
            start_lost_drops(services)
    assert [(job.status, job.error_code) for job in all_jobs(services)] == [(Status.FAILED, "source-error")]


def test_credentials_that_are_wrong_are_no_fault_of_the_file(services: Services, s3: Any) -> None:
    event = drop_object(services, s3, FILE, key=KEY)
    with refusing(services, ("InvalidAccessKeyId", 403, "…"), head=True), pytest.raises(ClientError):
        start_drop(services, event["detail"])
    assert all_jobs(services) == []


def step(services: Services, job: Job, name: str, **event: Any) -> dict[str, Any]:
    function = load_function("import_steps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(function, "services", lambda: services)
        result: dict[str, Any] = function.handler({"jobId": job.job_id, "step": name, **event}, Context())
    return result


def test_a_key_that_is_disabled_for_a_moment_ends_no_import(services: Services, s3: Any) -> None:
    job = planned(services, s3, FILE)
    with refusing(services, DISABLED), pytest.raises(FileUnreadable):
        step(services, job, "load", chunk=0)
    load_chunk(services, job.job_id, 0)
    assert counts(finish(services, job)) == (3, 3, 0, 0)


def test_a_key_that_is_gone_while_a_file_is_imported_ends_the_job_with_every_row_listed(
    services: Services, s3: Any
) -> None:
    job = planned(services, s3, FILE)
    with refusing(services, DISABLED):
        assert step(services, job, "load", attempt=UNEXPLAINED_RETRIES, chunk=0)["outcome"] == "given-up"
        step(services, job, "fail")
    job = services.jobs.get(job.job_id)
    assert (job.status, job.error_code, counts(job)) == (Status.FAILED, "source-error", (3, 0, 0, 3))
    assert "error log says why" in str(job.error_message)
    assert [line[0] for line in rejects(services, job)] == ["_row", "2", "3", "4"]


def test_an_upload_that_cannot_be_read_is_told_by_the_preview_and_by_its_job(api: Api) -> None:
    api.put_contacts()
    upload = api.upload()
    with refusing(api.services, DISABLED, prefix="uploads/"):
        preview = api("POST", f"/uploads/{upload}/preview", body={})
        assert (preview.status, preview.json["error"]["code"]) == (200, "source-error")
        job_id = api("POST", "/imports", body={"uploadId": upload}).json["jobId"]
        plan_import(api.services, job_id)
    error = api("GET", f"/jobs/{job_id}").json["error"]
    assert error["code"] == "source-error" and KMS_KEY in error["message"]
