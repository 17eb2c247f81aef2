"""What each command receives."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from waybill_cli.client import Api, path_of
from waybill_cli.commandline import LAST
from waybill_cli.failures import UsageFailure
from waybill_cli.output import Output, Progress

Options = argparse.Namespace


@dataclass(frozen=True)
class Context:
    api: Api
    out: Output
    options: Options

    def job_path(self, *parts: str) -> str:
        """The path of the job that a command names, or of something of that job.

        Raises:
            UsageFailure: `last`, and the caller has started no job that is still there.
        """
        job_id: str = self.options.job_id
        return path_of("jobs", self._last_job_id() if job_id == LAST else job_id, *parts)

    def _last_job_id(self) -> str:
        user = self.api.get("/me")["name"]
        for page in self.api.pages("/jobs", 1, startedBy=user):
            for job in page["items"]:
                return str(job["jobId"])
        raise UsageFailure(f"{user} has started no job that is still there.", "list jobs with `waybill jobs`")

    def read_list(
        self,
        path: str,
        what: str,
        limit: int | None,
        *,
        total_of: Callable[[dict[str, Any]], int | None] = lambda page: None,
        **query: str | None,
    ) -> dict[str, Any]:
        """Read the pages of a list as one.

        Args:
            path: after `/v1`, from `path_of`.
            what: names the items in the progress line.
            limit: the most items to read; None for all.
            total_of: the number of items in the whole list, if a page gives it.
            query: parameters of the request.

        Returns:
            `items`, the `nextToken` where `limit` cut the list, and what else the last page has.
        """
        items: list[dict[str, Any]] = []
        page: dict[str, Any] = {}
        with Progress(f"Reading {what}") as progress:
            for page in self.api.pages(path, limit, **query):
                items += page["items"]
                total = total_of(page)
                progress.update(len(items) if total else None, total, _count_text(len(items), total))
        return {**page, "items": items}


def _count_text(count: int, total: int | None) -> str:
    return f"{count:,}" if total is None else f"{count:,} of {total:,}"
