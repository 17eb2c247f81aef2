"""Every screen of the console, with what has to be there before it is looked at."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.builders import start_import
from tests.e2e.client import Client

PARTS = re.compile(r"/assets/(?!index-)[^/]*\.js$")  # scripts that are loaded when a screen is first shown


@dataclass(frozen=True)
class Data:
    """What the screens show: an entity with records, and what hangs on it."""

    entity: str
    rejected: str
    """An import some of whose rows were rejected."""
    draft: str
    scheduled: str
    source: str
    file: Path
    """A file for the entity, to be chosen."""

    @classmethod
    def made(cls, admin: Client, entity: str, file: Path) -> Data:
        """The entity exists already; the file has rows that are rejected."""
        rejected = start_import(admin, entity, file.name, file.read_bytes())
        admin.wait(rejected)
        schedule = {"time": "02:30", "timezone": "Europe/Brussels"}
        export = {"entity": entity, "type": "PERIODIC_FULL", "destination": {"kind": "s3", "prefix": "crm"}}
        body = {**export, "name": f"Archive of {entity}", "schedule": schedule}
        scheduled = admin.call("POST", "/exports", json=body).json()["exportId"]
        assert admin.call("POST", f"/exports/{scheduled}/activate").status_code == 200
        draft = admin.call("POST", "/exports", json={**body, "name": f"Archive of {entity} for partners"})
        source = admin.call(
            "POST",
            "/sources",
            json={
                "name": f"Partner's {entity}",
                "entity": entity,
                "location": {"kind": "s3", "prefix": "partner"},
                "pattern": "contacts_*.csv*",
                "schedule": {"every": "PT15M", "timezone": "UTC"},
                "after": "move",
                "moveTo": "partner/done",
            },
        ).json()["sourceId"]
        assert admin.call("POST", f"/sources/{source}/activate").status_code == 200
        assert admin.call("POST", f"/sources/{source}/run").is_success
        return cls(entity, rejected, draft.json()["exportId"], scheduled, source, file)


def _nothing(_page: Page, _data: Data) -> None:
    pass


def _choose_file(page: Page, data: Data) -> None:
    page.locator("input[type=file]").set_input_files(data.file)


def _open_record(page: Page, _data: Data) -> None:
    page.get_by_role("row").nth(1).get_by_role("button").first.click()


def _ask_to_delete(page: Page, _data: Data) -> None:
    page.get_by_role("button", name="Settings of the entity").click()
    page.get_by_role("menuitem", name="Delete entity").click()


PATIENCE_MS = 60_000  # the embedded AWS may import a large file meanwhile


@dataclass(frozen=True)
class Screen:
    """A screen.

    Attributes:
        path: with the names of `Data` in braces.
        seen: finds what the screen has once it is whole.
        prepare: does what the address does not say.
        scrolls_sideways: whether a narrow window shows it in part: tables of records have as many columns as fields.
    """

    name: str
    path: str
    seen: Callable[[Page], Locator]
    prepare: Callable[[Page, Data], None] = _nothing
    scrolls_sideways: bool = False

    def open(self, page: Page, console_url: str, data: Data) -> None:
        """Show the screen, and wait until it is whole."""
        page.goto(console_url + self.path.format_map(vars(data)))
        self.prepare(page, data)
        expect(self.seen(page).first).to_be_visible(timeout=PATIENCE_MS)
        # What was said to screen readers stays in live regions of their own, beside the page.
        shown = page.locator("body > :not([aria-live])")
        loading = shown.get_by_text(re.compile("^(Loading|Reading the)")).locator("visible=true")
        expect(loading).to_have_count(0, timeout=PATIENCE_MS)
        page.wait_for_load_state("networkidle")


def _text(text: str | re.Pattern[str]) -> Callable[[Page], Locator]:
    return lambda page: page.get_by_text(text)


def _heading(name: str) -> Callable[[Page], Locator]:
    return lambda page: page.get_by_role("heading", name=name)


def _button(name: str) -> Callable[[Page], Locator]:
    return lambda page: page.get_by_role("button", name=name)


SCREENS = (
    Screen("start", "start", _text("Partner's")),
    Screen("imported-files", "imports", _button("Correct rows")),
    Screen("import", "imports?entity={entity}&import=1", _text("First values"), _choose_file),
    Screen("correct-rows", "imports/{rejected}/rows", lambda page: page.get_by_role("gridcell")),
    Screen("status", "status", lambda page: page.get_by_role("row").nth(1)),
    Screen("error-log", "status?errors={rejected}", _text("All errors by kind")),
    Screen("manage-exports", "exports?tab=SCHEDULED&export={scheduled}", _text("Archive of")),
    Screen(
        "definition",
        "exports?tab=SCHEDULED&export={scheduled}&dialog=definition",
        _text("Formula guard"),
    ),
    Screen(
        "export-now",
        "entities/{entity}?dialog=export",
        _text(re.compile("records? match")),
        scrolls_sideways=True,
    ),
    Screen("export", "exports/{draft}/edit?step=4", _heading("Format and file name")),
    Screen("schedule", "exports/{draft}/edit?step=5", _text("Next runs")),
    Screen("sources", "sources", _text("Partner's")),
    Screen("source", "sources/{source}", _text("Files that were seen")),
    Screen("source-form", "sources/{source}/edit", _button("Test and list files")),
    Screen("entities", "entities", lambda page: page.get_by_role("row").nth(1)),
    Screen(
        "entity",
        "entities/{entity}",
        lambda page: page.get_by_role("row").nth(3),
        scrolls_sideways=True,
    ),
    Screen("record", "entities/{entity}", lambda page: page.get_by_role("dialog"), _open_record),
    Screen("delete-entity", "entities/{entity}", _text("This cannot be undone"), _ask_to_delete),
    Screen(
        "entity-from-file",
        "entities/new",
        _button("Create and import"),
        _choose_file,
        scrolls_sideways=True,
    ),
    Screen("schema", "entities/{entity}/schema", _heading("Schema of")),
    Screen("audit", "audit", lambda page: page.get_by_role("row").nth(1)),
    Screen("no-page", "nothing", _text("This page does not exist")),
)
NOT_LOADED = Screen("not-loaded", "status", _button("Try again"))
SIGN_IN = Screen("sign-in", "", _button("Sign in"))
