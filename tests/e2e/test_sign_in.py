"""Signing in at the user pool of the embedded AWS: programs as themselves, people at its managed login."""

from __future__ import annotations

import html
import json
import re
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.deploy import deploy
from infra.local.stack import LOCAL_PARAMETERS, LocalStack
from tests.stack import stack_fixture
from waybill_cli.main import main

stack = stack_fixture(scope="module", parameters={})


def machine_client(stack: LocalStack, name: str) -> tuple[str, str]:
    """A new client of the user pool for a program: its id and secret."""
    client = stack.clients("cognito-idp").create_user_pool_client(
        UserPoolId=stack.deployed.outputs["UserPoolId"],
        ClientName=name,
        GenerateSecret=True,
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthScopes=["waybill/api"],
    )["UserPoolClient"]
    return client["ClientId"], client["ClientSecret"]


@pytest.fixture(scope="module")
def nightly(stack: LocalStack) -> tuple[str, str]:
    """A machine client of the group ops."""
    client_id, secret = machine_client(stack, "nightly")
    deploy(stack.clients, {**LOCAL_PARAMETERS, "MachineClients": f'{{"{client_id}": ["ops"]}}'})
    return client_id, secret


def token_of_program(stack: LocalStack, client_id: str, secret: str) -> str:
    found = httpx.get(f"{stack.stack['apiUrl']}/v1/auth-config", trust_env=False, timeout=60).json()
    metadata = httpx.get(found["metadataUrl"], trust_env=False).json()
    answer = httpx.post(
        metadata["token_endpoint"],
        data={"grant_type": "client_credentials"},
        auth=(client_id, secret),
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


def me(stack: LocalStack, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{stack.stack['apiUrl']}/v1/me", headers=headers, trust_env=False, timeout=60)


def test_a_program_signs_in_with_a_client_of_its_own(stack: LocalStack, nightly: tuple[str, str]) -> None:
    answer = me(stack, token_of_program(stack, *nightly))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert (found["name"], found["groups"]) == (f"client:{nightly[0]}", ["ops"])


def test_a_program_that_the_parameter_does_not_name_is_refused(stack: LocalStack, nightly: tuple[str, str]) -> None:
    answer = me(stack, token_of_program(stack, *machine_client(stack, "unknown")))
    assert answer.status_code == 401
    assert "machine clients" in answer.json()["detail"]


FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


def test_waybill_signs_a_person_in_at_the_managed_login(
    stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    pages: list[httpx.Response] = []

    def sign_in(address: str) -> None:
        page = httpx.get(address, trust_env=False)
        fields = {name: html.unescape(value) for name, value in FIELD.findall(page.text)}
        person = {"username": "alice", "password": stack.stack["users"]["alice"]}
        url = f"{stack.stack['endpointUrl']}/login"
        pages.append(httpx.post(url, data={**fields, **person}, trust_env=False, follow_redirects=True))

    threads: list[threading.Thread] = []

    def browse(address: str) -> bool:
        threads.append(threading.Thread(target=sign_in, args=(address,)))
        threads[0].start()
        return True

    monkeypatch.setattr("webbrowser.open", browse)
    assert main(["login", "--api-url", stack.stack["apiUrl"]]) == 0
    threads[0].join()
    assert "You are signed in" in pages[0].text
    capsys.readouterr()
    assert main(["me", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"] == ["ops", "sales"]
