"""What the definition of a source must hold, of its entity and of this deployment (contract, section 8)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from waybill.encryption import check_decryption
from waybill.entities.model import Entity, check_columns, check_dialect, check_encoding
from waybill.exports.destinations import DELIVERED, check_destination, kind_of
from waybill.exports.destinations.base import Allowed, DeliveredKind
from waybill.imports.modes import DEFAULT_MODE
from waybill.imports.options import (
    NOT_KEPT,
    ImportOptions,
    check_blanks,
    check_max_errors,
    check_mode,
    check_on_error,
)
from waybill.jobs.recipients import check_recipients
from waybill.jobs.webhooks import check_webhooks
from waybill.schedule import check_schedule
from waybill.sources.definition import MAX_PATTERN, After, Definition
from waybill.validation import Problems, is_line, refuse_unknown

DRY_RUN = "dryRun"
KNOWN_OPTIONS = (
    "mode",
    "onError",
    "maxErrors",
    "blanks",
    "encoding",
    "dialect",
    "columns",
    "unescapeFormulas",
    "keepPrevious",
)
"""Members of `options`, as `POST /imports` takes them."""


def check_fit(
    definition: Definition, entity: Entity, allowed: Allowed, mail_domains: Collection[str] | None
) -> Problems:
    """What no longer suits the entity or this deployment in a definition that was good when it was saved.

    Args:
        mail_domains: None when recipients do not matter.
    """
    problems: Problems = []
    check_location(definition.location, allowed, problems)
    check_pattern(definition.pattern, problems)
    check_source_schedule(definition.schedule, problems)
    check_options(definition.options, entity, problems)
    check_webhooks(list(definition.webhooks), allowed.hosts, problems)
    if mail_domains is not None:
        check_recipients(list(definition.recipients), mail_domains, problems)
    return problems


def check_location(value: object, allowed: Allowed, problems: Problems) -> dict[str, Any]:
    """The member `location` of a definition."""
    if not isinstance(value, dict):
        problems.append(("/location", f"must be an object with a kind, one of {', '.join(DELIVERED)}"))
        return {}
    given = {name: part for name, part in value.items() if part is not None}
    place = {name: part for name, part in given.items() if name != "decryption"}
    problems.extend(check_destination(place, allowed, "/location", DELIVERED))
    if "decryption" in given:
        problems.extend(check_decryption(given["decryption"], "/location/decryption"))
    return given


def check_pattern(value: object, problems: Problems) -> str:
    """The member `pattern`: names of files, as a shell matches them."""
    if not isinstance(value, str) or not is_line(value, MAX_PATTERN):
        problems.append(("/pattern", f"must be one line of 1 to {MAX_PATTERN} characters"))
    elif "/" in value or "\\" in value:
        problems.append(("/pattern", "must match names, without a path"))
    else:
        return value
    return "*"


def check_source_schedule(value: object, problems: Problems) -> dict[str, Any]:
    """The member `schedule`: a periodic one."""
    return check_schedule(value, True, problems) or {}


def check_move_to(value: object, after: After, location: Mapping[str, Any], problems: Problems) -> str | None:
    """The member `moveTo`: required where files are moved, and without meaning elsewhere.

    Args:
        location: as it was checked; empty when it is wrong.
    """
    if after is not After.MOVE:
        if value is not None:
            problems.append(("/moveTo", "has no meaning unless after is move"))
        return None
    if not isinstance(value, str):
        problems.append(("/moveTo", "is required: files are moved there"))
        return None
    kind = kind_of(location) if location.get("kind") in DELIVERED else None
    if isinstance(kind, DeliveredKind) and (problem := kind.check_move_to(location, value)) is not None:
        problems.append(("/moveTo", problem))
    return value


def check_options(value: object, entity: Entity, problems: Problems) -> dict[str, Any]:
    """The member `options`: those of an import, as JSON. A null member counts as left out."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        problems.append(("/options", "must be an object"))
        return {}
    given = {name: part for name, part in value.items() if part is not None}
    refuse_unknown(given, (*KNOWN_OPTIONS, DRY_RUN), "/options", problems)
    _options(given, entity, problems)
    return given


def import_options(given: Mapping[str, Any], entity: Entity) -> tuple[ImportOptions, Problems]:
    """The options of a source's imports, and what is wrong with them by the entity as it is now."""
    problems: Problems = []
    return _options(given, entity, problems), problems


def _options(given: Mapping[str, Any], entity: Entity, problems: Problems) -> ImportOptions:
    if DRY_RUN in given:  # they do not queue: those of a thousand files would run at once
        problems.append((f"/options/{DRY_RUN}", "has no place in a source; try a file with a dry run of its own"))
    mode = given.get("mode", DEFAULT_MODE)
    return ImportOptions(
        mode=check_mode(mode, entity.primary_key, "/options/mode", problems),
        on_error=check_on_error(given.get("onError", "skip"), "/options/onError", problems),
        max_errors=check_max_errors(given.get("maxErrors", 1), "/options/maxErrors", problems),
        encoding=check_encoding(given.get("encoding"), "/options/encoding", problems),
        dialect=check_dialect(given.get("dialect"), "/options/dialect", problems),
        columns=check_columns(given.get("columns"), entity.field_names, "/options/columns", problems)
        if "columns" in given
        else None,
        unescape_formulas=_true_or_false(given, "unescapeFormulas", problems),
        blanks=check_blanks(given.get("blanks", "clear"), mode, "/options/blanks", problems),
        keep_previous=_keep_previous(given, entity, problems),
    )


def _keep_previous(given: Mapping[str, Any], entity: Entity, problems: Problems) -> bool | None:
    if "keepPrevious" not in given:
        return None
    keeps = _true_or_false(given, "keepPrevious", problems)
    if keeps and entity.target is not None:
        problems.append(("/options/keepPrevious", NOT_KEPT))
    return keeps


def _true_or_false(given: Mapping[str, Any], name: str, problems: Problems) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        problems.append((f"/options/{name}", "must be true or false"))
    return value is True
