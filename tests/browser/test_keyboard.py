"""The keyboard alone is enough."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.builders import CONTACTS, contacts_csv, start_import
from tests.browser.chromium import Visit
from tests.e2e.client import Client


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


def tab_to(page: Page, wanted: Locator) -> None:
    """Move on from where the focus is until it is there."""
    expect(wanted).to_be_visible()
    for _ in range(150):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"the Tab key does not lead to {wanted}")


def test_the_keyboard_is_enough_to_import_a_file_see_its_errors_and_delete_the_entry(
    visit: Visit, admin: Client, tmp_path: Path
) -> None:
    admin.put_entity("by-keyboard", **CONTACTS)
    path = tmp_path / "typed.csv"
    path.write_bytes(contacts_csv(3, bad=1))
    page = visit("imports?entity=by-keyboard")
    page.on("filechooser", lambda _: None)  # the browser is told early that they are ours to answer
    press = page.keyboard.press
    dialog = page.get_by_role("dialog")
    expect(page.get_by_text("Nothing was imported")).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Import from file").first)
    press("Enter")
    expect(dialog.get_by_role("button", name="Into the entity")).to_contain_text("by-keyboard")
    choose = dialog.get_by_role("button", name="Choose file")
    tab_to(page, choose)
    expect(choose).to_be_focused()
    with page.expect_file_chooser() as chooser:
        press("Enter")
    chooser.value.set_files(path)
    expect(dialog.get_by_text("much: not a number")).to_be_visible()
    tab_to(page, dialog.get_by_role("button", name="Start import"))
    press("Enter")
    expect(dialog).to_be_hidden()
    mine = page.get_by_role("row").filter(has_text="typed.csv")
    expect(mine).to_contain_text("2 rows imported, 1 rejected")
    tab_to(page, mine.get_by_role("button", name="All errors"))
    press("Enter")
    expect(dialog.get_by_role("cell", name="much").first).to_be_visible()
    tab_to(page, dialog.get_by_role("searchbox"))
    page.keyboard.type("nothing like it")
    expect(dialog.get_by_text("No error matches the search.")).to_be_visible()
    press("Escape")  # clears the search, or closes
    if dialog.is_visible():
        press("Escape")
    expect(dialog).to_be_hidden()
    tab_to(page, page.get_by_role("link", name="Status", exact=True))
    press("Enter")
    tab_to(page, page.get_by_role("row").filter(has_text="typed.csv").get_by_role("checkbox"))
    press("Space")
    tab_to(page, page.get_by_role("button", name="Delete", exact=True))
    press("Enter")
    tab_to(page, dialog.get_by_role("button", name="OK"))
    press("Enter")
    expect(page.get_by_text("1 entry deleted")).to_be_visible()
    assert admin.get("/jobs", entity="by-keyboard", limit=100)["items"] == []
