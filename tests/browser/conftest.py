"""A real browser before the real stack, and the console as it is built.

Without Chromium or a built console these tests are left out, and say so; with `CI` set they fail instead.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from infra.local import console, docs
from infra.local.stack import LocalStack
from tests.browser import chromium
from tests.browser.chromium import WAIT_MS, Visit, sign_in
from tests.stack import client_fixture, stack_fixture


def need_browser_and_console() -> None:
    missing = "Chromium (apt-get install chromium)" if chromium.PATH is None else ""
    if not missing and console.main() != 0:
        missing = "a console that builds"
    if not missing and docs.main() != 0:
        missing = "documentation that builds"
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
def browser() -> Iterator[Browser]:
    need_browser_and_console()
    with sync_playwright() as playwright:
        running = chromium.launch(playwright)
        yield running
        running.close()


@pytest.fixture
def visit(stack: LocalStack, browser: Browser) -> Iterator[Visit]:
    """Opens a screen as a user who signs in there.

    Errors in the browser's console fail the test, and so do requests of the page to any other host. With `clock=True`
    the test controls the page's clock.
    """
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
        sign_in(page, stack, user, path)
        return page

    yield open_screen
    for context in contexts:
        context.close()
    assert complaints == []


def is_complaint(message: Any) -> bool:
    """The browser also logs each refusal of the API, which the console shows to the user: that is not an error."""
    return message.type == "error" and "Failed to load resource" not in message.text
