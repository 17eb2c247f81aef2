"""What people do every day takes few clicks: a file in, its rejected rows fixed, a file out. Clicks are counted."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from infra.local.stack import LocalStack
from tests.browser.chromium import Visit
from tests.e2e.client import Client

PEOPLE = {
    "schema": {
        "fields": [
            {"name": "id", "type": "integer"},
            {"name": "email", "type": "string", "format": "email"},
            {"name": "joined", "type": "date"},
        ],
        "primaryKey": ["id"],
    },
    "permissions": {"view": ["sales"], "import": ["ops"], "export": ["ops"]},
}
GOOD, BAD = 30, 20
#: Presses of the mouse button, which the browser counts itself, whatever the page does with them.
COUNT = """addEventListener('mousedown', (event) => {
    if (event.isTrusted) sessionStorage.setItem('clicks', Number(sessionStorage.getItem('clicks')) + 1);
}, true)"""


class Mouse:
    """A person who clicks on what is to be seen, in its middle, and finds everything else by looking."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.evaluate(COUNT)

    def click(self, target: Locator) -> None:
        target.click(trial=True)  # waits until it is visible, enabled, at rest and not covered
        box = target.bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def clicks(self) -> int:
        """Since the last call."""
        clicks: int = self.page.evaluate("() => Number(sessionStorage.getItem('clicks'))")
        self.page.evaluate("() => sessionStorage.removeItem('clicks')")
        return clicks


def people_csv() -> bytes:
    """Rows whose date is day first are rejected: every row behind the good ones."""
    good = [f"{number},p{number}@example.com,2024-12-01" for number in range(GOOD)]
    bad = [f"{number},p{number}@example.com,{number % 28 + 1:02}/11/24" for number in range(GOOD, GOOD + BAD)]
    return "\n".join(["id,email,joined", *good, *bad, ""]).encode()


def test_three_clicks_in_five_to_fix_twenty_rows_and_three_out(
    visit: Visit, admin: Client, stack: LocalStack, tmp_path: Path
) -> None:
    admin.put_entity("people", **PEOPLE)
    file = tmp_path / "people.csv"
    file.write_bytes(people_csv())
    page = visit("entities/people", user="alice")
    mouse, dialog = Mouse(page), page.get_by_role("dialog")

    page.on("filechooser", lambda _: None)  # the browser is told early that they are ours to answer
    mouse.click(page.get_by_role("button", name="Import from file"))
    with page.expect_file_chooser() as chooser:
        # What is to be seen is a picture of the button, hidden from readers: the button itself is the file input.
        mouse.click(dialog.locator("button", has_text="Choose files"))
    chooser.value.set_files(file)
    expect(dialog.get_by_text("First values")).to_be_visible()
    mouse.click(dialog.get_by_role("button", name="Start import"))
    mine = page.get_by_role("row").filter(has_text="people.csv")
    expect(mine).to_contain_text(f"{GOOD} rows imported, {BAD} rejected")
    assert mouse.clicks() == 3
    job = admin.find_job(entity="people")
    assert (job["counts"]["imported"], job["counts"]["rejected"]) == (GOOD, BAD)

    mouse.click(mine.get_by_role("button", name="Correct rows"))
    mouse.click(page.get_by_role("button", name="Replace in all rows"))
    mouse.click(dialog.get_by_role("button", name=f"Replace in {BAD} rows"))  # column and way are proposed
    expect(page.get_by_text(f"{BAD} rows corrected, no errors left")).to_be_visible()
    mouse.click(page.get_by_role("button", name="Import corrected rows"))
    mouse.click(dialog.get_by_role("button", name=f"Import {BAD} rows"))
    expect(page.get_by_text("The import of the corrected rows is queued")).to_be_visible()
    assert mouse.clicks() == 5
    (child,) = [each for each in admin.get("/jobs", limit=100)["items"] if each["retryOf"] == job["jobId"]]
    assert admin.wait(child["jobId"])["counts"]["imported"] == BAD

    page.goto(stack.stack["consoleUrl"] + "entities/people")
    mouse = Mouse(page)
    mouse.click(page.get_by_role("button", name="Export", exact=True))
    expect(dialog.get_by_text(f"{GOOD + BAD} records match")).to_be_visible()
    expect(dialog.get_by_role("table", name="The first rows of the file").get_by_role("row")).to_have_count(11)
    mouse.click(dialog.get_by_role("button", name="Export", exact=True))
    with page.expect_download() as saving:
        mouse.click(dialog.get_by_role("button", name="Download"))
    assert mouse.clicks() == 3
    assert saving.value.suggested_filename.startswith("people_")
    lines = Path(saving.value.path()).read_text().splitlines()
    assert lines[0] == "id,email,joined"
    dates = {int(line.split(",")[0]): line.split(",")[2] for line in lines[1:]}
    fixed = {number: f"2024-11-{number % 28 + 1:02}" for number in range(GOOD, GOOD + BAD)}
    assert dates == dict.fromkeys(range(GOOD), "2024-12-01") | fixed
