"""The options of one import: what a client may set, from a request's body or from a dropped object's metadata.

Each way in decodes its own types and then calls the same checks, so that both accept and refuse the same values.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from waybill.entities.model import check_columns, check_dialect, check_encoding
from waybill.imports.modes import DEFAULT_MODE, MODES
from waybill.jobs.recipients import check_recipients
from waybill.tabular.dialect import MEMBERS as DIALECT_MEMBERS
from waybill.validation import Problems
from waybill.wire.jobs import BLANKS, ON_ERROR

if TYPE_CHECKING:
    from waybill.jobs.model import Job

MAX_ERRORS = 2**31 - 1
NOT_KEPT = "cannot be true for a target table: nothing there tells whether a record still stands as an import left it"


@dataclass(frozen=True)
class ImportOptions:
    """What a client may set for one import; None leaves it to the entity, or to detection."""

    mode: str = DEFAULT_MODE
    on_error: str = "skip"
    max_errors: int = 1
    dry_run: bool = False
    encoding: str | None = None
    dialect: Mapping[str, Any] | None = None
    columns: Mapping[str, str] | None = None
    unescape_formulas: bool = False
    blanks: str = "clear"
    keep_previous: bool | None = None
    recipients: tuple[str, ...] = ()
    webhooks: tuple[dict[str, str], ...] = ()

    @classmethod
    def of(cls, job: Job) -> ImportOptions:
        """The options that a job was registered with."""
        return cls(
            mode=job.mode,
            on_error=job.on_error,
            max_errors=int(job.options.get("maxErrors", 1)),
            dry_run=job.dry_run,
            encoding=job.options.get("encoding"),
            dialect=job.options.get("dialect"),
            columns=job.options.get("columns"),
            unescape_formulas=bool(job.options.get("unescapeFormulas")),
            blanks=job.blanks,
            keep_previous=job.keep_previous,
            recipients=tuple(job.recipients),
            webhooks=tuple(job.options.get("webhooks", ())),
        )

    def to_document(self) -> dict[str, Any]:
        """The options that a job stores under `options`.

        Members of the dialect that no step reads are left out: their values may be of a type that DynamoDB cannot hold.
        """
        given = self.dialect
        values = {
            "maxErrors": self.max_errors,
            "encoding": self.encoding,
            "dialect": None if given is None else {name: given[name] for name in given if name in DIALECT_MEMBERS},
            "columns": None if self.columns is None else dict(self.columns),
            "unescapeFormulas": self.unescape_formulas,
            "blanks": self.blanks if MODES[self.mode].is_update else None,
            **told(self.recipients, self.webhooks),
        }
        return {name: value for name, value in values.items() if value is not None}


def told(
    recipients: Sequence[str] = (),
    webhooks: Sequence[Mapping[str, str]] = (),
    of_entity: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """The members of a job's options that name who is told of its end.

    Args:
        of_entity: the entity's webhooks, which a relaunch and an undo do not inherit: they have those of their day.
    """
    members = {"recipients": recipients, "webhooks": webhooks, "entityWebhooks": of_entity}
    return {name: list(addresses) for name, addresses in members.items() if addresses}


def check_mode(value: object, primary_key: Sequence[str], path: str, problems: Problems) -> str:
    """A mode that can be used with an entity of this primary key."""
    if not isinstance(value, str) or value not in MODES:
        problems.append((path, f"must be one of {', '.join(MODES)}"))
        return DEFAULT_MODE
    if problem := MODES[value].problem_with(primary_key):
        problems.append((path, problem))
    return value


def check_blanks(value: object, mode: object, path: str, problems: Problems) -> str:
    """What a missing value does. To keep fields is refused in modes that write whole records, or none: they cannot."""
    if value not in BLANKS:
        problems.append((path, f"must be one of {', '.join(BLANKS)}"))
        return BLANKS[0]
    known = MODES.get(mode) if isinstance(mode, str) else None
    if value == "keep" and known is not None and not known.is_update:
        able = " or ".join(each.name for each in MODES.values() if each.is_update)
        problems.append((path, f"keep needs the mode {able}"))
    return str(value)


def check_on_error(value: object, path: str, problems: Problems) -> str:
    """What a rejected row does to the import."""
    if value not in ON_ERROR:
        problems.append((path, f"must be one of {', '.join(ON_ERROR)}"))
    return str(value)


def check_max_errors(value: object, path: str, problems: Problems) -> int:
    """The number of rejected rows after which an import with `abort` stops."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_ERRORS:
        problems.append((path, f"must be a whole number from 1 to {MAX_ERRORS}"))
        return 1
    return value


