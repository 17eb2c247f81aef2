"""`make screenshots`: the console's four screens with data as people have it, into docs/images/.

Not a test: whoever changed a screen runs it and looks at what has changed.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from infra.local import console
from infra.local.cities import FIELDS, write_cities
from infra.local.demo import SCHEMA
from infra.local.embedded import ROOT
from infra.local.stack import LocalStack, local_stack
from tests.browser import chromium
from tests.browser.builders import start_import
from tests.browser.chromium import sign_in
from tests.builders import CONTACTS_SCHEMA
from tests.e2e.client import Client

FOLDER = ROOT / "docs" / "images"
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
    FOLDER.mkdir(exist_ok=True)
    with local_stack() as stack, sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="en-GB", timezone_id="Europe/Brussels")
        with closing(Client(stack.stack, "admin")) as admin, closing(Client(stack.stack, "alice")) as alice:
            fill(admin, alice)
        sign_in(page, stack, "alice")
        take(page, stack)
        browser.close()
    return 0


def fill(admin: Client, alice: Client) -> None:
    """Imports that completed and failed, exports in all states; at the end one import runs and others wait."""
    admin.put_entity("contacts", title="Contacts", database="crm", schema=CONTACTS_SCHEMA, permissions=RIGHTS)
    cities_schema = json.loads(SCHEMA.read_text())
    admin.put_entity("cities", title="Cities", dataType="repository", schema=cities_schema, permissions=RIGHTS)
    for name, data, options in (
        ("contacts-2026-q1.csv", contacts(1_200), {}),
        ("trade-fair.csv", contacts(180, bad=7, first=5_000), {}),
        ("returns.csv", contacts(40, bad=2, first=7_000), {"dryRun": True}),
        ("old-crm.csv", b"contact;mail\n1;a@example.com\n", {}),
        ("empty.csv", b"contact_id,email,spend,joined,vip\n", {}),
    ):
        alice.wait(start_import(alice, "contacts", name, data, **options))
    made = [alice.call("POST", "/exports", json=definition).json()["exportId"] for definition in EXPORTS]
    for export_id in made[:-1]:
        started = alice.call("POST", f"/exports/{export_id}/activate").json()
        if started["status"] == "SCHEDULED":
            started = {"jobId": alice.call("POST", f"/exports/{export_id}/run").json()["jobId"]}
        alice.wait(started["jobId"])
    start_import(alice, "cities", "cities.csv", cities(TIMES))
    start_import(alice, "cities", "cities-corrections.csv", cities(1))
    late = start_import(alice, "cities", "cities-by-mistake.csv", cities(1))
    alice.call("POST", f"/jobs/{late}/cancel")


def take(page: Page, stack: LocalStack) -> None:
    """One picture of each screen."""
    for name, path, seen in (
        ("imported-files", "imports", page.get_by_role("progressbar")),
        ("entity", "entities/cities", page.get_by_role("row").nth(9)),
        ("status", "status", page.get_by_text("cities.csv").first),
        ("manage-exports", "exports?tab=SCHEDULED", page.get_by_text("Nightly contacts").first),
    ):
        page.goto(stack.stack["consoleUrl"] + path)
        expect(seen.first).to_be_visible()
        expect(page.get_by_text("Loading")).to_have_count(0)
        page.wait_for_load_state("networkidle")
        file = FOLDER / f"{name}.png"
        page.screenshot(path=file, animations="disabled")
        print(f"{file.relative_to(ROOT)}: {file.stat().st_size:,} bytes")
        assert file.stat().st_size < LARGEST_BYTES, "too large for a README"


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
