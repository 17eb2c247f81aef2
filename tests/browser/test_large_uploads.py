"""A large file goes on where it stopped: after a reload of the page, and after a connection that was lost."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.sync_api import Page, Request, Response, Route, expect

from tests.browser.chromium import Visit
from tests.browser.test_imported_files import choose_file
from tests.e2e.client import Client

MIB = 1024**2
#: More than 64 MiB, from which on the console sends files in parts; with five parts of 16 MiB, of which four at once.
FILE_BYTES = 65 * MIB
PART = re.compile(r"[?&]partNumber=\d+")
ROW_BYTES = 900_000


def write_large(path: Path) -> str:
    """A file of few rows, most of it in a column that the entity does not have; returns its SHA-256."""
    rows = [b"id,padding\n", *(b"s%d,\n" % number for number in range(30))]
    rows += [b"r%d,%s\n" % (number, b"x" * ROW_BYTES) for number in range(FILE_BYTES // ROW_BYTES + 1)]
    data = b"".join(rows)
    assert len(data) > 64 * MIB
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def part_of(request: Request) -> int:
    return int(parse_qs(urlsplit(request.url).query)["partNumber"][0])


def begin(page: Page, path: Path) -> None:
    dialog = page.get_by_role("dialog")
    if "import=" in page.url:  # the dialog is open again after the page was loaded again
        dialog.get_by_label("Into the entity").click()
        page.get_by_role("option", name="large").click()
        dialog.locator("input[type=file]").set_input_files(path)
    else:
        choose_file(page, path, "large")
    expect(dialog.get_by_text("First values")).to_be_visible()
    dialog.get_by_role("button", name="Start import").click()


def test_a_large_file_goes_on_after_a_reload_and_after_a_lost_connection(
    visit: Visit, admin: Client, tmp_path: Path
) -> None:
    schema = {"fields": [{"name": "id"}], "primaryKey": ["id"], "fieldsMatch": "subset"}
    admin.put_entity("large", schema=schema)
    path = tmp_path / "large.csv"
    digest = write_large(path)
    page = visit("imports")
    arrived: list[int] = []
    asked: list[int] = []

    def put(route: Route) -> None:
        """The first two parts arrive; the others are still to be sent when the page is loaded again."""
        asked.append(part_of(route.request))
        if asked[-1] <= 2:
            route.continue_()
        else:
            route.abort("connectionreset")

    page.on("response", lambda response: arrived.append(part_of(response.request)) if is_part(response) else None)
    page.route(PART, put)
    begin(page, path)
    expect(page.get_by_role("dialog").get_by_text(re.compile("What was sent is kept until"))).to_be_visible()
    wait_for(page, lambda: sorted(arrived) == [1, 2] and len(asked) >= 4)

    def lose_the_connection(route: Route) -> None:
        asked.append(part_of(route.request))
        if len(asked) == 1:
            page.context.set_offline(True)
            route.abort("internetdisconnected")
        else:
            route.continue_()

    page.reload()
    page.unroute(PART)
    asked.clear()
    page.route(PART, lose_the_connection)
    begin(page, path)
    wait_for(page, lambda: len(asked) >= 1)
    page.wait_for_timeout(1_500)
    expect(page.get_by_role("dialog").get_by_text("Sending the file", exact=True)).to_be_visible()
    page.context.set_offline(False)
    row = page.get_by_role("row").filter(has_text="large.csv")
    rows = 30 + FILE_BYTES // ROW_BYTES + 1
    expect(row).to_contain_text(f"{rows} rows", timeout=90_000)
    wait_for(page, lambda: len(arrived) >= 5)
    assert sorted(arrived) == [1, 2, 3, 4, 5], "no part arrives twice"
    assert set(asked) == {3, 4, 5}, "parts that have arrived are not sent again"
    job = admin.wait(admin.find_job(entity="large")["jobId"])
    assert (job["status"], job["counts"]["imported"]) == ("COMPLETED", rows)
    address = admin.call("GET", f"/jobs/{job['jobId']}/download").headers["location"]
    assert hashlib.sha256(httpx.get(address).content).hexdigest() == digest


def is_part(response: Response) -> bool:
    return response.ok and response.request.method == "PUT" and PART.search(response.url) is not None


def wait_for(page: Page, holds: object) -> None:
    """Lets the page go on until something is true that only the test knows."""
    for _ in range(600):
        if holds():  # type: ignore[operator]
            return
        page.wait_for_timeout(100)
    raise AssertionError("it does not come")
