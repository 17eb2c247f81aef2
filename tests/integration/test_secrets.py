"""A secret is for one server and some entities. Nobody has it sent elsewhere, or learns which secrets there are."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import asyncssh
import boto3
import pytest
from asyncssh import SSHKey

from infra import check_secrets
from tests import builders
from tests.api_builders import DAILY, Api
from tests.integration.test_export_runs import PERIODIC, end, export_of
from tests.partner_servers import HOST, PASSWORD, SECRET, host_key_line, sftp_server, silent_server
from waybill.bootstrap import Services
from waybill.exports.definition import ExportStatus
from waybill.exports.destinations.credentials import Credentials
from waybill.exports.run import activate, run_now
from waybill.hosts import is_for_server
from waybill.jobs.bound_secrets import read_secret
from waybill.jobs.model import Status

SECRET_ID = "waybill/partner"
HERE = SECRET | {"entities": ["contacts"]}
FOREIGN: dict[str, Any] = {
    "there is none": None,
    "no host": {name: value for name, value in HERE.items() if name != "host"},
    "no entities": {name: value for name, value in HERE.items() if name != "entities"},
    "another host": HERE | {"host": "sftp.example.com"},
    "a host that this one ends with": HERE | {"host": "host"},
    "another port": HERE | {"host": f"{HOST}:1"},
    "another entity": HERE | {"entities": ["orders"]},
    "no entity": HERE | {"entities": []},
    "a text that contains the entity": HERE | {"entities": "contacts and more"},
    "any host": HERE | {"host": "*"},
    "a list of hosts": HERE | {"host": [HOST]},
    "no object": [1],
}


@pytest.fixture
def secrets(moto_url: str) -> Any:
    return boto3.client("secretsmanager", endpoint_url=moto_url, region_name="us-east-1")


def store(secrets: Any, value: Any) -> None:
    """Replace the secret, or delete it."""
    secrets.delete_secret(SecretId=SECRET_ID, ForceDeleteWithoutRecovery=True)
    if value is not None:
        secrets.create_secret(Name=SECRET_ID, SecretString=json.dumps(value))


def sftp(port: int, key: SSHKey) -> dict[str, Any]:
    where = {"kind": "sftp", "host": HOST, "port": port, "directory": "/", "secretId": SECRET_ID}
    return where | {"hostKey": host_key_line(key)}


@pytest.fixture
def allowing(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """The API of a deployment that allows servers of this machine."""
    monkeypatch.setattr(api.services, "settings", replace(api.services.settings, allowed_private_hosts=HOST))
    return api


@pytest.mark.usefixtures("tester")
def test_a_foreign_secret_is_refused_in_the_same_words_when_it_is_saved_tested_and_delivered(
    allowing: Api, secrets: Any
) -> None:
    """The attack: with a server and a host key of one's own, and the name of anybody's secret."""
    api = allowing
    api.put_contacts()
    key = asyncssh.generate_private_key("ssh-ed25519")
    with silent_server(b"SSH-2.0-mine\r\n") as port:
        destination = sftp(port, key)
        body = {"name": "Mine", "entity": "contacts", "type": "PERIODIC_FULL", "schedule": DAILY}
        body |= {"destination": destination}
        secrets.create_secret(Name=SECRET_ID, SecretString=json.dumps(HERE))
        saved = api("POST", "/exports", body=body)
        assert saved.status == 201, saved.text
        path = f"/exports/{saved.json['exportId']}"
        assert api("POST", f"{path}/activate").status == 200
        words = set()
        for what, value in FOREIGN.items():
            store(secrets, value)
            answers = [api("POST", "/exports", body=body), api("POST", f"{path}/copy", body={"name": "Copy"})]
            for answer in answers:
                assert (answer.status, answer.pointers) == (422, ["#/destination/secretId"]), what
                words.add(json.dumps({**answer.json, "instance": None}))
            test = api("POST", "/exports/test-destination", body={"entity": "contacts", "destination": destination})
            assert (test.status, test.json["code"]) == (200, "secret"), what
            detail = test.json["detail"]
            assert detail == answers[0].json["errors"][0]["detail"]
            words.add(detail)
        assert len(words) == 2  # the problem document, and the sentence in it
        assert detail == (
            f"There is no secret {SECRET_ID} whose members host and entities are for {HOST} and contacts. "
            "Correct the secret or the definition."
        )
        # Also a draft that is edited, to another entity as well.
        store(secrets, HERE)
        api.put_contacts("orders")
        assert api("POST", f"{path}/unschedule").status == 200
        assert api("PUT", path, body=body).status == 200
        moved = api("PUT", path, body=body | {"entity": "orders"})
        assert (moved.status, moved.pointers) == (422, ["#/destination/secretId"])


def test_a_delivery_sends_a_foreign_secret_to_nobody(
    services: Services, clock: builders.Clock, secrets: Any, tmp_path: Any
) -> None:
    """Whoever saved the definition, and when: the secret may have been changed since."""
    allowing = Services(replace(services.settings, allowed_private_hosts=HOST), clock)
    allowing.caller_groups = services.caller_groups
    key = asyncssh.generate_private_key("ssh-ed25519")
    secrets.create_secret(Name=SECRET_ID, SecretString="{}")
    with sftp_server(tmp_path, [key]) as server:
        export = activate(allowing, export_of(allowing, **PERIODIC | {"destination": sftp(server.port, key)}), "a", "a")
        messages = set()
        for value in FOREIGN.values():
            store(secrets, value)
            ended = end(allowing, run_now(allowing, allowing.exports.get(export.export_id), "a", "a"))
            if allowing.exports.get(export.export_id).status is not ExportStatus.SCHEDULED:  # paused
                activate(allowing, allowing.exports.get(export.export_id), "a", "a")
            assert (ended.status, ended.error_code) == (Status.FAILED, "delivery-failed")
            messages.add(ended.error_message)
        assert server.asked == []
        store(secrets, HERE)
        assert end(allowing, run_now(allowing, export, "a", "a")).status is Status.COMPLETED
    assert messages == {
        f"secret: There is no secret {SECRET_ID} whose members host and entities are for {HOST} and contacts. "
        "Correct the secret or the definition, then relaunch the export."
    }


@pytest.mark.parametrize(
    ("binding", "host", "is_for"),
    [
        ("SFTP.Example.com", "sftp.example.com", True),
        ("sftp.example.com.", "sftp.EXAMPLE.com", True),
        (" sftp.example.com ", "sftp.example.com", True),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("BÜCHER.example.", "XN--bcher-kva.example", True),
        ("straße.example", "strasse.example", False),
        ("sftp.example.com:22", "sftp.example.com", True),
        ("sftp.example.com:2222", "sftp.example.com", False),
        ("sftp.example.com:", "sftp.example.com", False),
        (":22", "sftp.example.com", False),
        ("2606:4700::1111", "2606:4700:0:0::1111", True),
        ("[2606:4700::1111]:22", "2606:4700::1111", True),
        ("2606:4700::22", "2606:4700:", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.10", False),
        ("example.com", "sftp.example.com", False),
        ("*.example.com", "sftp.example.com", False),
        ("*", "sftp.example.com", False),
        ("", "sftp.example.com", False),
        ("a..b", "a..b", False),
        (None, "sftp.example.com", False),
        (7, "7", False),
    ],
)
def test_a_host_is_compared_whatever_its_spelling(binding: Any, host: str, is_for: bool) -> None:
    assert is_for_server(binding, host, 22) is is_for


def test_a_secret_for_this_server_and_entity_is_used(services: Services, secrets: Any) -> None:
    secrets.create_secret(Name=SECRET_ID, SecretString="{}")
    for value in (HERE, HERE | {"entities": ["orders", "contacts"]}, HERE | {"entities": ["*"], "host": f"{HOST}:22"}):
        store(secrets, value)
        assert read_secret(services, SECRET_ID, HOST, 22, "contacts") == value
        assert Credentials.from_secret(value, needs_password=True).password == PASSWORD


def test_the_command_lists_what_the_migration_must_correct(
    empty_moto_url: str, secrets: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", empty_moto_url)
    monkeypatch.setattr("sys.argv", ["check_secrets"])
    secrets.create_secret(Name="waybill/good", SecretString=json.dumps(HERE))
    assert check_secrets.main() == 0
    for name in ("there is none", "no host", "no entities", "no object"):
        if FOREIGN[name] is not None:
            secrets.create_secret(Name=f"waybill/{name.replace(' ', '-')}", SecretString=json.dumps(FOREIGN[name]))
    secrets.create_secret(Name="waybill/bytes", SecretBinary=b"{}")
    secrets.create_secret(Name="others/lacks-both", SecretString="{}")
    secrets.create_secret(Name="waybill/lacks-both", SecretString="{}")
    assert check_secrets.main() == 1
    shown = capsys.readouterr()
    assert sorted(shown.out.splitlines()) == [
        "waybill/bytes: is not a JSON object",
        "waybill/lacks-both: lacks host and entities",
        "waybill/no-entities: lacks entities",
        "waybill/no-host: lacks host",
        "waybill/no-object: is not a JSON object",
    ]
    assert PASSWORD not in shown.out + shown.err
