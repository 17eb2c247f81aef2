"""What each command receives."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from waybill_cli.client import Api
from waybill_cli.output import Output, Progress, rows_text

Options = argparse.Namespace


@dataclass(frozen=True)
class Context:
    api: Api
    out: Output
    options: Options

    def read_list(self, path: str, what: str, limit: int | None, **query: str | None) -> dict[str, Any]:
        """Read the pages of a list as one.

        Args:
            path: after `/v1`, from `path_of`.
            what: names the items in the progress line.
            limit: the most items to read; None for all.

        Returns:
            `items`, the `nextToken` where `limit` cut the list, and what else the last page has.
        """
        items: list[dict[str, Any]] = []
        page: dict[str, Any] = {}
        with Progress(f"Reading {what}") as progress:
            for page in self.api.pages(path, limit, **query):
                items += page["items"]
                total = sum(group["count"] for group in page.get("summary", ())) or None
                progress.update(len(items) if total else None, total, _count_text(len(items), total))
        return {**page, "items": items}


def _count_text(count: int, total: int | None) -> str:
    return f"{count:,}" if total is None else f"{count:,} of {rows_text(total)}"