class MetadataError(ValueError):
    """The metadata of a dropped object holds an option that cannot be used."""


def options_from_metadata(
    metadata: Mapping[str, str],
    primary_key: Sequence[str],
    has_target: bool = False,
    mail_domains: Collection[str] = (),
) -> ImportOptions:
    """The options in an object's user metadata (contract, section 3); other metadata is ignored.

    Labels in `columns` may name any field: the header check tells which fields the entity lacks.

    Args:
        mail_domains: those that mail may go to.

    Raises:
        MetadataError: a value cannot be used; says the first problem.
    """
    problems: Problems = []
    options = ImportOptions(
        mode=check_mode(metadata.get("mode", DEFAULT_MODE), primary_key, "mode", problems),
        on_error=check_on_error(metadata.get("on-error", "skip"), "on-error", problems),
        max_errors=check_max_errors(_whole_number(metadata.get("max-errors", "1")), "max-errors", problems),
        dry_run=_true_or_false(metadata, "dry-run", problems),
        encoding=check_encoding(metadata.get("encoding"), "encoding", problems),
        dialect=check_dialect(_json(metadata, "dialect", problems), "dialect", problems),
        columns=_columns(metadata, problems),
        keep_previous=_keep_previous(metadata, has_target, problems),
        blanks=check_blanks(metadata.get("blanks", "clear"), metadata.get("mode", DEFAULT_MODE), "blanks", problems),
        recipients=check_recipients(_addresses(metadata), mail_domains, problems, "recipients"),
    )
    for name, problem in problems:
        raise MetadataError(f"Object metadata: {name} {problem}.")
    return options


def recipients_from_metadata(metadata: Mapping[str, str], mail_domains: Collection[str]) -> dict[str, Any]:
    """The recipients of a file that is refused for another reason, as a job stores them; none when they are wrong."""
    problems: Problems = []
    recipients = check_recipients(_addresses(metadata), mail_domains, problems)
    return {} if problems else told(recipients)


def _addresses(metadata: Mapping[str, str]) -> list[str]:
    """What `recipients` names, with commas between."""
    return [address.strip() for address in metadata.get("recipients", "").split(",") if address.strip()]


def _keep_previous(metadata: Mapping[str, str], has_target: bool, problems: Problems) -> bool | None:
    if "keep-previous" not in metadata:
        return None
    keeps = _true_or_false(metadata, "keep-previous", problems)
    if keeps and has_target:
        problems.append(("keep-previous", NOT_KEPT))
    return keeps


def _whole_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def _true_or_false(metadata: Mapping[str, str], name: str, problems: Problems) -> bool:
    text = metadata.get(name, "false")
    if text not in ("false", "true"):
        problems.append((name, "must be one of false, true"))
    return text == "true"


def _columns(metadata: Mapping[str, str], problems: Problems) -> dict[str, str] | None:
    value = _json(metadata, "columns", problems)
    return None if value is None else check_columns(value, (), "columns", problems)


def _json(metadata: Mapping[str, str], name: str, problems: Problems) -> Any:
    if name not in metadata:
        return None
    try:
        return json.loads(metadata[name])
    except (ValueError, RecursionError):
        problems.append((name, "must be a JSON object"))
        return None
