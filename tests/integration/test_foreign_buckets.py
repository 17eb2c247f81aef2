"""Exports to buckets of other accounts: the owner is checked with every request, and a role may be assumed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests import builders
from tests.integration.test_export_runs import enough, export_of, put_records
from waybill.bootstrap import Services
from waybill.exports import deliver as delivering
from waybill.exports import extract as extraction
from waybill.exports.connection_test import run_connection_test
from waybill.exports.destinations import s3 as destination_s3
from waybill.exports.run import activate, run_now
from waybill.jobs.model import Job, Status

OWN, PARTNER = "123456789012", "222233334444"
ROLE = f"arn:aws:iam::{PARTNER}:role/waybill-in"
KMS_KEY = f"arn:aws:kms:us-east-1:{PARTNER}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BY_ROLE = {"owner": PARTNER, "roleArn": ROLE, "externalId": "waybill-7", "kmsKeyArn": KMS_KEY}
DESTINATION = {"kind": "s3", "bucket": "partner-in", "prefix": "in"}
FILE = "in/contacts_20260131.csv"


@pytest.fixture(autouse=True)
def no_wait(clock: builders.Clock) -> None:
    clock.on_sleep = lambda seconds: clock.forward(seconds=seconds)


@pytest.fixture
def partner(services: Services, moto_url: str) -> Any:
    """The partner's own client of S3, and the bucket."""
    keys = boto3.client("sts", endpoint_url=moto_url, region_name="us-east-1").assume_role(
        RoleArn=f"arn:aws:iam::{PARTNER}:role/partner", RoleSessionName="partner"
    )["Credentials"]
    s3 = boto3.client(
        "s3",
        endpoint_url=moto_url,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    s3.create_bucket(Bucket="partner-in")
    return s3


def reached(services: Services, access: dict[str, str] | None) -> None:
    """The deployment lists the partner's bucket like this."""
    listed = {} if access is None else {"partner-in": access}
    services.settings = replace(services.settings, foreign_buckets=json.dumps(listed))


@contextmanager
def recorded(services: Services) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """(operation, parameters) of the requests to S3 that name the partner's bucket, and to STS."""
    calls: list[tuple[str, dict[str, Any]]] = []
    from botocore.client import BaseClient

    really = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if operation == "AssumeRole" or parameters.get("Bucket") == "partner-in":
            calls.append((operation, parameters))
        return really(client, operation, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", call)
        yield calls


def extracted(services: Services, **members: Any) -> Job:
    put_records(services, 3)
    body = {"type": "PERIODIC_FULL", "schedule": {"time": "02:30", "timezone": "UTC"}, "destination": DESTINATION}
    export = activate(services, export_of(services, **{**body, **members}), "alice", "a")
    job = run_now(services, export, "alice", "a")
    extraction.extract(services, job.job_id, enough)
    return services.jobs.get(job.job_id)


def delivered(services: Services, job: Job) -> Job:
    assert delivering.deliver(services, job.job_id, enough) == {"outcome": "ended"}
    return services.jobs.get(job.job_id)


@pytest.mark.parametrize("access", [None, {"owner": PARTNER}, BY_ROLE], ids=["own account", "owner", "role"])
def test_every_request_names_the_account_that_the_bucket_must_belong_to(
    services: Services, partner: Any, access: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("waybill.aws.bucket.PUT_BYTES", 10)
    reached(services, access)
    job = extracted(services)
    with recorded(services) as calls:
        run_connection_test(services, DESTINATION, "contacts")
        delivering.deliver(services, job.job_id, enough)
    to_bucket = [(name, given) for name, given in calls if name != "AssumeRole"]
    owner = OWN if access is None else PARTNER
    assert len(to_bucket) >= 4
    assert {given.get("ExpectedBucketOwner") for _, given in to_bucket} == {owner}
    sources = [given["ExpectedSourceBucketOwner"] for name, given in to_bucket if name == "UploadPartCopy"]
    assert set(sources) <= {OWN} and bool(sources) is (access is not BY_ROLE)


def test_a_bucket_of_another_owner_than_expected_gets_nothing_and_the_run_says_whose_it_must_be(
    services: Services, partner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached(services, {"owner": PARTNER})
    job = extracted(services)

    def head_object(**given: Any) -> Any:
        """As S3 refuses it: a HEAD without a body."""
        assert given["ExpectedBucketOwner"] == PARTNER
        answer: Any = {"Error": {"Code": "403", "Message": "Forbidden"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(answer, "HeadObject")

    monkeypatch.setattr(services.files._s3, "head_object", head_object)
    ended = delivered(services, job)
    assert (ended.status, ended.error_code) == (Status.FAILED, "delivery-failed")
    assert f"must belong to account {PARTNER}" in str(ended.error_message)


def test_a_file_is_sent_with_the_role_of_the_bucket(services: Services, partner: Any) -> None:
    """The role is assumed once, with its external id, and the file has the bucket's key."""
    reached(services, BY_ROLE)
    job = extracted(services)
    with recorded(services) as calls:
        ended = delivered(services, job)
    assert ended.status is Status.COMPLETED, ended.error_message
    assumed = [given for name, given in calls if name == "AssumeRole"]
    assert [(given["RoleArn"], given["ExternalId"]) for given in assumed] == [(ROLE, "waybill-7")]
    writes = [given for name, given in calls if name in ("CreateMultipartUpload", "PutObject")]
    assert [given["SSEKMSKeyId"] for given in writes] == [KMS_KEY, KMS_KEY]
    data = partner.get_object(Bucket="partner-in", Key=FILE)["Body"].read()
    own = services.files.read(services.settings.files_bucket, str(ended.extracted and ended.extracted["key"]))
    assert data == own and len(data) > 50
    manifest = json.loads(partner.get_object(Bucket="partner-in", Key=f"{FILE}.manifest.json")["Body"].read())
    assert manifest["jobId"] == job.job_id


def test_a_file_that_takes_several_invocations_is_sent_once(
    services: Services, partner: Any, monkeypatch: pytest.MonkeyPatch, clock: builders.Clock
) -> None:
    monkeypatch.setattr(destination_s3, "PART_BYTES", 64)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
    monkeypatch.setattr("waybill.exports.destinations.base._BLOCK_BYTES", 64)
    reached(services, BY_ROLE)
    job = extracted(services)
    with recorded(services) as calls:
        while delivering.deliver(services, job.job_id, lambda: 30.0)["outcome"] == "more":
            assert "Contents" not in partner.list_objects_v2(Bucket="partner-in"), "part of a file is seen"
            clock.forward(seconds=13)
    ended = services.jobs.get(job.job_id)
    assert ended.status is Status.COMPLETED, ended.error_message
    assert [name for name, _ in calls].count("CreateMultipartUpload") == 1
    assert [given["PartNumber"] for name, given in calls if name == "UploadPart"] == list(
        range(1, 1 + [name for name, _ in calls].count("UploadPart"))
    )
    data = partner.get_object(Bucket="partner-in", Key=FILE)["Body"].read()
    assert data == services.files.read(services.settings.files_bucket, str(ended.extracted and ended.extracted["key"]))


def test_an_empty_file_is_sent_too(services: Services, partner: Any) -> None:
    reached(services, BY_ROLE)
    job = extracted(services, filter=[{"field": "contact_id", "op": "eq", "value": "nobody"}])
    assert delivered(services, job).status is Status.COMPLETED


def test_a_role_that_may_not_be_assumed_is_told_by_the_test_and_by_the_run(
    services: Services, partner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.client import BaseClient

    really = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
        if operation == "AssumeRole":
            answer: Any = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(answer, operation)
        return really(client, operation, parameters)

    reached(services, BY_ROLE)
    job = extracted(services)
    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    tested = run_connection_test(services, DESTINATION, "contacts").to_document()
    assert (tested["ok"], tested["code"]) == (False, "permission") and ROLE in tested["detail"]
    ended = delivered(services, job)
    assert (ended.error_code, ROLE in str(ended.error_message)) == ("delivery-failed", True)


def test_the_connection_test_goes_through_the_role(services: Services, partner: Any) -> None:
    reached(services, BY_ROLE)
    with recorded(services) as calls:
        assert run_connection_test(services, DESTINATION, "contacts").to_document()["ok"] is True
    assert "AssumeRole" in [name for name, _ in calls]
    assert "Contents" not in partner.list_objects_v2(Bucket="partner-in")
