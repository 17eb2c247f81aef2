"""What surrounds every screen: signing in and out, light and dark mode."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.axe import flaws
from tests.browser.chromium import Visit


def test_signing_in_and_out(visit: Visit) -> None:
    page = visit("imports", user="bob", clock=True)
    page.reload()
    expect(page.get_by_role("heading", name="Imported files")).to_be_visible()
    page.get_by_role("button", name="bob", exact=True).click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert flaws(page) == []
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("User name").fill("bob")
    page.get_by_label("Password").fill("wrong")
    page.clock.run_for(180_000)
    of_api = [url for url in asked if "/v1/" in url]  # the page reads once what the sign-in of the user pool offers
    assert of_api == [], "nothing is asked for when nobody is signed in"
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("You are not signed in")).to_be_visible()


def test_light_and_dark(visit: Visit) -> None:
    page = visit("imports", color_scheme="dark")
    expect(page.locator("body")).to_have_class("awsui-dark-mode")
    expect(page.get_by_role("heading", name="Imported files")).to_be_visible()
    assert flaws(page) == []
    page.get_by_role("button", name="Settings").click()
    page.get_by_role("menuitem", name="Light").click()
    expect(page.locator("body")).not_to_have_class("awsui-dark-mode")
