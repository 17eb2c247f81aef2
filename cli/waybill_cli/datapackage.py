"""Data Packages (https://datapackage.org/standard/data-package/) as definitions of entities: one for each resource.

What an entity cannot say of a resource is told. A resource without a Table Schema makes no entity.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from waybill_cli.failures import UsageFailure

Definition = dict[str, Any]
#: Reads the JSON of a path beside the descriptor.
ReadBeside = Callable[[str], Any]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_FOREIGN_CHARS = re.compile(r"[^A-Za-z0-9_.-]+")
_MAX_LINE = 200
#: What a file of a resource is: an entity has the same members.
_OF_FILES = ("dialect", "encoding")


@dataclass
class Plan:
    """What becomes of a resource.

    Attributes:
        resource: its name.
        entity: the name of the entity; None where there is none, and `problem` says why.
        remarks: what the entity does not say of the resource, or says otherwise.
        files: the paths of its data, as far as they are files beside the descriptor.
    """

    resource: str
    entity: str | None = None
    definition: Definition = field(default_factory=dict)
    problem: str | None = None
    remarks: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @property
    def references(self) -> set[str]:
        """The other entities that its foreign keys name."""
        keys = self.definition.get("schema", {}).get("foreignKeys", ())
        return {_resource_of(key) for key in keys} - {"", self.entity or ""}


def read_package(document: Any, read_beside: ReadBeside) -> list[Plan]:
    """The entities of a Data Package's resources, each after those that it refers to, as far as that is possible.

    Raises:
        UsageFailure: it is no Data Package.
    """
    resources = document.get("resources") if isinstance(document, dict) else None
    if not isinstance(resources, list) or not resources or not all(isinstance(one, dict) for one in resources):
        raise UsageFailure("The file is no Data Package: it has no list of resources.", "give a datapackage.json")
    plans = [_plan(resource, position, read_beside) for position, resource in enumerate(resources, 1)]
    package = document.get("name")
    by_resource: dict[str, Plan] = {}
    taken: dict[str, str] = {}
    for plan in plans:
        if plan.entity is None:
            continue
        if plan.entity in taken:
            plan.problem = f"its entity would be {plan.entity}, as that of {taken[plan.entity]}"
            plan.entity = None
            continue
        taken[plan.entity] = plan.resource
        by_resource[plan.resource] = plan
        if isinstance(package, str) and 0 < len(package.strip()) <= len(package) <= _MAX_LINE:
            plan.definition["database"] = package
    for plan in by_resource.values():
        _name_entities(plan, by_resource)
    return _ordered(plans)


def _plan(resource: Mapping[str, Any], position: int, read_beside: ReadBeside) -> Plan:
    files = _paths(resource)
    given = resource.get("name")
    name = given if isinstance(given, str) and given else PurePosixPath(files[0]).stem if files else ""
    plan = Plan(name or f"resource {position}", files=files)
    entity = _FOREIGN_CHARS.sub("-", name).lstrip("-_.")[:64]
    if not _NAME.fullmatch(entity):
        plan.problem = "it has no name that an entity can have"
        return plan
    try:
        schema = _document(resource, "schema", read_beside)
        dialect = _document(resource, "dialect", read_beside)
    except UsageFailure as failure:
        plan.problem = failure.message
        return plan
    if not isinstance(schema, dict) or not schema.get("fields"):
        plan.problem = "it has no Table Schema"
        return plan
    plan.entity = entity
    if entity != name:
        plan.remarks.append(f"the entity is called {entity}, because {name!r} cannot be its name")
    # A copy, whose empty keys say nothing: "primaryKey": [] is common.
    plan.definition["schema"] = {member: value for member, value in schema.items() if not _is_empty_key(member, value)}
    title = resource.get("title")
    if isinstance(title, str) and 0 < len(title.strip()) <= len(title) <= _MAX_LINE and "\n" not in title:
        plan.definition["title"] = title
    if isinstance(dialect, dict) and dialect:
        plan.definition["dialect"] = _flat(dialect)
    if isinstance(resource.get("encoding"), str):
        plan.definition["encoding"] = resource["encoding"]
    if "primaryKey" not in plan.definition["schema"]:
        plan.remarks.append("it has no primaryKey: each row of a file will be a new record")
    return plan


def _flat(dialect: Mapping[str, Any]) -> dict[str, Any]:
    """A Table Dialect, also from the form of frictionless-py, which has the members of a format in one of its name:
    `{"csv": {"delimiter": ";"}}`, `{"excel": {"sheet": "Data"}}`."""
    flat = {member: value for member, value in dialect.items() if member not in ("csv", "excel")}
    if isinstance(dialect.get("csv"), dict):
        flat = {**dialect["csv"], **flat}
    sheet = dialect["excel"].get("sheet") if isinstance(dialect.get("excel"), dict) else None
    if sheet is not None:
        flat.setdefault("sheetName" if isinstance(sheet, str) else "sheetNumber", sheet)
    return flat


def _is_empty_key(member: str, value: Any) -> bool:
    return member in ("primaryKey", "uniqueKeys", "foreignKeys") and value in (None, "", [])


def _paths(resource: Mapping[str, Any]) -> list[str]:
    path = resource.get("path")
    paths = [path] if isinstance(path, str) else path if isinstance(path, list) else []
    return [path for path in paths if isinstance(path, str) and "://" not in path]


def _document(resource: Mapping[str, Any], member: str, read_beside: ReadBeside) -> Any:
    """A member that may also be the path of a JSON file (https://datapackage.org/standard/data-resource/#schema).

    Raises:
        UsageFailure: the file cannot be read, or the standard forbids to.
    """
    given = resource.get(member)
    if not isinstance(given, str):
        return given
    if "://" in given:
        raise UsageFailure(f"its {member} is at {given}: save it beside the descriptor, and name that file")
    if given.startswith(("/", "~", "\\")) or ".." in PurePosixPath(given).parts or ":" in given:
        raise UsageFailure(f"its {member} is not beside the descriptor: {given}")
    return read_beside(given)


def _name_entities(plan: Plan, by_resource: Mapping[str, Plan]) -> None:
    """Let the foreign keys of a resource name entities; leave out those that an entity cannot have."""
    schema = plan.definition["schema"]
    given = schema.get("foreignKeys")
    if not isinstance(given, list):
        return
    kept = []
    for key in given:
        reference = key.get("reference") if isinstance(key, dict) else None
        if not isinstance(reference, dict):
            kept.append(key)  # the service says what is wrong with it
            continue
        resource = reference.get("resource") or ""
        is_own = resource in ("", plan.resource) or (resource == "self" and "self" not in by_resource)
        other = plan if is_own else by_resource.get(resource)
        what = f"the foreign key of {_words(key.get('fields'))} is left out"
        if other is None:
            plan.remarks.append(f"{what}: there is no entity of {resource}")
        elif _names(reference.get("fields")) != _names(other.definition["schema"].get("primaryKey")):
            named = f"{_words(reference.get('fields'))} of {other.resource}"
            plan.remarks.append(f"{what}: {named} is not its primary key")
        else:
            kept.append({**key, "reference": {**reference, "resource": "" if is_own else other.entity}})
    schema["foreignKeys"] = kept
    if not kept:
        del schema["foreignKeys"]


def _names(given: Any) -> set[str] | None:
    names = [given] if isinstance(given, str) else given
    return set(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _words(given: Any) -> str:
    return " and ".join(map(str, [given] if isinstance(given, str) else given or ["?"]))


def _ordered(plans: Iterable[Plan]) -> list[Plan]:
    """Each plan after those that it refers to; those of a circle in the order of the package."""
    left, ordered = list(plans), list[Plan]()
    while left:
        waiting = {plan.entity for plan in left}
        ready = next((plan for plan in left if not plan.references & waiting), left[0])
        left.remove(ready)
        ordered.append(ready)
    return ordered


def without_others(plan: Plan, there: Container[str]) -> Definition:
    """The definition of an entity without its foreign keys that name entities which are not there."""
    schema = plan.definition["schema"]
    if "foreignKeys" not in schema:
        return plan.definition
    keys = [
        key for key in schema["foreignKeys"] if _resource_of(key) in ("", plan.entity) or _resource_of(key) in there
    ]
    return {**plan.definition, "schema": {**schema, "foreignKeys": keys}}


def _resource_of(key: Any) -> str:
    reference = key.get("reference") if isinstance(key, dict) else None
    return str(reference.get("resource", "")) if isinstance(reference, dict) else ""


def replacing(definition: Definition, known: Mapping[str, Any]) -> Definition:
    """The definition in place of one that is there: it keeps what a package does not say, rights above all."""
    kept = {member: value for member, value in known.items() if member not in ("name", "schema", *_OF_FILES)}
    return {**kept, **definition}
