"""Manage exports for everybody: any name, the keyboard alone, links and the back button, a thousand exports."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, expect

from infra.local.stack import LocalStack
from tests.browser.conftest import CONTACTS, Visit, contacts_csv, start_import
from tests.browser.test_manage_exports import PERIODIC, create, faults, select
from tests.e2e.client import Client

MARKUP = "<img src=x onerror=alert(1)>\"'&amp;"
RIGHT_TO_LEFT = "\N{RIGHT-TO-LEFT OVERRIDE}fdp.exe שלום"


def test_names_of_markup_quotes_and_other_scripts_are_only_text(visit: Visit, admin: Client) -> None:
    admin.put_entity("people", title=f"{MARKUP} {RIGHT_TO_LEFT}", **CONTACTS)
    names = {kind: f"{kind} {name}"[:200] for kind, name in {
        "markup": MARKUP, "rtl": RIGHT_TO_LEFT, "long": "very long name " * 20,
    }.items()}  # fmt: skip
    for kind, name in names.items():
        file_name = f"{kind} {MARKUP} שלום.csv"
        finished = create(admin, name, "people", activate=True, fileName=file_name)
        admin.wait(admin.get(f"/exports/{finished}")["jobId"])
    page = visit("exports?tab=FINISHED&q=markup")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    select(page, names["markup"])
    dialog = page.get_by_role("dialog")
    for button in ("View report", "View definition"):
        page.get_by_role("button", name=button).click()
        expect(dialog.get_by_text(f"markup {MARKUP} שלום.csv").first).to_be_visible()
        dialog.get_by_role("button", name="Close").last.click()
    page.get_by_role("searchbox", name="Name").fill(MARKUP)
    expect(page.get_by_role("row").filter(has_text=names["markup"])).to_be_visible()
    page.get_by_role("searchbox", name="Name").fill("")
    for kind in ("rtl", "long"):
        row = page.get_by_role("row").filter(has_text=f"{kind} ").first
        expect(row).to_be_visible()
        assert row.locator("bdi").first.evaluate("name => getComputedStyle(name).unicodeBidi") == "isolate"
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")  # nothing is pushed out
    assert faults(page) == []

    # A name that the API does not take is refused in the wizard, with the reason, and can be mended there.
    page.get_by_role("button", name="Create export").click()
    expect(page.get_by_role("heading", name="Data and type")).to_be_visible()
    page.get_by_role("button", name="Entity").click()
    option = page.get_by_role("option").filter(has_text="people: ")
    expect(option).to_contain_text(MARKUP)
    option.click()
    page.get_by_label("Name", exact=True).fill("n" * 300)
    for _ in range(5):
        page.get_by_role("button", name="Next").click()
    expect(page.get_by_role("heading", name="Destination and recipients")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("must be one line of 1 to 200 characters")).to_be_visible()
    assert "step=6" in page.url
    assert page.locator("img[src=x]").count() == 0
    assert dialogs == []


def is_focused(target: Locator) -> bool:
    return bool(target.evaluate("element => element === document.activeElement"))


class Keyboard:
    """A person without a mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def press_until(self, key: str, is_there: Callable[[], bool]) -> None:
        for _ in range(200):
            if is_there():
                return
            self.press(key)
        raise AssertionError(f"{key} does not lead there")

    def go_to(self, target: Locator) -> None:
        """Tab on until the target has the focus; a person sees that it has."""
        expect(target).to_be_enabled()
        self.press_until("Tab", lambda: is_focused(target))

    def activate(self, target: Locator, key: str = "Enter") -> None:
        self.go_to(target)
        self.press(key)


