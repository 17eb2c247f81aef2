"""Accessibility: what axe-core finds wrong with a screen."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from infra.local.embedded import ROOT

AXE = ROOT / "console" / "node_modules" / "axe-core" / "axe.min.js"
DARK = re.compile("awsui-dark-mode")


def flaws(page: Page) -> list[str]:
    """The violations of the screen as it stands, in light and in dark mode, which differ in colours only.

    Without that of Cloudscape's own toolbar in narrow windows: ARIA does not allow the `aria-orientation` of its `nav`.
    """
    found = _violations(page, {})
    page.emulate_media(color_scheme="dark")
    expect(page.locator("body")).to_have_class(DARK)
    found += _violations(page, {"runOnly": ["color-contrast"]})
    page.emulate_media(color_scheme="light")
    expect(page.locator("body")).not_to_have_class(DARK)
    return found


def _violations(page: Page, options: dict[str, object]) -> list[str]:
    if not page.evaluate("() => 'axe' in window"):
        source = AXE.read_text(encoding="utf-8")
        page.evaluate(source)  # through the debugger: the page's policy would refuse the script
    found = page.evaluate("(options) => axe.run(document, {resultTypes: ['violations'], ...options})", options)
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
        if not (each["id"] == "aria-allowed-attr" and "mobile-toolbar-nav" in node["html"])
    ]
