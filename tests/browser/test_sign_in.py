"""Signing in at the managed login of the embedded AWS's user pool, and sessions that end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from infra.local.stack import LocalStack
from tests.browser.axe import flaws
from tests.browser.chromium import WAIT_MS, Visit

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser of somebody who is not signed in."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, reduced_motion="reduce")
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


def sign_in_at_managed_login(page: Page, stack: LocalStack, user: str) -> None:
    page.get_by_role("button", name="Continue to the sign-in page").click()
    page.wait_for_url("**/oauth2/authorize?**")
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(stack.stack["users"][user])
    page.get_by_role("button", name="Sign in").click()


def user_menu(page: Page, user: str) -> None:
    expect(page.get_by_role("button", name=user, exact=True)).to_be_visible()


def test_managed_login_returns_to_where_the_person_was_and_every_tab_is_signed_in(
    stack: LocalStack, context: BrowserContext
) -> None:
    page, address = context.new_page(), f"{stack.stack['consoleUrl']}status?q=orders"
    page.goto(address)
    expect(page.get_by_role("heading", name="Waybill")).to_be_visible()
    assert flaws(page) == []
    sign_in_at_managed_login(page, stack, "alice")
    user_menu(page, "alice")
    expect(page).to_have_url(address)
    another = context.new_page()
    another.goto(f"{stack.stack['consoleUrl']}imports")
    user_menu(another, "alice")
    another.get_by_role("button", name="alice", exact=True).click()
    expect(another.get_by_role("menu", name="Groups: ops, sales")).to_be_visible()
    another.get_by_role("menuitem", name="Sign out").click()
    for tab in (another, page):  # nothing stays on any screen
        expect(tab.get_by_text("You have signed out.")).to_be_visible()
    page.wait_for_function("localStorage.getItem('waybill.session') === null")


def test_a_session_that_ends_keeps_what_was_typed(stack: LocalStack, context: BrowserContext) -> None:
    page = context.new_page()
    page.clock.install()
    page.goto(f"{stack.stack['consoleUrl']}entities/new")
    sign_in_at_managed_login(page, stack, "admin")
    name = page.get_by_label("Name", exact=True)
    name.fill("half_typed")
    page.clock.fast_forward(DAY_MS)
    other = context.new_page()
    other.goto(f"{stack.stack['consoleUrl']}imports")
    expect(other.get_by_role("heading", name="Your session has ended")).to_be_visible()
    expect(page.get_by_role("heading", name="Your session has ended")).to_be_visible()
    assert flaws(page) == []
    with context.expect_page() as opened:
        page.get_by_role("button", name="Sign in again").click()
    sign_in_at_managed_login(opened.value, stack, "admin")
    for tab in (page, other):
        expect(tab.get_by_role("heading", name="Your session has ended")).to_be_hidden()
    expect(name).to_have_value("half_typed")
    expect(other.get_by_role("heading", name="Imported files")).to_be_visible()
    assert opened.value.is_closed()


def test_a_refused_sign_in_says_why_and_begins_again(stack: LocalStack, context: BrowserContext) -> None:
    page = context.new_page()
    for query, reason in (
        ("error=access_denied&error_description=No+account+here&state=x", "begun in another browser"),
        ("code=stolen&state=x", "begun in another browser"),
    ):
        page.goto(f"{stack.stack['consoleUrl']}signed-in?{query}")
        expect(page.get_by_text(reason)).to_be_visible()
    page.get_by_role("link", name="Begin again").click()
    expect(page.get_by_role("button", name="Continue to the sign-in page")).to_be_visible()


def test_a_session_by_password_survives_a_new_tab(stack: LocalStack, visit: Visit) -> None:
    page = visit("imports", user="bob")
    another = page.context.new_page()
    another.goto(f"{stack.stack['consoleUrl']}imports")
    user_menu(another, "bob")
