"""Debian's Chromium, and signing in to the console."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from playwright.sync_api import Browser, Page, Playwright, expect

from infra.local.stack import LocalStack

PATH = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT_MS = 20_000

Visit = Callable[..., Page]
# React draws, and Cloudscape measures, after the call that caused it: tests wait for what they expect of a page with
# `expect` or `wait_for_function`, and never assert what the page is at one moment (tests/unit/test_house.py).
FITS = "() => document.documentElement.scrollWidth <= innerWidth"


def launch(playwright: Playwright) -> Browser:
    expect.set_options(timeout=WAIT_MS)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=PATH, args=arguments)


def sign_in(page: Page, stack: LocalStack, user: str, path: str = "") -> None:
    """Open a screen of the console and sign in there."""
    page.goto(stack.stack["consoleUrl"] + path)
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(stack.stack["users"][user])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name=user, exact=True)).to_be_visible()


def expect_no_sideways_scrolling(page: Page) -> None:
    """Wait until the page is no wider than its window."""
    page.wait_for_function(FITS, timeout=WAIT_MS)
