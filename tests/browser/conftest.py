"""A real browser before the real stack: Debian's Chromium, driven by Playwright, and the console as it is built.

Without Chromium or a built console these tests are left out, and say so; with `CI` set they fail instead.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from infra.local import console
from infra.local.embedded import ROOT
from infra.local.stack import LocalStack
from tests.e2e.client import Client
from tests.stack import client_fixture, stack_fixture

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
WAIT_MS = 20_000
DARK = re.compile("awsui-dark-mode")

CONTACTS = {
    "schema": {
        "fields": [
            {"name": "id", "type": "integer"},
            {"name": "email", "type": "string", "format": "email"},
            {"name": "spend", "type": "number", "constraints": {"minimum": 0}},
        ],
        "primaryKey": ["id"],
    },
    "permissions": {"view": ["sales"], "import": ["ops"], "export": ["ops", "sales"]},
}


def need_browser_and_console() -> None:
    missing = "Chromium (apt-get install chromium)" if CHROMIUM is None else ""
    if not missing and console.main() != 0:
        missing = "a console that builds"
    if missing and os.environ.get("CI"):
        pytest.fail(f"the browser tests need {missing}")
    if missing:
        pytest.skip(f"BROWSER TESTS LEFT OUT: they need {missing}")


stack = stack_fixture(
    parameters={"ChunkBytes": 200_000, "AllowedPrivateHosts": "127.0.0.1"}, before=need_browser_and_console
)
admin = client_fixture("admin")
alice = client_fixture("alice")
bob = client_fixture("bob")


@pytest.fixture(scope="session")
def browser(stack: LocalStack) -> Iterator[Browser]:
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield running
        running.close()


Visit = Callable[..., Page]


@pytest.fixture
def visit(stack: LocalStack, browser: Browser) -> Iterator[Visit]:
    """Open a screen as a user who signs in there; what the browser complains about, and what the page asks of any
    other host, fails the test. With `clock=True` the test can turn the page's clock."""
    own = (stack.stack["endpointUrl"] + "/", "data:", "blob:")
    complaints: list[str] = []
    contexts = []

    def open_screen(path: str = "", user: str = "admin", *, clock: bool = False, **options: Any) -> Page:
        context = browser.new_context(
            **{"viewport": {"width": 1500, "height": 950}, "accept_downloads": True, "reduced_motion": "reduce"}
            | options
        )
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        if clock:
            page.clock.install()
        page.on("request", lambda request: None if request.url.startswith(own) else complaints.append(request.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
        page.goto(stack.stack["consoleUrl"] + path)
        page.get_by_label("User name").fill(user)
        page.get_by_label("Password").fill(stack.stack["users"][user])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("button", name=user, exact=True)).to_be_visible()
        return page

    yield open_screen
    for context in contexts:
        context.close()
    assert complaints == []


def is_complaint(message: Any) -> bool:
    """Refusals of the API are logged by the browser, and shown to the person: that is no fault of the console."""
    return message.type == "error" and "Failed to load resource" not in message.text


def violations(page: Page) -> list[str]:
    """What axe finds wrong with the screen as it stands."""
    source = AXE.read_text(encoding="utf-8")
    page.evaluate(source)  # through the debugger: the page's policy would refuse the script
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


def flaws(page: Page) -> list[str]:
    """What axe finds wrong with the screen, in light and in dark."""
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    expect(page.locator("body")).to_have_class(DARK)
    found += violations(page)
    page.emulate_media(color_scheme="light")
    expect(page.locator("body")).not_to_have_class(DARK)
    return found


def contacts_csv(rows: int, bad: int = 0) -> bytes:
    """`bad` of the rows have no number as `spend`."""
    lines = [f"{i},p{i}@example.com,{'much' if i < bad else i / 4}" for i in range(rows)]
    return "\n".join(["id,email,spend", *lines, ""]).encode()


def start_import(client: Client, entity: str, name: str, data: bytes, **options: object) -> str:
    body = {"uploadId": client.upload(entity, name, data), **options}
    answer = client.call("POST", "/imports", json=body)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["jobId"]
    return job_id


def let_expire(stack: LocalStack, job_id: str, attribute: str) -> None:
    """As if the time had come: `expiresAt` is the entry's, `filesExpireAt` its files'."""
    stack.clients("dynamodb").update_item(
        TableName=stack.stack["jobsTable"],
        Key={"pk": {"S": f"JOB#{job_id}"}, "sk": {"S": "JOB"}},
        UpdateExpression="SET #expiry = :past",
        ExpressionAttributeNames={"#expiry": attribute},
        ExpressionAttributeValues={":past": {"N": "1700000000"}},
        ConditionExpression="attribute_exists(#expiry)",
    )
