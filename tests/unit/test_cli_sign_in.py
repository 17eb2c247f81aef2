"""The address that `waybill` connects to, and the user that it acts as."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import stat
import threading
import urllib.parse
from pathlib import Path

import httpx
import pytest

from infra.local.claim import free_port
from infra.local.package import load_template
from tests.cli_service import Service, answer, problem, write_profile
from waybill_cli import oidc
from waybill_cli.client import Api
from waybill_cli.main import main
from waybill_cli.profile import find_connection, profile_path

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
    service.routes["GET /v1/auth-config"] = service.auth_config(
        issuer="https://login.example.com", endpoint=None, passwordSignIn=False
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("x\n"))
    assert main(["login", "--api-url", service.url, "--user", "alice", "--password-stdin"]) == 1
    assert "WAYBILL_TOKEN" in capsys.readouterr().err
    assert service.sign_ins == []


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
    assert capsys.readouterr().out == "token-alice-r1\n"
    saved = json.loads(profile_path().read_text())
    assert (saved["token"], saved["refreshToken"]) == ("token-alice-r1", "refresh-alice+")  # the old one is used up
    assert stat.S_IMODE(profile_path().stat().st_mode) == 0o600


def test_a_refused_token_is_renewed_once(service: Service) -> None:
    write_profile(service.url)
    refused = problem(401, "A valid token is needed", "The token has expired.")
    service.routes["GET /v1/me"] = [refused, answer({"name": "alice", "groups": []})]
    assert main(["me"]) == 0
    tokens = [request.headers["authorization"] for request in service.sent("GET", "/v1/me")]
    assert tokens == ["Bearer old", "Bearer token-alice-r1"]


def test_a_sign_in_that_cannot_be_renewed_tells_how_to_sign_in_again(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    write_profile(service.url, refresh_token="revoked", expires_in=-1)
    assert main(["token"]) == 1
    error = capsys.readouterr().err
    assert "The session of alice has ended" in error and "waybill login" in error


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


def test_two_commands_at_once_use_a_refresh_token_once(service: Service, home: Path) -> None:
    write_profile(service.url, expires_in=-1)
    connection = find_connection(None)
    assert main(["token"]) == 0
    api = Api(connection, None)  # a command that had read the profile before the other one renewed it
    try:
        assert api.sign_in.token() == "token-alice-r1"
    finally:
        api.close()
    assert [grant["refresh_token"] for grant in service.grants] == ["refresh-alice"]


def test_logout_takes_the_session_back_at_the_issuer(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    endpoints = service.issuer_endpoints("token", "authorize", "revoke")
    service.routes["GET /metadata"] = answer({"issuer": "https://cognito-idp.x/pool", **endpoints})
    service.routes["POST /revoke"] = (200, {}, b"")
    write_profile(service.url)
    assert main(["logout"]) == 0
    assert b"token=refresh-alice&" in service.sent("POST", "/revoke")[0].body
    assert not profile_path().exists()
    write_profile("http://127.0.0.1:9")
    assert main(["logout"]) == 0
    assert "could not be told" in capsys.readouterr().out
    assert not profile_path().exists()


# In the browser


class Browser:
    """A person's browser at the issuer's page: what it was sent there with, and where it returns."""

    def __init__(self, *returns: dict[str, str]) -> None:
        self.asked: dict[str, str] = {}
        self.seen: list[int] = []
        self._returns = returns
        self._thread: threading.Thread | None = None

    def open(self, address: str) -> bool:
        self.asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
        self._thread = threading.Thread(target=self._return)
        self._thread.start()
        return True

    def _return(self) -> None:
        for query in self._returns:
            found = {"state": self.asked["state"], **query}
            url = self.asked["redirect_uri"].replace("localhost", "127.0.0.1")
            self.seen.append(httpx.get(url, params=found, trust_env=False).status_code)

    def join(self) -> None:
        assert self._thread is not None
        self._thread.join()


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free ports instead of the registered ones."""
    monkeypatch.setattr(oidc, "PORTS", (free_port(), free_port()))


@pytest.fixture
def outside(service: Service) -> Service:
    """The service with an issuer of its own, and no passwords."""
    service.routes["GET /v1/auth-config"] = service.auth_config(endpoint=None, passwordSignIn=False)
    service.routes["GET /v1/me"] = answer({"name": "carol", "groups": []})
    return service


