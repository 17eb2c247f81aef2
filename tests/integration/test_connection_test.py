"""Connection tests of destinations: what people are told, and that nothing stays there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import boto3
import pytest

from tests.api_builders import ALICE, BOB, SALES, Api
from tests.partner_servers import (
    HASTY,
    HOST,
    PASSWORD,
    SECRET,
    Faults,
    certificate,
    deaf_server,
    ftps_server,
    host_key_line,
    sftp_server,
    silent_server,
)
from waybill.aws.functions import NoAnswer
from waybill.bootstrap import Services
from waybill.exports.connection_test import run_connection_test
from waybill.exports.destinations.base import Timeouts

SECRET_ID = "waybill/partner"
SHORT = Timeouts(connect=1, login=1, request=1)


@pytest.fixture
def tested(services: Services, moto_url: str) -> Callable[..., dict[str, Any]]:
    """Test a destination on this machine, with the secret that is given."""
    allowed = Services(replace(services.settings, allowed_private_hosts=HOST), services.clock)
    secrets = boto3.client("secretsmanager", endpoint_url=moto_url, region_name="us-east-1")
    secrets.create_secret(Name=SECRET_ID, SecretString=json.dumps(SECRET))

    def attempt(destination: dict[str, Any], secret: dict[str, Any] = SECRET, **options: Any) -> dict[str, Any]:
        secrets.put_secret_value(SecretId=SECRET_ID, SecretString=json.dumps(secret))
        return run_connection_test(allowed, destination, "contacts", **options).to_document()

    return attempt


Test = Callable[..., dict[str, Any]]


def sftp(port: int, key: asyncssh.SSHKey, **members: Any) -> dict[str, Any]:
    destination = {"kind": "sftp", "host": HOST, "port": port, "directory": "/in", "secretId": SECRET_ID}
    return destination | {"hostKey": host_key_line(key)} | members


@pytest.fixture(scope="module")
def keys() -> tuple[asyncssh.SSHKey, asyncssh.SSHKey]:
    return asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")


def test_sftp_says_what_works_and_what_to_mend(
    tested: Test, tmp_path: Path, keys: tuple[asyncssh.SSHKey, asyncssh.SSHKey]
) -> None:
    (folder := tmp_path / "in").mkdir()
    faults = Faults()
    with sftp_server(tmp_path, [keys[0]], faults) as server:
        good = sftp(server.port, keys[0])
        works = tested(good)
        assert works == {
            "ok": True,
            "code": None,
            "detail": "A file was written to /in on localhost, renamed, and deleted again.",
        }
        # Written under a name that no receiver takes, and renamed to another of the kind.
        names = [path.rpartition("/")[2] for what in server.asked for path in [what.partition(" ")[2]]]
        assert len(names) > 1 and all(name.startswith(".waybill-test.") and name.endswith(".part") for name in names)
        for wrong, code, words in [
            ((good, SECRET | {"password": "wrong"}), "auth", "Correct the user name, password or key"),
            ((good, SECRET | {"password": None}), "secret", "no member password or privateKey"),
            ((good | {"secretId": "waybill/none"},), "secret", "There is no secret waybill/none"),
            ((sftp(server.port, keys[1]),), "host-key", "Ask the operator for the server's host key"),
            ((good | {"directory": "/out"},), "not-found", "has no directory /out"),
        ]:
            found = tested(*wrong)
            assert (found["ok"], found["code"]) == (False, code), found
            assert words in found["detail"] and "relaunch" not in found["detail"]
            assert "wrong" not in found["detail"] and PASSWORD not in found["detail"]
        faults.is_read_only = True
        assert tested(good)["code"] == "permission"
        faults.is_read_only, faults.full_after = False, 0
        assert tested(good)["code"] == "disk-full"
    assert list(folder.iterdir()) == []
    assert tested(good)["code"] == "unreachable"


def test_ftps_says_what_works_and_what_to_mend(tested: Test, tmp_path: Path) -> None:
    (root := tmp_path / "root").mkdir()
    (root / "in").mkdir()
    shown, faults = certificate(tmp_path), Faults()
    with ftps_server(root, shown, faults) as server:
        destination = {"kind": "ftps", "host": HOST, "port": server.port, "directory": "/in", "secretId": SECRET_ID}
        good = destination | {"caCertificate": shown.pem}
        assert tested(good)["ok"]
        assert tested(destination)["code"] == "certificate"
        assert tested(good, SECRET | {"password": "wrong"})["code"] == "auth"
        assert tested(good | {"directory": "/out"})["code"] == "not-found"
        faults.full_after = 0
        assert tested(good)["code"] == "disk-full"
    with ftps_server(root, shown, Faults(is_read_only=True)) as server:
        assert tested(good | {"port": server.port})["code"] == "permission"
    assert list((root / "in").iterdir()) == []


def test_a_connection_that_breaks_in_the_middle_leaves_nothing_behind(
    tested: Test, tmp_path: Path, keys: tuple[asyncssh.SSHKey, asyncssh.SSHKey]
) -> None:
    (folder := tmp_path / "in").mkdir()
    for fault, code in [(Faults(cut_after=0), "connection-lost"), (Faults(stall_after=0), "timeout")]:
        with sftp_server(tmp_path, [keys[0]], fault) as server:
            assert tested(sftp(server.port, keys[0]), timeouts=SHORT)["code"] == code
            assert any(what.startswith("open") for what in server.asked)
        assert list(folder.iterdir()) == []


def test_servers_that_do_not_answer_end_a_test_in_time(tested: Test, keys: tuple[asyncssh.SSHKey, Any]) -> None:
    with silent_server() as silent, deaf_server() as deaf:
        for port in (silent, deaf):
            assert tested(sftp(port, keys[0]), timeouts=HASTY)["code"] == "timeout"
        # Also one that takes its time at each step: the whole has an end.
        found = tested(sftp(silent, keys[0]), seconds=0.2)
        assert (found["code"], found["detail"][:41]) == ("timeout", "The test was not over after 0.2 seconds. ")


def test_hosts_that_are_not_public_are_not_even_connected_to(services: Services, keys: tuple[Any, Any]) -> None:
    with silent_server(b"SSH-2.0-secret\r\n") as port:
        destination = sftp(port, keys[0])
        boto3.client("secretsmanager", endpoint_url=services.settings.aws_endpoint_url).create_secret(
            Name=SECRET_ID, SecretString=json.dumps(SECRET)
        )
        found = run_connection_test(services, destination, "contacts").to_document()
    assert found["code"] == "host-refused" and "secret" not in found["detail"]


def test_the_result_names_the_step_that_failed(services: Services, keys: tuple[Any, Any]) -> None:
    """So that an operator who reads the log knows how far a test came."""
    assert run_connection_test(services, sftp(1, keys[0]), "contacts").step == "read the secret"
    assert (
        run_connection_test(services, {"kind": "s3", "bucket": "nobodys-bucket"}, "contacts").step == "read the bucket"
    )
    assert run_connection_test(services, {"kind": "s3"}, "contacts").step == "begin an upload and abandon it"


def test_a_bucket_is_tested_without_writing_to_it(services: Services, s3: Any) -> None:
    transfer = services.settings.transfer_bucket
    assert run_connection_test(services, {"kind": "s3", "prefix": "crm"}, "contacts").to_document() == {
        "ok": True,
        "code": None,
        "detail": f"Waybill can write to the bucket {transfer}.",
    }
    assert "Contents" not in s3.list_objects_v2(Bucket=transfer)
    assert not s3.list_multipart_uploads(Bucket=transfer).get("Uploads")
    found = run_connection_test(services, {"kind": "s3", "bucket": "nobodys-bucket"}, "contacts").to_document()
    assert (found["code"], found["ok"]) == ("not-found", False)
    assert "nobodys-bucket" in found["detail"]


# By the API


def test_people_who_may_export_the_entity_test_a_destination(api: Api, tester: list[dict[str, Any]]) -> None:
    api.put_contacts()
    body = {"entity": "contacts", "destination": {"kind": "s3", "prefix": None}}
    answer = api("POST", "/exports/test-destination", ALICE, body=body)
    assert (answer.status, answer.json["ok"], answer.json["code"]) == (200, True, None)
    assert tester == [{"destination": {"kind": "s3"}, "entity": "contacts", "startedBy": "alice", "only": None}]
    body["destination"] = {"kind": "s3", "bucket": "nobodys-bucket"}
    answer = api("POST", "/exports/test-destination", ALICE, body=body)
    assert (answer.status, answer.json["ok"], answer.json["code"]) == (200, False, "not-found")
    tester.clear()
    assert api("POST", "/exports/test-destination", SALES, body=body).status == 403
    assert api("POST", "/exports/test-destination", BOB, body=body).status == 404
    assert tester == []


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["#/entity", "#/destination"]),
        ({"entity": "contacts", "destination": {"kind": "download"}}, ["#/destination/kind"]),
        ({"entity": "contacts", "destination": {"kind": "s3", "bucket": "files-bucket"}}, ["#/destination/bucket"]),
        ({"entity": "contacts", "destination": {"kind": "s3"}, "name": "x"}, ["#/name"]),
        (
            {"entity": "contacts", "destination": {"kind": "sftp", "host": "169.254.169.254", "port": 80}},
            ["#/destination/host", "#/destination/directory", "#/destination/secretId", "#/destination/hostKey"],
        ),
    ],
)
def test_what_cannot_be_a_destination_is_named_and_not_tested(
    api: Api,
    tester: list[dict[str, Any]],
    body: dict[str, Any],
    pointers: list[str],
) -> None:
    api.put_contacts()
    answer = api("POST", "/exports/test-destination", ALICE, body=body)
    assert (answer.status, answer.pointers) == (422, pointers)
    assert tester == []


def test_a_test_that_cannot_be_made_just_now_is_no_verdict(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.put_contacts()
    body = {"entity": "contacts", "destination": {"kind": "s3"}}
    answer = api("POST", "/exports/test-destination", ALICE, body=body)  # there is no such function here
    assert (answer.status, answer.json["title"]) == (503, "Not available just now")
    assert answer.headers["Retry-After"] == "60"
    with pytest.raises(NoAnswer):
        api.services.functions.ask("none", {})


def test_the_api_function_needs_no_library_of_servers() -> None:
    import subprocess
    import sys

    code = (
        "import sys; sys.path[:0] = ['functions/api', 'shared']; import routers.exports, models.exports; "
        "assert not {'asyncssh', 'ftplib', 'botocore.session', 'waybill.exports.connection_test'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
