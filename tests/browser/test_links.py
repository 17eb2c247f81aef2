"""Addresses lead to screens, filters, dialogs and steps, and the back button leads back."""

from __future__ import annotations

import re
import uuid

from playwright.sync_api import expect

from tests.browser.builders import CONTACTS, contacts_csv, start_import
from tests.browser.chromium import Visit
from tests.browser.exports_screen import PERIODIC, create, select
from tests.e2e.client import Client

#: Nothing comes in between: the pause in typing, after which it is written into the address, is not over.
TYPE_AND_GO_BACK = """(box, text) => {
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(box, text);
    box.dispatchEvent(new Event("input", {bubbles: true}));
    history.back();
}"""


def test_links_into_the_console_and_the_back_button(visit: Visit, admin: Client) -> None:
    admin.put_entity("deep", **CONTACTS)
    job = admin.wait(start_import(admin, "deep", "deep.csv", contacts_csv(3, bad=1)))
    page = visit(f"imports?entity=deep&errors={job['jobId']}")  # before anybody is signed in
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("cell", name="much").first).to_be_visible()
    dialog.get_by_role("button", name="Close").last.click()
    expect(dialog).to_be_hidden()
    page.go_back()
    expect(dialog).to_be_visible()
    page.reload()
    expect(dialog.get_by_role("cell", name="much").first).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Status", exact=True).click()
    page.get_by_role("searchbox").fill("deep.csv")
    expect(page).to_have_url(re.compile("q=deep.csv"))
    page.go_back()  # perhaps before the address is drawn
    expect(page.get_by_role("searchbox")).to_have_value("")
    page.go_forward()
    expect(page.get_by_role("searchbox")).to_have_value("deep.csv")
    page.get_by_role("searchbox").evaluate(TYPE_AND_GO_BACK, "deep.csv and more")
    expect(page.get_by_role("searchbox")).to_have_value("")
    page.wait_for_timeout(600)  # twice the pause after which typing is written
    expect(page).not_to_have_url(re.compile("q="))
    page.go_forward()
    expect(page.get_by_role("searchbox")).to_have_value("deep.csv")
    page.evaluate("history.pushState(null, '', 'nowhere'); dispatchEvent(new PopStateEvent('popstate'))")
    expect(page.get_by_text("This page does not exist")).to_be_visible()


def test_links_lead_to_tabs_dialogs_and_steps_and_back_leads_back(visit: Visit, admin: Client, alice: Client) -> None:
    admin.put_entity("links", **CONTACTS)
    finished = create(admin, "links finished", "links", activate=True)
    admin.wait(admin.get(f"/exports/{finished}")["jobId"])
    draft = create(admin, "links draft", "links", type="INCREMENTAL", **PERIODIC)
    page = visit(f"exports?tab=FINISHED&q=links&dialog=report&export={finished}")
    dialog = page.get_by_role("dialog")
    heading = page.get_by_role("main").get_by_role("heading", level=1)
    expect(dialog.get_by_text("Rows exported")).to_be_visible()
    dialog.get_by_role("button", name="Close").last.click()
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="View definition").click()
    expect(dialog.get_by_text("Formula guard")).to_be_visible()
    expect(page).to_have_url(re.compile(f"export={finished}"))
    expect(page).to_have_url(re.compile("dialog=definition"))
    page.go_back()
    expect(dialog).to_have_count(0)
    page.get_by_role("tab", name="In definition").click()
    expect(page.get_by_role("row").filter(has_text="links draft")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("tab", name="Finished")).to_have_attribute("aria-selected", "true")
    page.go_forward()
    select(page, "links draft")
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("button", name="Next").click()
    expect(heading).to_contain_text("Fields")
    page.get_by_role("checkbox", name="spend").uncheck(force=True)
    page.get_by_role("button", name="Next").click()
    expect(heading).to_contain_text("Filter")
    page.go_back()
    expect(heading).to_contain_text("Fields")
    expect(page.get_by_role("checkbox", name="spend")).not_to_be_checked()  # what was typed is still there
    page.go_back()
    page.go_back()
    expect(dialog.get_by_text("Leave without saving?")).to_be_visible()
    dialog.get_by_role("button", name="Stay").click()
    expect(heading).to_contain_text("Data and type")
    page.reload()  # what was typed is kept over it
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("checkbox", name="spend")).not_to_be_checked()
    page.go_back()
    page.get_by_role("link", name="Status", exact=True).click()
    dialog.get_by_role("button", name="Leave").click()
    expect(heading).to_contain_text("Status")
    page.get_by_role("link", name="Manage exports").click()
    page.get_by_role("tab", name="In definition").click()
    expect(page.get_by_role("row").filter(has_text="links draft")).to_be_visible()

    # Straight to a step of a draft; its summary survives that the page is loaded anew.
    page.goto(page.url.partition("?")[0] + f"/{draft}/edit?step=6")
    expect(page.get_by_role("button", name="Test connection")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.locator("time")).to_have_count(5)
    page.reload()
    expect(page.locator("time")).to_have_count(5)
    # A link to what is not there says so, and shows the list.
    page.goto(page.url.partition("/exports/")[0] + f"/exports?dialog=report&export={uuid.uuid4()}")
    expect(page.get_by_text("Not found")).to_be_visible()
    expect(page.get_by_role("heading", name="Manage exports")).to_be_visible()
    # Nothing that was typed is left in the tab of whoever signs out.
    page.goto(page.url.partition("/exports")[0] + "/exports/new?entity=links")
    page.get_by_label("Name", exact=True).fill("secret plans")
    page.wait_for_function("JSON.stringify(sessionStorage).includes('secret plans')")
    page.get_by_role("button", name="admin", exact=True).click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.wait_for_function("!JSON.stringify(sessionStorage).includes('secret plans')")
