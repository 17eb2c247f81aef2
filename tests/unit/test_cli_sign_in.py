"""The address that `waybill` connects to, and the user that it acts as."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest

from tests.cli_service import Service, answer, problem, write_profile
from waybill_cli.main import main
from waybill_cli.profile import profile_path

pytestmark = pytest.mark.usefixtures("home")


def test_token_prints_a_token_and_nothing_else(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--user", "alice"]) == 0
    assert capsys.readouterr().out == "token-alice-1\n"
    assert stack.sign_ins[0]["AuthFlow"] == "USER_PASSWORD_AUTH"
    assert stack.sign_ins[0]["ClientId"] == "client"


def test_the_stack_is_found_from_a_folder_below_with_admin_as_default(
    stack: Service, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(home / "a" / "b")
    assert main(["token"]) == 0
    assert capsys.readouterr().out == "token-admin-1\n"


def test_an_unknown_user_of_the_stack_is_a_usage_error(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--user", "carol"]) == 2
    assert "the local stack has: admin, alice" in capsys.readouterr().err


def test_without_an_address_the_error_tells_how_to_give_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["jobs"]) == 2
    assert "--api-url" in capsys.readouterr().err


@pytest.mark.parametrize("address", ["example.com", "ftp://example.com", "https://", "http://[", "http://x?y=1"])
def test_an_invalid_address_is_a_usage_error(address: str) -> None:
    assert main(["jobs", "--api-url", address]) == 2


def test_login_saves_a_private_profile_that_later_commands_use(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("pw-alice\n"))
    assert main(["login", "--api-url", f"{service.url}/v1/", "--user", "alice", "--password-stdin"]) == 0
    assert stat.S_IMODE(profile_path().stat().st_mode) == 0o600
    saved = profile_path().read_text()
    assert "pw-alice" not in saved and json.loads(saved)["apiUrl"] == service.url
    capsys.readouterr()

    service.routes["GET /v1/me"] = answer({"name": "alice", "subject": "s", "groups": ["ops", "sales"]})
    assert main(["me"]) == 0
    assert service.sent("GET", "/v1/me")[0].headers["authorization"] == "Bearer token-alice-1"
    assert "ops, sales" in capsys.readouterr().out
    assert len(service.sign_ins) == 1


def test_login_with_a_wrong_password_is_refused_and_saves_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("nonsense\n"))
    assert main(["login", "--api-url", service.url, "--user", "alice", "--password-stdin"]) == 1
    assert "Incorrect username or password" in capsys.readouterr().err
    assert not profile_path().exists()


def test_login_takes_the_password_of_the_local_stack(stack: Service) -> None:
    assert main(["login", "--user", "alice"]) == 0
    assert json.loads(profile_path().read_text())["user"] == "alice"


def test_login_says_which_challenge_it_cannot_answer(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service.routes["POST /"] = answer({"ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "s"})
    monkeypatch.setattr("sys.stdin", io.StringIO("x\n"))
    assert main(["login", "--api-url", service.url, "--user", "alice", "--password-stdin"]) == 1
    assert "NEW_PASSWORD_REQUIRED" in capsys.readouterr().err


def test_no_password_is_sent_where_there_is_no_user_pool(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {"issuer": "https://login.example.com", "clientId": "c", "region": "us-east-1", "endpoint": None}
    service.routes["GET /v1/auth-config"] = answer(config)
    monkeypatch.setattr("sys.stdin", io.StringIO("x\n"))
    assert main(["login", "--api-url", service.url, "--user", "alice", "--password-stdin"]) == 1
    assert "WAYBILL_TOKEN" in capsys.readouterr().err


def test_a_token_of_another_issuer_comes_from_the_environment(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYBILL_TOKEN", "mine")
    service.routes["GET /v1/me"] = answer({"name": "x", "groups": []})
    assert main(["me", "--api-url", service.url]) == 0
    assert service.requests[-1].headers["authorization"] == "Bearer mine"


def test_an_expired_token_is_renewed_and_saved(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    write_profile(service.url, expires_in=-1)
    assert main(["token"]) == 0
    assert capsys.readouterr().out == "token-alice-1\n"
    saved = json.loads(profile_path().read_text())
    assert (saved["token"], saved["refreshToken"]) == ("token-alice-1", "refresh-alice")


def test_a_refused_token_is_renewed_once(service: Service) -> None:
    write_profile(service.url)
    refused = problem(401, "A valid token is needed", "The token has expired.")
    service.routes["GET /v1/me"] = [refused, answer({"name": "alice", "groups": []})]
    assert main(["me"]) == 0
    tokens = [request.headers["authorization"] for request in service.sent("GET", "/v1/me")]
    assert tokens == ["Bearer old", "Bearer token-alice-1"]


def test_a_sign_in_that_cannot_be_renewed_tells_how_to_sign_in_again(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    write_profile(service.url, refresh_token="revoked", expires_in=-1)
    assert main(["token"]) == 1
    assert "waybill login --user alice" in capsys.readouterr().err


def test_the_saved_token_is_sent_only_to_its_own_address(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    write_profile("https://elsewhere.example.com")
    assert main(["me", "--api-url", service.url]) == 1
    assert "You are not signed in" in capsys.readouterr().err
    assert service.requests == []


def test_logout_removes_even_an_unreadable_profile(capsys: pytest.CaptureFixture[str]) -> None:
    profile_path().parent.mkdir(parents=True)
    profile_path().write_text("{")
    assert main(["jobs"]) == 2
    assert "waybill logout" in capsys.readouterr().err
    assert main(["logout"]) == 0
    assert not profile_path().exists()
    assert main(["logout", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.split("\n", 1)[1]) == {"removed": False}
