"""What `waybill apply` would change: definitions of files against those of the service."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from waybill_cli.dependents import Dependents
from waybill_cli.failures import UsageFailure
from waybill_cli.inputs import read_json

Definition = dict[str, Any]
#: Of members that a file leaves out, where the default is not false, empty or null.
DEFAULTS: Mapping[str, object] = {
    "dataType": "profile",
    "type": "ONE_SHOT",
    "format": "csv",
    "compression": "none",
    "escapeFormulas": True,
    "destination": {"kind": "download"},
    "after": "leave",
    "order": "name",
}


#: The same of members inside others, by place. One that is missing here shows as a difference each time.
INNER_DEFAULTS: Mapping[str, Sequence[object]] = {
    "/schedule/days": (["mon", "tue", "wed", "thu", "fri", "sat", "sun"],),
    "/destination/port": (22, 21),
    "/location/port": (22, 21),
    "/quality/action": ("tell",),
}

#: Of members that false, empty or null means something else than leaving them out, the default; wherever they stand.
MEMBER_DEFAULTS: Mapping[str, object] = {
    "header": True,
    "doubleQuote": True,
    "quoteChar": '"',
    "headerJoin": " ",
    "missingValues": [""],
    "temporaryPrefix": ".",
    "temporarySuffix": ".part",
}
#: False says no; left out, the entity decides.
_DECIDED = "/options/keepPrevious"


@dataclass(frozen=True)
class Kind:
    """A kind of definitions.

    Attributes:
        folder: of its files, and its path in the API.
        id_member: the member with the id of what is there; `name` where the name is the id.
        members: that a file may leave out for their defaults. The service derives that of `fileName`, which counts
            only where a file has it.
    """

    folder: str
    id_member: str
    members: frozenset[str]


KINDS = (
    Kind(
        "entities",
        "name",
        frozenset(
            {
                *("title", "database", "dataType", "dialect", "encoding", "permissions", "columns"),
                *("refuseDuplicates", "keepPrevious", "quality", "target", "webhooks"),
            }
        ),
    ),
    Kind("sources", "sourceId", frozenset({"after", "moveTo", "order", "options", "recipients", "webhooks"})),
    Kind(
        "exports",
        "exportId",
        frozenset(
            {
                *("type", "fields", "filter", "format", "dialect", "compression", "schedule", "recipients"),
                *("destination", "webhooks", "escapeFormulas", "includeDeleted", "split"),
            }
        ),
    ),
)


@dataclass(frozen=True)
class Change:
    """One definition that will be created, replaced or deleted.

    Attributes:
        action: create, replace, activate, delete.
        current: what the service has; None for what is new.
        wanted: what the file has; None for what is deleted.
        lines: what differs, a line each.
        loses: what hangs on an entity that is deleted.
    """

    action: str
    kind: Kind
    name: str
    current: Definition | None
    wanted: Definition | None
    lines: Sequence[str] = field(default_factory=tuple)
    loses: Dependents | None = None

    def document(self) -> dict[str, Any]:
        document = {"action": self.action, "kind": self.kind.folder, "name": self.name, "changes": list(self.lines)}
        return document if self.loses is None else {**document, "loses": self.loses.document}


def read_folder(folder: Path) -> dict[str, dict[str, Definition]]:
    """Kind → name → definition, of the kinds that have a folder: `entities/NAME.json`, `exports/ANY.json`.

    Raises:
        UsageFailure: there is nothing to apply, a file is no definition, or two have the same name.
    """
    found: dict[str, dict[str, Definition]] = {}
    for kind in KINDS:
        if not (folder / kind.folder).is_dir():
            continue
        found[kind.folder] = {}
        for file in sorted((folder / kind.folder).glob("*.json")):
            definition = read_json(str(file))
            if not isinstance(definition, dict):
                raise UsageFailure(f"{file} is not a JSON object.")
            name = definition.get("name", file.stem if kind.id_member == "name" else None)
            if not isinstance(name, str) or (kind.id_member == "name" and name != file.stem):
                raise UsageFailure(f"{file} has no name, or another one than its file.")
            if name in found[kind.folder]:
                raise UsageFailure(f"{file}: another file of {kind.folder}/ has the name {name!r} too.")
            found[kind.folder][name] = definition
    if not any(found.values()):
        raise UsageFailure(
            f"{folder} has no definitions.", "put them into its folders entities/, sources/ and exports/"
        )
    return found


def plan(
    kind: Kind, wanted: Mapping[str, Definition], current: Sequence[Definition], *, prune: bool, activate: bool
) -> list[Change]:
    """What has to change so that the service has what is wanted.

    Args:
        current: all definitions of this kind that the caller sees.
        activate: schedule those that are drafts.
        prune: delete those that no file has; finished one-shot exports are no definitions to keep.

    Raises:
        UsageFailure: several have the name of one file.
    """
    by_name: dict[str, list[Definition]] = {}
    for definition in current:
        by_name.setdefault(str(definition["name"]), []).append(definition)
    changes = []
    for name, definition in wanted.items():
        there = [each for each in by_name.pop(name, []) if not _is_done(each)]
        if len(there) > 1:
            ids = ", ".join(str(each[kind.id_member]) for each in there)
            raise UsageFailure(f"{len(there)} {kind.folder} have the name {name!r}: {ids}.", "rename or delete others")
        if not there:
            changes.append(Change("create", kind, name, None, definition))
        elif lines := tuple(differences(definition, there[0], kind)):
            changes.append(Change("replace", kind, name, there[0], definition, lines))
        elif activate and there[0].get("status") == "DRAFT" and definition.get("schedule"):
            changes.append(Change("activate", kind, name, there[0], definition))
    if prune:
        left = [each for several in by_name.values() for each in several if not _is_done(each)]
        changes += [Change("delete", kind, str(each["name"]), each, None) for each in left]
    return changes


def _is_done(definition: Definition) -> bool:
    """A one-shot export that runs or has run stays as the record of what it did."""
    return definition.get("status") in ("FINISHED", "IN_PROGRESS") and definition.get("type") == "ONE_SHOT"


def differences(wanted: Definition, current: Definition, kind: Kind) -> Iterator[str]:
    """A line for each place where a definition is not what is wanted; what a file leaves out has its default."""
    members = [*wanted, *sorted(kind.members & current.keys() - wanted.keys())]
    for member in members:
        default = current["name"] if member == "title" else DEFAULTS.get(member)
        yield from _differences(wanted.get(member, default), current.get(member), f"/{member}")


def _differences(wanted: Any, current: Any, place: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(current, dict):
        for member in dict.fromkeys((*wanted, *current)):
            default = MEMBER_DEFAULTS.get(member)
            yield from _differences(wanted.get(member, default), current.get(member, default), f"{place}/{member}")
    elif (isinstance(wanted, dict) and current is None) or (wanted is None and isinstance(current, dict)):
        if any(_differences(wanted or {}, current or {}, place)):
            yield f"{place}: {_text(current)} → {_text(wanted)}"
    elif wanted is None and current in INNER_DEFAULTS.get(place, ()):
        return
    elif wanted != current and (place == _DECIDED or not (_is_nothing(wanted) and _is_nothing(current))):
        yield f"{place}: {_text(current)} → {_text(wanted)}"


def _is_nothing(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_nothing, value.values()))
    return value is None or value is False or value in ("", [])


def _text(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)
