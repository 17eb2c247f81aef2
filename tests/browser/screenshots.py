"""`make screenshots`: every screen with data as people have it, at three widths, light and dark.

A sheet of each screen is written to docs/images/screens/; the README's pictures are in
docs/images/. The pictures one by one, in full size, are in .waybill/screenshots/. Not a test: whoever changed a screen
runs it and looks at what has changed. `python -m tests.browser.screenshots NAME …` takes only some.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import tempfile
from base64 import b64decode, b64encode
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page, ViewportSize, sync_playwright

from infra.local import console
from infra.local.cities import FIELDS, write_cities
from infra.local.demo import SCHEMA
from infra.local.embedded import ROOT
from infra.local.stack import LocalStack, local_stack
from tests.browser import chromium
from tests.browser.builders import start_import
from tests.browser.chromium import sign_in
from tests.browser.screens import NOT_LOADED, PARTS, SCREENS, SIGN_IN, Data, Screen
from tests.builders import CONTACTS_SCHEMA
from tests.e2e.client import Client

FOLDER = ROOT / "docs" / "images"
SHEETS = FOLDER / "screens"
SINGLE = ROOT / ".waybill" / "screenshots"
README = ("imported-files", "entity", "status", "manage-exports")
WINDOWS: tuple[ViewportSize, ...] = (
    {"width": 1440, "height": 900},
    {"width": 800, "height": 900},
    {"width": 390, "height": 844},
)
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
SCALE = 0.6  # of the pictures on a sheet
QUALITY = 60  # percent
SETTLES_MS = 250  # charts are drawn anew
LARGEST_BYTES = 200_000
TIMES = 8  # as many copies of the cities: the import has to run for as long as the pictures take
RIGHTS = {"view": ["sales"], "import": ["ops"], "export": ["ops", "sales"]}
PEOPLE = ("Ada Lovelace", "Grace Hopper", "Katherine Johnson", "Radia Perlman", "Barbara Liskov", "Hedy Lamarr")
NIGHTLY = {"time": "02:30", "timezone": "Europe/Brussels"}
EXPORTS: tuple[dict[str, Any], ...] = (
    {"name": "Contacts for the newsletter", "entity": "contacts", "format": "xlsx"},
    {
        "name": "Nightly contacts",
        "entity": "contacts",
        "type": "INCREMENTAL",
        "schedule": NIGHTLY,
        "destination": {"kind": "s3", "prefix": "crm"},
        "recipients": ["crm@example.com"],
    },
    {
        "name": "Weekly contacts for the warehouse",
        "entity": "contacts",
        "type": "PERIODIC_FULL",
        "schedule": {"time": "05:00", "timezone": "UTC", "days": ["mon"]},
        "destination": {"kind": "s3", "prefix": "warehouse"},
        "compression": "gzip",
    },
    {
        "name": "VIP contacts",
        "entity": "contacts",
        "type": "PERIODIC_FULL",
        "filter": [{"field": "vip", "op": "eq", "value": True}],
        "schedule": {"time": "07:15", "timezone": "America/New_York", "days": ["tue", "thu"]},
        "destination": {"kind": "s3", "prefix": "events"},
    },
    {"name": "Spring campaign", "entity": "contacts", "filter": [{"field": "spend", "op": "ge", "value": 100}]},
)


def main() -> int:
    """Take the pictures; 1 when there is no Chromium or no console."""
    if chromium.PATH is None or console.main() != 0:
        print("screenshots need Chromium, and a console that builds", file=sys.stderr)
        return 1
    SHEETS.mkdir(parents=True, exist_ok=True)
    SINGLE.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[1:]
    with local_stack() as stack, sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = chromium.launch(playwright)
        page = browser.new_context(locale="en-GB", timezone_id="Europe/Brussels", reduced_motion="reduce").new_page()
        with closing(Client(stack.stack, "admin")) as admin:
            data = fill(admin, Path(folder))
            if not wanted or SIGN_IN.name in wanted:
                take(page, stack, SIGN_IN, data)
            sign_in(page, stack, "admin")
            for screen in SCREENS:
                if not wanted or screen.name in wanted:
                    take(page, stack, screen, data)
            if not wanted or NOT_LOADED.name in wanted:
                page.route(PARTS, lambda route: route.abort())
                take(page, stack, NOT_LOADED, data)
        browser.close()
    return 0


def fill(admin: Client, folder: Path) -> Data:
    """Imports that completed and failed, exports in all states; at the end one import runs and others wait."""
    admin.put_entity("contacts", title="Contacts", database="crm", schema=CONTACTS_SCHEMA, permissions=RIGHTS)
    cities_schema = json.loads(SCHEMA.read_text())
    admin.put_entity("cities", title="Cities", dataType="repository", schema=cities_schema, permissions=RIGHTS)
    for name, data, options in (
        ("contacts-2026-q1.csv", contacts(1_200), {}),
        ("returns.csv", contacts(40, bad=2, first=7_000), {"dryRun": True}),
        ("old-crm.csv", b"contact;mail\n1;a@example.com\n", {}),
        ("empty.csv", b"contact_id,email,spend,joined,vip\n", {}),
    ):
        admin.wait(start_import(admin, "contacts", name, data, **options))
    made = [admin.call("POST", "/exports", json=definition).json()["exportId"] for definition in EXPORTS]
    for export_id in made[:-1]:
        started = admin.call("POST", f"/exports/{export_id}/activate").json()
        if started["status"] == "SCHEDULED":
            started = {"jobId": admin.call("POST", f"/exports/{export_id}/run").json()["jobId"]}
        admin.wait(started["jobId"])
    file = folder / "trade-fair.csv"
    file.write_bytes(contacts(180, bad=7, first=5_000))
    data = Data.made(admin, "contacts", file)
    start_import(admin, "cities", "cities.csv", cities(TIMES))
    start_import(admin, "cities", "cities-corrections.csv", cities(1))
    late = start_import(admin, "cities", "cities-by-mistake.csv", cities(1))
    admin.call("POST", f"/jobs/{late}/cancel")
    return data


def take(page: Page, stack: LocalStack, screen: Screen, data: Data) -> None:
    """The screen at each width, light and dark: each picture for itself, and all of them on one sheet that is kept."""
    pictures: list[bytes] = []
    page.set_viewport_size(WINDOWS[0])
    screen.open(page, stack.stack["consoleUrl"], data)
    for window in WINDOWS:
        page.set_viewport_size(window)
        page.wait_for_load_state("networkidle")
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(SETTLES_MS)
            picture = page.screenshot(animations="disabled")
            (SINGLE / f"{screen.name}-{window['width']}-{scheme}.png").write_bytes(picture)
            pictures.append(picture)
        page.emulate_media(color_scheme=SCHEMES[0])
    if screen.name in README:
        (FOLDER / f"{screen.name}.png").write_bytes(pictures[0])
    keep(page, screen.name, pictures)


def keep(page: Page, name: str, pictures: list[bytes]) -> None:
    """One row of pictures for each scheme, the widest first."""
    images = [f'<img src="data:image/png;base64,{b64encode(each).decode()}">' for each in pictures]
    rows = "<br>".join("".join(images[scheme :: len(SCHEMES)]) for scheme in range(len(SCHEMES)))
    sheet = page.context.new_page()
    sheet.set_content(
        f"<style>body {{margin: 0; background: #888; white-space: nowrap; font-size: 0}}"
        f"img {{zoom: {SCALE}; margin: 8px; vertical-align: top}}</style>{rows}"
    )
    width, height = sheet.evaluate("() => [document.body.scrollWidth, document.body.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    answer = page.context.new_cdp_session(sheet).send(
        "Page.captureScreenshot",
        {"format": "webp", "quality": QUALITY, "clip": clip, "captureBeyondViewport": True},
    )
    sheet.close()
    file = SHEETS / f"{name}.webp"
    file.write_bytes(b64decode(answer["data"]))
    print(f"{file.relative_to(ROOT)}: {file.stat().st_size:,} bytes", flush=True)
    assert file.stat().st_size < LARGEST_BYTES, "too large for a repository"


def contacts(count: int, bad: int = 0, first: int = 0) -> bytes:
    """A file of people; the first `bad` have no address that is one."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["contact_id", "email", "spend", "joined", "vip"])
    for number in range(count):
        name = PEOPLE[number % len(PEOPLE)].lower().replace(" ", ".")
        email = f"{name}{number}{'' if number < bad else '@example.com'}"
        row = [f"C-{first + number:05d}", email, f"{number * 37 % 1000}.50", f"2025-{number % 12 + 1:02d}-15"]
        writer.writerow([*row, "yes" if number % 5 == 0 else "no"])
    return out.getvalue().encode()


def cities(times: int) -> bytes:
    """The demo's file, with `times` as many rows."""
    with tempfile.TemporaryDirectory() as folder:
        good = write_cities(Path(folder) / "cities.csv").good.values()
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    writer.writerows([int(row[0]) + 100_000_000 * time, *row[1:]] for time in range(times) for row in good)
    return out.getvalue().encode()


if __name__ == "__main__":
    sys.exit(main())
