"""Controls of a screen: which there are, where, and which of them the Tab key reaches."""

from __future__ import annotations

import itertools
from typing import Any

from playwright.sync_api import Page

# The controls that a person sees, in the modal dialog if there is one, each with its place on the page (not on the
# screen, which moves as the focus does), and the landmark or dialog that it belongs to. Of a group in which arrow keys
# lead from one to the next (tabs, radio buttons, menus, grids), one stands for all: it is what Tab goes to.
_CONTROLS = """() => {
    const native = 'a[href], button, input, select, textarea, summary';
    const groups = ['tablist', 'radiogroup', 'menu', 'listbox', 'grid', 'toolbar', 'tree'];
    const group = groups.map((role) => `[role=${role}]`).join();
    const isHidden = (element) => {
        const box = element.getBoundingClientRect();
        return !element.checkVisibility({visibilityProperty: true}) || box.width < 2 || box.height < 2
            || element.closest('[inert], [aria-hidden=true]') || getComputedStyle(element).clipPath === 'inset(50%)';
    };
    // What stays in its place while the rest is scrolled is read by itself, as landmarks are.
    const regionOf = (element) => {
        const isRegion = element.matches('[role=dialog], nav, aside, header, footer, main, body');
        const stays = ['sticky', 'fixed'].includes(getComputedStyle(element).position);
        return isRegion || stays ? element : regionOf(element.parentElement);
    };
    const modal = [...document.querySelectorAll('[role=dialog]')].filter((each) => !isHidden(each)).pop();
    const found = [], regions = [], radios = new Set();
    window.controls = new Map();
    for (const element of (modal ?? document).querySelectorAll(`${native}, [tabindex], [contenteditable=true]`)) {
        if (isHidden(element) || element.disabled || element.getAttribute('aria-disabled') === 'true') continue;
        if (element.tabIndex < 0 && (!element.matches(native) || element.parentElement.closest(group))) continue;
        if (element.type === 'radio') {
            if (radios.has(element.name)) continue;
            radios.add(element.name);
        }
        const region = regionOf(element);
        if (!regions.includes(region)) regions.push(region);
        const {left, top, right, bottom} = element.getBoundingClientRect();
        const name = element.getAttribute('aria-label') || element.innerText || element.value || element.outerHTML;
        controls.set(element, found.length);
        found.push({
            name: name.slice(0, 80), region: regions.indexOf(region),
            left: left + scrollX, top: top + scrollY, right: right + scrollX, bottom: bottom + scrollY,
        });
    }
    return found;
}"""
#: Cloudscape's button, to the right of the heading of the navigation and before it.
CLOSES_NAVIGATION = "Close side navigation"
_RECORD = """() => {
    window.visited = [];
    window.recorder?.abort();
    window.recorder = new AbortController();
    const sameGroup = (radio) => [...controls].find(([{type, name}]) => type === 'radio' && name === radio.name)?.[1];
    const numberOf = (element) => controls.get(element) ?? (element.type === 'radio' ? sameGroup(element) : undefined);
    document.addEventListener('focusin', ({target}) => visited.push(numberOf(target) ?? -1), {signal: recorder.signal});
    document.activeElement?.blur();
    document.documentElement.scrollTop = 0;
}"""


def unreachable(page: Page) -> list[str]:
    """What is wrong with how the Tab key goes over the screen: it has to reach each control once in a round, in the
    order in which people read, and come round again."""
    controls = page.evaluate(_CONTROLS)
    page.evaluate(_RECORD)
    for _ in range(len(controls) + 3):
        page.keyboard.press("Tab")
    visited: list[int] = [number for number in page.evaluate("() => visited") if number >= 0]
    again = next((at for at, number in enumerate(visited) if at and number == visited[0]), len(visited))
    reached = visited[:again]
    faults = [f"Tab does not reach {each['name']!r}" for number, each in enumerate(controls) if number not in reached]
    faults += [f"Tab reaches {controls[each]['name']!r} twice" for each in set(reached) if reached.count(each) > 1]
    first = reached.index(min(reached)) if reached else 0  # in a dialog the focus may begin further down
    order = [controls[number] for number in reached[first:] + reached[:first]]
    return faults + [
        f"Tab goes back from {before['name']!r} to {after['name']!r}"
        for before, after in itertools.pairwise(order)
        if before["region"] == after["region"] and _goes_back(before, after)
    ]


def _goes_back(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether the second is above the first, and not in a column to its right; or on its line and to its left."""
    if before["name"] == CLOSES_NAVIGATION:
        return False
    is_right = after["left"] >= before["right"] - 1
    is_above = after["bottom"] <= before["top"] + 1
    is_same_line = after["top"] < before["bottom"] and after["bottom"] > before["top"]
    return (is_above and not is_right) or (is_same_line and after["right"] <= before["left"] + 1)