@pytest.mark.usefixtures("loopback")
def test_login_returns_from_the_browser_with_a_code_that_only_this_command_can_use(
    outside: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = Browser({"state": "somebody-elses", "code": "theirs"}, {"code": "good"})
    monkeypatch.setattr("webbrowser.open", browser.open)
    assert main(["login", "--api-url", outside.url]) == 0
    browser.join()
    assert browser.seen == [404, 200]
    assert browser.asked["code_challenge_method"] == "S256" and browser.asked["client_id"] == "client"
    [grant] = outside.grants
    digest = hashlib.sha256(grant["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == browser.asked["code_challenge"]
    assert (grant["code"], grant["redirect_uri"]) == ("good", browser.asked["redirect_uri"])
    saved = json.loads(profile_path().read_text())
    assert (saved["user"], saved["token"], saved["refreshToken"]) == ("carol", "token-carol", "refresh-carol")
    assert "Signed in as carol" in capsys.readouterr().out


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ({"error": "access_denied", "error_description": "You said no"}, "You said no"),
        ({"code": "used-before"}, "It has ended."),
        ({"code": "good", "iss": "https://attacker.example"}, "another identity provider"),
    ],
)
def test_a_sign_in_that_the_issuer_refuses_saves_nothing(
    outside: Service,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    returned: dict[str, str],
    reason: str,
) -> None:
    browser = Browser(returned)
    monkeypatch.setattr("webbrowser.open", browser.open)
    assert main(["login", "--api-url", outside.url]) == 1
    browser.join()
    assert reason in capsys.readouterr().err
    assert not profile_path().exists()


@pytest.mark.usefixtures("loopback")
def test_a_sign_in_that_the_service_does_not_take_saves_nothing(
    outside: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outside.routes["GET /v1/me"] = problem(401, "A valid token is needed", "The token is not meant for this service.")
    browser = Browser({"code": "good"})
    monkeypatch.setattr("webbrowser.open", browser.open)
    assert main(["login", "--api-url", outside.url]) == 1
    browser.join()
    assert "not meant for this service" in capsys.readouterr().err
    assert not profile_path().exists()


def test_without_a_browser_a_code_is_entered_on_another_device(
    outside: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoints = outside.issuer_endpoints("token", "authorize", "device")
    outside.routes["GET /metadata"] = answer({"issuer": "https://cognito-idp.x/pool", **endpoints})
    device = {"device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": "https://x.example/device"}
    outside.routes["POST /device"] = answer({**device, "expires_in": 60, "interval": 0})
    outside.routes["POST /token"] = [
        answer({"error": "authorization_pending"}, 400),
        answer({"access_token": "token-carol", "expires_in": 60}),
    ]
    assert main(["login", "--no-browser", "--api-url", outside.url]) == 0
    assert "WDJB-MJHT" in capsys.readouterr().err
    assert json.loads(profile_path().read_text())["token"] == "token-carol"


# Programs


def test_a_program_signs_in_with_its_client_and_renews_by_its_secret(
    outside: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outside.routes["GET /v1/me"] = answer({"name": "client:nightly", "groups": ["ops"]})
    monkeypatch.setenv("NIGHTLY_SECRET", "s3cret:%")
    login = ["login", "--api-url", outside.url, "--client-id", "nightly", "--client-secret-env", "NIGHTLY_SECRET"]
    assert main(login) == 0
    sent = base64.b64decode(outside.sent("POST", "/token")[0].headers["authorization"].removeprefix("Basic "))
    assert sent == b"nightly:s3cret%3A%25"  # form-encoded first (RFC 6749, section 2.3.1)
    saved = profile_path().read_text()
    assert "s3cret" not in saved and json.loads(saved)["user"] == "client:nightly"
    profile_path().write_text(json.dumps({**json.loads(saved), "expiresAt": 0}))
    capsys.readouterr()
    assert main(["token"]) == 0
    assert capsys.readouterr().out == "token-program-2\n"
    profile_path().write_text(json.dumps({**json.loads(saved), "expiresAt": 0}))
    monkeypatch.delenv("NIGHTLY_SECRET")
    assert main(["token"]) == 2
    assert "NIGHTLY_SECRET" in capsys.readouterr().err


def test_a_program_needs_both_its_id_and_its_secret(outside: Service) -> None:
    assert main(["login", "--api-url", outside.url, "--client-id", "nightly"]) == 2


def test_the_addresses_of_this_machine_are_those_that_the_template_registers() -> None:
    registered = load_template()["Resources"]["UserPoolClient"]["Properties"]["CallbackURLs"]
    assert [f"http://localhost:{port}/" for port in oidc.PORTS] == [url for url in registered if isinstance(url, str)]
