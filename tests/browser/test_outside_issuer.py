"""Signing in at an outside issuer, a certified OpenID provider: console, `waybill` and programs."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from infra.local.claim import free_port
from infra.local.stack import LocalStack, local_stack
from tests import oidc_provider as provider
from tests.browser.chromium import WAIT_MS
from tests.browser.conftest import need_browser_and_console
from waybill_cli import oidc
from waybill_cli.main import main
from waybill_cli.profile import load_profile, profile_path, save_profile

FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
ACTION = re.compile(r'<form[^>]* action="([^"]+)"')


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack whose people and programs sign in at the provider."""
    need_browser_and_console()
    port = free_port()
    parameters = {
        "OidcIssuer": f"http://127.0.0.1:{port}",
        "OidcAudience": provider.RESOURCE,
        "OidcResource": provider.RESOURCE,
        "OidcClientId": "waybill",
        "MachineClients": '{"nightly": ["ops"]}',
    }
    log = tmp_path_factory.mktemp("provider") / "log"
    with (
        local_stack(parameters=parameters) as stack,
        provider.oidc_provider(port, stack.stack["consoleUrl"], log),
    ):
        yield stack


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1300, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(WAIT_MS)
    context.route("https://fonts.googleapis.com/**", lambda route: route.abort())  # of the provider's page
    yield context
    context.close()


def sign_in(page: Page, name: str) -> None:
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()


