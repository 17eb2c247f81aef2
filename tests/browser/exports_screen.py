"""Manage exports and its wizard, as tests use them."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from infra.local.stack import LocalStack
from tests.e2e.client import Client

PERIODIC = {"schedule": {"time": "02:30", "timezone": "Europe/Brussels"}, "destination": {"kind": "s3"}}


def create(client: Client, name: str, entity: str, activate: bool = False, **members: Any) -> str:
    answer = client.call("POST", "/exports", json={"name": name, "entity": entity, **members})
    assert answer.status_code == 201, answer.text
    export_id: str = answer.json()["exportId"]
    if activate:
        assert client.call("POST", f"/exports/{export_id}/activate").status_code == 200
    return export_id


def wizard(page: Page, name: str, entity: str, kind: str) -> None:
    """Open the wizard and fill in its first step."""
    page.get_by_role("button", name="Create export").click()
    expect(page.get_by_role("heading", name="Data and type")).to_be_visible()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Entity").click()
    page.get_by_role("option", name=entity, exact=True).click()
    page.get_by_role("radio", name=kind, exact=True).check(force=True)


def go_on(page: Page, to: str) -> None:
    """Next, until the step of that name."""
    heading = page.get_by_role("main").get_by_role("heading", level=1)
    while not heading.inner_text().startswith(to):
        before = heading.inner_text()
        page.get_by_role("button", name="Next").click()
        expect(heading).not_to_have_text(before)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("button", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def delivered(stack: LocalStack, prefix: str) -> dict[str, list[str]]:
    """Lines of each file under a prefix of the transfer box, by name; not the manifests."""
    s3 = stack.clients("s3")
    bucket = stack.stack["transferBucket"]
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/").get("Contents", [])]
    return {
        key.removeprefix(f"{prefix}/"): s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode().splitlines()
        for key in keys
        if not key.endswith(".manifest.json")
    }


def open_tab(page: Page, name: str) -> None:
    """Show another tab of the list. The address changes a moment later, and only then the rows."""
    tab = page.get_by_role("tab", name=name)
    tab.click()
    expect(tab).to_have_attribute("aria-selected", "true")


def select(page: Page, name: str) -> None:
    page.get_by_role("row").filter(has_text=name).get_by_role("radio").check(force=True)
