"""The console as it is built: its size, and its own unit tests."""

from __future__ import annotations

import subprocess

from playwright.sync_api import expect

from infra.local import console
from infra.local.stack import LocalStack
from tests.browser.chromium import Visit

FIRST_LOAD_BYTES = 420_000  # with what renews a session: after an upgrade its script would be gone


def test_the_first_load_is_small_and_other_screens_come_when_they_are_opened(visit: Visit, stack: LocalStack) -> None:
    page = visit("imports")
    expect(page.get_by_role("heading", name="Imported files")).to_be_visible()
    loaded = "performance.getEntriesByType('resource').filter(({name}) => name.endsWith('.js'))"
    sizes = page.evaluate(f"{loaded}.map(({{name, encodedBodySize}}) => [name, encodedBodySize])")
    assert 0 < sum(size for _, size in sizes) <= FIRST_LOAD_BYTES
    names = [name for name, _ in sizes]
    assert not [name for name in names if "ExportWizard" in name or "SchemaEditor" in name]
    # What was built is what is served: the same limit holds without brotli.
    assets = console.TARGET / "assets"
    assert sum((assets / f"{name.rpartition('/')[2]}.gz").stat().st_size for name in names) <= FIRST_LOAD_BYTES


def test_the_console_passes_its_unit_tests(stack: LocalStack) -> None:
    done = subprocess.run(
        ["npm", "test", "--silent"], cwd=console.SOURCE, env=console.node_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
