"""The documentation beside the console: found from every screen, and searched without anything from elsewhere."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.chromium import Visit


def test_the_console_leads_to_the_documentation_and_its_search_finds_words(visit: Visit) -> None:
    page = visit("start")
    with page.expect_popup() as opened:
        page.get_by_role("link", name=re.compile("^Documentation")).click()
    documents = opened.value
    complaints: list[str] = []
    documents.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    documents.on("pageerror", lambda error: complaints.append(str(error)))
    documents.reload()
    expect(documents.get_by_role("heading", name="Waybill", exact=False).first).to_be_visible()
    search = documents.get_by_role("textbox", name="Search")
    search.click()
    expect(documents.locator(".md-search-result__meta")).to_have_text("Type to start searching")  # the index is loaded
    search.press_sequentially("dead letters redrive")  # it listens for keys
    documents.locator(".md-search-result__link", has_text="Operating").first.click()
    expect(documents).to_have_url(re.compile(r"/docs/operate\.html"))
    expect(documents.locator("article").get_by_role("heading", level=1)).to_contain_text("Operating")
    assert complaints == []