def test_an_export_is_made_activated_and_downloaded_by_the_keyboard_alone(visit: Visit, admin: Client) -> None:
    admin.put_entity("keys", **CONTACTS)
    admin.wait(start_import(admin, "keys", "in.csv", contacts_csv(3)))
    page = visit("exports")
    keys = Keyboard(page)
    following = page.get_by_role("button", name="Next")
    keys.activate(page.get_by_role("button", name="Create export"))
    keys.go_to(page.get_by_role("main").get_by_role("textbox", name="Name"))
    page.keyboard.type("By keyboard")
    keys.activate(page.get_by_role("button", name="Entity"))
    option = page.get_by_role("option", name="keys", exact=True)
    keys.press_until("ArrowDown", lambda: "highlighted" in (option.get_attribute("class") or ""))
    keys.press("Enter")
    keys.go_to(page.get_by_role("radio", name="One shot"))
    keys.press("ArrowDown", "ArrowUp")  # there and back
    expect(page.get_by_role("radio", name="One shot")).to_be_checked()
    keys.activate(following)
    expect(page.get_by_role("heading", name="Fields")).to_be_visible()
    keys.activate(page.get_by_role("button", name="Move email up"))
    keys.activate(page.get_by_role("checkbox", name="spend"), "Space")
    for heading in ("Filter", "Format and file name", "Schedule", "Destination and recipients", "Summary"):
        keys.activate(following)
        expect(page.get_by_role("main").get_by_role("heading", level=1)).to_contain_text(heading)
    keys.activate(page.get_by_role("button", name="Activate"))
    expect(page.get_by_text("The export was activated")).to_be_visible()
    [export] = admin.get("/exports", entity="keys")["items"]
    assert (export["fields"], admin.wait(export["jobId"])["numberOfItems"]) == (["email", "id"], 3)
    keys.go_to(page.get_by_role("tab", selected=True))
    finished = page.get_by_role("tab", name="Finished")
    keys.press_until("ArrowRight", lambda: is_focused(finished))
    keys.press("Enter")
    expect(finished).to_have_attribute("aria-selected", "true")
    keys.activate(page.get_by_role("row").filter(has_text="By keyboard").get_by_role("radio"), "Space")
    button = page.get_by_role("button", name="Download")
    expect(button).to_be_enabled()
    keys.press_until("Shift+Tab", lambda: is_focused(button))
    with page.expect_download() as download:
        keys.press("Enter")
    assert Path(download.value.path()).read_text().splitlines()[0] == "email,id"


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
    assert f"export={finished}" in page.url and "dialog=definition" in page.url
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


@contextmanager
def copies(stack: LocalStack, export_id: str, count: int) -> Iterator[None]:
    """So many drafts more like this one, named `mass 0000` and so on."""
    dynamodb, table = stack.clients("dynamodb"), stack.deployed.outputs["CatalogTable"]
    key = {"pk": {"S": "EXPORT"}, "sk": {"S": export_id}}
    item = dynamodb.get_item(TableName=table, Key=key)["Item"]
    made: list[dict[str, Any]] = []
    for number in range(count):
        definition = json.loads(item["definition"]["S"]) | {"name": f"mass {number:04d}"}
        made.append(item | {"sk": {"S": str(uuid.uuid4())}, "definition": {"S": json.dumps(definition)}})

    def write(requests: list[dict[str, Any]]) -> None:
        for start in range(0, len(requests), 25):
            answer = dynamodb.batch_write_item(RequestItems={table: requests[start : start + 25]})
            assert not answer["UnprocessedItems"]

    try:
        write([{"PutRequest": {"Item": each}} for each in made])
        yield
    finally:
        write([{"DeleteRequest": {"Key": {name: each[name] for name in key}}} for each in made])


def test_a_thousand_exports_are_read_and_drawn_a_page_at_a_time(visit: Visit, stack: LocalStack, admin: Client) -> None:
    admin.put_entity("mass", **CONTACTS)
    first = create(admin, "mass first", "mass")
    with copies(stack, first, 1_000):
        page = visit("entities")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/v1/exports?" in request.url else None)
        page.get_by_role("link", name="Manage exports").click()
        rows = page.get_by_role("table").get_by_role("row")
        expect(rows).to_have_count(26)  # 25 and the header
        assert len(asked) == 1
        page.get_by_role("button", name="Next page").click()
        expect(page.get_by_role("button", name="Page 2")).to_have_attribute("aria-current", "true")
        expect(rows).to_have_count(26)
        # Typing asks when it pauses, not at each key; eleven requests of a hundred look at all of them.
        asked.clear()
        word = "mass 0777"
        page.get_by_role("searchbox", name="Name").press_sequentially(word)
        expect(rows).to_have_count(2)
        expect(rows.last).to_contain_text("mass 0777")
        searches = Counter(parse_qs(urlsplit(url).query).get("q", [""])[0] for url in asked)
        assert 1 <= searches[word] <= 13
        assert len(searches) < len(word)
