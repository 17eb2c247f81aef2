"""What a job's options ask for, as the few questions that the steps have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from waybill.imports.modes import MODES
from waybill.jobs.model import Job


@dataclass(frozen=True)
class Policy:
    """Answers for one job.

    `checks_first`: the whole file is checked before anything is written, because what becomes of a row depends on other
    rows in a way that cannot be repaired afterwards. A plain upsert needs no such pass: the finish writes the winners
    of repeated keys once more.
    `checks_existence`: that pass also asks the table for the keys that insert, update and delete depend on. What was
    there before the job began is then known, however often a part of it is repeated.
    `writes`: records are written. `refuses_all`: all-or-nothing, and the check found a bad row. `max_errors`: rejected
    rows after which to stop; None for no limit.
    """

    checks_first: bool
    checks_existence: bool
    writes: bool
    refuses_all: bool
    max_errors: int | None

    @classmethod
    def of(cls, job: Job) -> Policy:
        all_or_nothing, checks_existence = job.on_error == "all-or-nothing", MODES[job.mode].requires is not None
        return cls(
            checks_first=all_or_nothing or job.dry_run or checks_existence or bool(job.options.get("unique")),
            checks_existence=checks_existence,
            writes=not job.dry_run and not job.options.get("refused"),
            refuses_all=bool(job.options.get("refused")),
            max_errors=int(job.options.get("maxErrors", 1)) if job.on_error == "abort" else None,
        )


def schema_options(schema: Mapping[str, Any]) -> dict[str, bool]:
    """What of a Table Schema document the policy must know, as job options."""
    unique = any((field.get("constraints") or {}).get("unique") for field in schema["fields"])
    return {"unique": True} if unique or schema.get("uniqueKeys") else {}