def me(stack: LocalStack, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{stack.stack['apiUrl']}/v1/me", headers=headers, trust_env=False, timeout=60)


def metadata(stack: LocalStack) -> dict[str, Any]:
    config = httpx.get(f"{stack.stack['apiUrl']}/v1/auth-config", trust_env=False, timeout=60).json()
    assert (config["endpoint"], config["passwordSignIn"]) == (None, False)
    found: dict[str, Any] = httpx.get(config["metadataUrl"], trust_env=False).json()
    return found


def stored_session(page: Page) -> dict[str, Any]:
    session: dict[str, Any] = json.loads(page.evaluate("localStorage.getItem('waybill.session')"))
    return session


def test_the_console_renews_its_session_in_one_tab_and_asks_again_once_it_is_taken_back(
    outside: LocalStack, context: BrowserContext
) -> None:
    page, address = context.new_page(), f"{outside.stack['consoleUrl']}imports"
    page.goto(address)
    page.get_by_role("button", name="Sign in").click()
    sign_in(page, "alice")
    expect(page.get_by_role("button", name="alice", exact=True)).to_be_visible()
    expect(page).to_have_url(address)
    first = stored_session(page)
    assert me(outside, first["accessToken"]).json()["groups"] == ["ops", "sales"]

    # A token lasts for 63 s and is replaced a minute before: by one of the tabs, because a refresh token is good once.
    tabs = [page, context.new_page(), context.new_page()]
    time.sleep(4)
    for tab in tabs:
        tab.goto(address, wait_until="commit")
    for tab in tabs:  # each of them has asked the API
        expect(tab.get_by_text("Nothing was imported")).to_be_visible()
        expect(tab.get_by_role("heading", name="Your session has ended")).to_be_hidden()
    second = stored_session(page)
    assert second["accessToken"] != first["accessToken"] and second["refreshToken"] != first["refreshToken"]
    assert second["subject"] == "alice"

    # An administrator ends it at the provider. No page is open that could find out before this one asks.
    revoked = {"token": stored_session(page)["refreshToken"], "client_id": "waybill"}
    for tab in tabs[1:]:
        tab.close()
    page.goto("about:blank")
    assert httpx.post(metadata(outside)["revocation_endpoint"], data=revoked, trust_env=False).status_code == 200
    context.clear_cookies()
    time.sleep(4)
    page.goto(address)
    expect(page.get_by_role("heading", name="Your session has ended")).to_be_visible()
    with context.expect_page() as opened:
        page.get_by_role("button", name="Sign in again").click()
    sign_in(opened.value, "alice")
    expect(page.get_by_role("heading", name="Your session has ended")).to_be_hidden()
    expect(page.get_by_text("Nothing was imported")).to_be_visible()

    last = stored_session(page)
    page.get_by_role("button", name="alice", exact=True).click()
    page.get_by_role("menuitem", name="Sign out").click()
    page.wait_for_url("**/session/end**")  # the provider asks whether its own session ends too
    form = {"grant_type": "refresh_token", "refresh_token": last["refreshToken"], "client_id": "waybill"}
    assert httpx.post(metadata(outside)["token_endpoint"], data=form, trust_env=False).status_code == 400


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(oidc, "PORTS", (free_port(),))
    return tmp_path


@pytest.mark.usefixtures("home")
def test_waybill_signs_in_with_the_browser_renews_and_signs_out(
    outside: LocalStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages: list[httpx.Response] = []
    threads: list[threading.Thread] = []

    def browse(address: str) -> bool:
        threads.append(threading.Thread(target=lambda: pages.append(provider.sign_in(address, "root"))))
        threads[-1].start()
        return True

    monkeypatch.setattr("webbrowser.open", browse)
    assert main(["login", "--api-url", outside.stack["apiUrl"]]) == 0
    threads[0].join()
    assert "You are signed in" in pages[0].text
    assert profile_path().stat().st_mode & 0o077 == 0
    capsys.readouterr()
    assert main(["me", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"] == ["admin"]

    before = load_profile()
    assert before is not None and before.refresh_token is not None
    time.sleep(4)
    assert main(["entities", "--json"]) == 0
    after = load_profile()
    assert after is not None and (after.token, after.refresh_token) != (before.token, before.refresh_token)

    assert main(["logout"]) == 0
    capsys.readouterr()
    save_profile(after)
    time.sleep(4)
    assert main(["entities"]) == 1
    assert "has ended" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_a_code_for_another_device(
    outside: LocalStack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(oidc, "_PAUSE_SECONDS", 0.5)
    said: list[str] = []
    done = threading.Event()

    def on_another_device() -> None:
        while not any("user_code=" in line for line in said):
            time.sleep(0.1)
        address = next(line for line in said if "user_code=" in line).rpartition(" ")[2]
        with httpx.Client(trust_env=False, follow_redirects=True) as device:
            page = device.get(address)
            for _ in range(3):  # confirm the code, sign in
                fields = dict(FIELD.findall(page.text))
                if "Sign-in Success" in page.text:
                    break
                page = device.post(ACTION.findall(page.text)[0], data={**fields, "login": "alice", "password": "any"})
        done.set()

    monkeypatch.setattr("builtins.print", lambda *line, **options: said.append(str(line[0])))
    thread = threading.Thread(target=on_another_device)
    thread.start()
    try:
        assert main(["login", "--no-browser", "--api-url", outside.stack["apiUrl"]]) == 0
    finally:
        thread.join()
    assert done.is_set()
    profile = load_profile()
    assert profile is not None and profile.user == "alice"


def token_of(stack: LocalStack, client_id: str, **form: str) -> str:
    answer = httpx.post(
        metadata(stack)["token_endpoint"],
        data={"grant_type": "client_credentials", **form},
        auth=(client_id, provider.PROGRAMS[client_id]),
        trust_env=False,
    )
    token: str = answer.json()["access_token"]
    return token


def test_programs_are_those_that_the_parameter_names_with_tokens_for_this_service(outside: LocalStack) -> None:
    found = me(outside, token_of(outside, "nightly", resource=provider.RESOURCE)).json()
    assert (found["name"], found["groups"]) == ("client:nightly", ["ops"])
    for token in (
        token_of(outside, "unknown", resource=provider.RESOURCE),
        token_of(outside, "nightly", resource="https://other.example/api"),
    ):
        assert me(outside, token).status_code == 401
