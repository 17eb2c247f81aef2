"""Requests are signed as AWS asks: held against AWS's published vectors and against botocore."""

from __future__ import annotations

import calendar
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import Clock
from waybill.aws import sigv4
from waybill.aws.sigv4 import Credentials, Signer, signing_key

ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
VECTOR_TIME = datetime(2015, 8, 30, 12, 36, 0, tzinfo=UTC)


def authorization(lines: list[str]) -> str:
    return next(line for line in lines if line.startswith("authorization: ")).removeprefix("authorization: ")


def test_the_days_key_is_the_one_of_awss_worked_example() -> None:
    key = signing_key(SECRET_KEY, "20150830", "us-east-1", "iam")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"


@pytest.mark.parametrize(
    ("headers", "body", "signed", "signature"),
    [
        pytest.param(
            (), b"", "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            id="post-vanilla",
        ),
        pytest.param(
            (("My-Header1", "value1"),), b"", "host;my-header1;x-amz-date",
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c", id="post-header-key-sort",
        ),
        pytest.param(
            (("My-Header1", "VALUE1"),), b"", "host;my-header1;x-amz-date",
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d", id="post-header-value-case",
        ),
        pytest.param(
            (("Content-Type", "application/x-www-form-urlencoded"),), b"Param1=value1", "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a", id="post-x-www-form-urlencoded",
        ),
    ],
)  # fmt: skip
def test_aws_signature_version_4_test_suite(
    headers: tuple[tuple[str, str], ...], body: bytes, signed: str, signature: str
) -> None:
    signer = Signer("us-east-1", "service", lambda: Credentials(ACCESS_KEY, SECRET_KEY), Clock(VECTOR_TIME))
    lines = signer.sign((("Host", "example.amazonaws.com"), *headers), body)
    assert authorization(lines) == (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={signed}, Signature={signature}"
    )


def botocores_authorization(
    headers: tuple[tuple[str, str], ...], body: bytes, credentials: Credentials, region: str, second: int
) -> tuple[str, dict[str, str]]:
    request = botocore.awsrequest.AWSRequest("POST", f"https://{dict(headers)['host']}/", dict(headers), body)
    now = datetime.fromtimestamp(second, UTC)
    signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(*credentials), "dynamodb", region)
    with patch("botocore.auth.get_current_datetime", lambda remove_tzinfo=True: now.replace(tzinfo=None)):
        signer.add_auth(request)
    return request.headers["Authorization"], dict(request.headers)


printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)
header_names = st.from_regex(r"\Ax-[a-z]{1,12}\Z").filter(lambda name: not name.startswith("x-amz"))
SECONDS = st.integers(calendar.timegm((2020, 1, 1, 0, 0, 0)), calendar.timegm((2060, 1, 1, 0, 0, 0)))


@settings(max_examples=200, deadline=None)
@given(
    body=st.binary(max_size=2000),
    extra=st.dictionaries(header_names, printable, max_size=4),
    credentials=st.builds(Credentials, printable, printable, st.none() | printable),
    region=st.sampled_from(["us-east-1", "eu-west-3"]),
    seconds=st.lists(SECONDS, min_size=1, max_size=3),
)
def test_same_as_botocore(
    body: bytes, extra: dict[str, str], credentials: Credentials, region: str, seconds: list[int]
) -> None:
    headers = (("host", "dynamodb.example.com"), ("x-amz-target", "DynamoDB_20120810.GetItem"), *extra.items())
    clock = Clock()
    signer = Signer(region, "dynamodb", lambda: credentials, clock)
    for now in (*seconds, seconds[-1]):  # the same signer over several days, and twice within a second
        clock.moment = datetime.fromtimestamp(now, UTC)
        lines = signer.sign(headers, body)
        expected, expected_headers = botocores_authorization(headers, body, credentials, region, now)
        assert authorization(lines) == expected
        sent = dict(line.split(": ", 1) for line in lines)
        assert sent["x-amz-date"] == expected_headers["X-Amz-Date"]
        assert sent.get("x-amz-security-token") == credentials.token


def test_renewed_credentials_are_used_at_once() -> None:
    current = Credentials("AK1", "secret-1", "token-1")
    signer = Signer("us-east-1", "dynamodb", lambda: current, Clock(VECTOR_TIME))
    headers = (("host", "example.com"),)
    before = signer.sign(headers, b"{}")
    current = Credentials("AK1", "secret-2", "token-2")
    after = signer.sign(headers, b"{}")
    assert "x-amz-security-token: token-1" in before
    assert "x-amz-security-token: token-2" in after
    assert authorization(before) != authorization(after)


def test_environment_credentials_come_first_and_do_not_need_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SK")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "TK")
    monkeypatch.setitem(sys.modules, "botocore.session", None)  # an import of it would fail
    assert sigv4.default_credentials()() == Credentials("AK", "SK", "TK")


def clear_environment(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    profiles = folder / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profiles))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return profiles


def test_a_laptops_profile_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    profiles = clear_environment(monkeypatch, tmp_path)
    profiles.write_text("[default]\naws_access_key_id = FROM_PROFILE\naws_secret_access_key = SK\n")
    assert sigv4.default_credentials()() == Credentials("FROM_PROFILE", "SK", None)


def test_no_credentials_anywhere_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clear_environment(monkeypatch, tmp_path)
    provider = sigv4.default_credentials()
    with pytest.raises(sigv4.CredentialsNotFound, match="AWS_PROFILE"):
        provider()


def test_the_clock_is_the_systems() -> None:
    signer = Signer("us-east-1", "dynamodb", lambda: Credentials("AK", "SK"))
    stamp = next(line for line in signer.sign((("host", "h"),), b"") if line.startswith("x-amz-date: "))
    sent = calendar.timegm(time.strptime(stamp, "x-amz-date: %Y%m%dT%H%M%SZ"))
    assert abs(sent - time.time()) < 5
