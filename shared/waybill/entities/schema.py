"""Table Schema (Data Package v2): the document of an entity, checked and compiled.

https://datapackage.org/standard/table-schema/
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from waybill.validation import pointer_token

from .cells import CONSTRAINT_ERROR, Constraint, Problem
from .cleaning import MAX_VALUES, STEPS, Cleaning
from .fields import Field, listed, shortened
from .fieldtypes import TYPES, FieldType
from .fieldtypes.base import SIZED
from .jsonschema import compile_json_schema
from .patterns import Pattern

MAX_FIELDS = 2_000
MAX_PROBLEMS = 100
MAX_FOREIGN_KEYS = 20
FIELDS_MATCH = ("exact", "equal", "subset", "superset", "partial")

_MISSING = object()
_BOUNDS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minimum": (operator.ge, "must be at least"),
    "maximum": (operator.le, "must be at most"),
    "exclusiveMinimum": (operator.gt, "must be more than"),
    "exclusiveMaximum": (operator.lt, "must be less than"),
}


class SchemaError(Exception):
    """The document breaks a rule. `problems`: (JSON pointer within the schema, what is wrong), in document order."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path or '/'}: {message}" for path, message in problems))
        self.problems = list(problems)


class ForeignKey(NamedTuple):
    """Fields whose values together name a record: of the entity `resource`, or, where that is empty, of the schema's
    own. `referenced` are the fields of its primary key, in the order of `names`."""

    names: tuple[str, ...]
    resource: str
    referenced: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Schema:
    """A compiled Table Schema; `document` is what was given, unknown properties included.

    `unique_sets` are the sets of fields whose values must not repeat: each `unique` field, then each of `uniqueKeys`.
    Whether `foreign_keys` fit the entities that they name is for `waybill.entities.references` to say.
    """

    fields: tuple[Field, ...]
    primary_key: tuple[str, ...]
    unique_sets: tuple[tuple[str, ...], ...]
    fields_match: str
    missing_values: tuple[str, ...]
    document: Mapping[str, Any]
    foreign_keys: tuple[ForeignKey, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, Field]:
        return {field.name: field for field in self.fields}

    @cached_property
    def key_fields(self) -> tuple[Field, ...]:
        return tuple(self.by_name[name] for name in self.primary_key)


def parse_schema(document: Any) -> Schema:
    """Checks a Table Schema document and compiles it.

    Raises:
        SchemaError: with every problem found (at most 100).
    """
    return _SchemaCompiler().compile(document)


class _SchemaCompiler:
    """Walks the document, collecting problems instead of stopping at the first."""

    def __init__(self) -> None:
        self.problems: list[tuple[str, str]] = []

    def refuse(self, path: str, message: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append((path, message))

    def compile(self, document: Any) -> Schema:
        if not isinstance(document, Mapping):
            raise SchemaError([("", "must be an object")])
        missing_values = self.missing_values(document, "", ("",))
        fields = self.fields(document, missing_values)
        names = {field.name for field in fields}
        primary_key = self.key(document["primaryKey"], "/primaryKey", names) if "primaryKey" in document else ()
        for position, name in enumerate(primary_key):
            kind = next((field.kind for field in fields if field.name == name), None)
            if kind is not None and kind.storage == "":
                self.refuse(f"/primaryKey/{position}", f"a field of type {kind.name} cannot be a key")
        unique_sets = [(field.name,) for field in fields if field.unique] + self.unique_keys(document, names)
        fields_match = document.get("fieldsMatch", "exact")
        if isinstance(fields_match, list) and len(fields_match) == 1:
            fields_match = fields_match[0]  # as the first v2 profile had it
        if fields_match not in FIELDS_MATCH:
            self.refuse("/fieldsMatch", f"must be one of {', '.join(FIELDS_MATCH)}")
        foreign_keys = self.foreign_keys(document, {field.name: field for field in fields})
        if self.problems:
            raise SchemaError(self.problems)
        unique = tuple(dict.fromkeys(unique_sets))
        return Schema(fields, primary_key, unique, fields_match, missing_values, document, foreign_keys)

    def fields(self, document: Mapping[str, Any], missing_values: tuple[str, ...]) -> tuple[Field, ...]:
        given = document.get("fields")
        if not isinstance(given, list) or not given:
            self.refuse("/fields", "must be a list of at least one field")
            return ()
        if len(given) > MAX_FIELDS:
            self.refuse("/fields", f"must be at most {MAX_FIELDS} fields")
            return ()
        fields: list[Field] = []
        positions: dict[str, int] = {}
        for position, descriptor in enumerate(given):
            path = f"/fields/{position}"
            if not isinstance(descriptor, Mapping):
                self.refuse(path, "must be an object")
                continue
            field = self.field(descriptor, path, missing_values)
            if field is None:
                continue
            if field.name in positions:
                self.refuse(f"{path}/name", f"is the name of field {positions[field.name] + 1} too")
            positions.setdefault(field.name, position)
            fields.append(field)
        return tuple(fields)

    def field(self, descriptor: Mapping[str, Any], path: str, inherited: tuple[str, ...]) -> Field | None:
        name = descriptor.get("name")
        if not isinstance(name, str) or not name.strip():
            self.refuse(f"{path}/name", "must be a text that is not blank")
            return None
        if len(name.encode(errors="surrogatepass")) > 255 or any(ch < " " or "\ud800" <= ch <= "\udfff" for ch in name):
            self.refuse(f"{path}/name", "must be at most 255 bytes of UTF-8 without control characters")
            return None
        for text in ("title", "description", "rdfType"):
            if not isinstance(descriptor.get(text, ""), str):
                self.refuse(f"{path}/{text}", "must be a text")
        missing_values = self.missing_values(descriptor, path, inherited)
        kind = self.kind(descriptor, path)
        if kind is None:
            return None
        required, unique, constraints = self.constraints(descriptor, path, kind)
        field = Field(name, kind, missing_values, required, unique, constraints, descriptor)
        cleaning = self.cleaning(descriptor, path, field)
        return field if cleaning is None else replace(field, cleaning=cleaning)

    def cleaning(self, descriptor: Mapping[str, Any], path: str, field: Field) -> Cleaning | None:
        """`clean`, `values` and `default` of a field, which is otherwise complete."""
        if descriptor.keys().isdisjoint(("clean", "values", "default")):
            return None
        given = descriptor.get("clean", [])
        steps = tuple(name for name in STEPS if name in given) if _is_text_list(given) else ()
        if not _is_text_list(given) or len(steps) < len(given):
            self.refuse(f"{path}/clean", f"must be a list of {', '.join(STEPS)}, each once")
        elif {"upper", "lower"} <= set(steps):
            self.refuse(f"{path}/clean", "cannot have both upper and lower")
        cleaning = Cleaning(steps)
        values = descriptor.get("values", {})
        if not isinstance(values, Mapping) or not all(isinstance(text, str) for text in values.values()):
            self.refuse(f"{path}/values", "must be an object of cells and the texts that stand for them")
            values = {}
        if len(values) > MAX_VALUES:
            self.refuse(f"{path}/values", f"must be at most {MAX_VALUES:,} cells")
        for cell in values:
            if cleaning.stepped(cell) != cell:
                place = f"{path}/values/{pointer_token(cell)}"
                self.refuse(place, f"no cell is ever like this: clean makes it {shortened(cleaning.stepped(cell))!r}")
        default = descriptor.get("default")
        if default is not None and (
            not isinstance(default, str) or default in field.missing or field.check_text(default)[1]
        ):
            self.refuse(f"{path}/default", "must be the text of a cell that the field accepts, and no missing value")
        return Cleaning(steps, dict(values), default)

    def kind(self, descriptor: Mapping[str, Any], path: str) -> FieldType | None:
        name = descriptor.get("type", "any")
        if not isinstance(name, str) or name not in TYPES:
            self.refuse(f"{path}/type", f"must be one of {', '.join(TYPES)}")
            return None
        format = descriptor.get("format", "default")
        if not isinstance(format, str):
            self.refuse(f"{path}/format", "must be a text")
            return None
        before = len(self.problems)
        options = self.options(TYPES[name], descriptor, path)
        if len(self.problems) > before:
            return None
        try:
            return TYPES[name](format.removeprefix("fmt:"), **options)
        except ValueError as error:
            self.refuse(f"{path}/format" if str(error).startswith("format") else path, str(error))
            return None

    def options(self, kind: type[FieldType], descriptor: Mapping[str, Any], path: str) -> dict[str, Any]:
        """The properties that belong to one type, as arguments of its constructor."""
        options: dict[str, Any] = {}
        for name, property in kind.properties.items():
            if name in descriptor:
                problem = property.problem(descriptor[name])
                if problem is None:
                    options[property.option] = property.read(descriptor[name])
                else:
                    self.refuse(f"{path}/{name}", problem)
        return options

    def constraints(
        self, descriptor: Mapping[str, Any], path: str, kind: FieldType
    ) -> tuple[bool, bool, tuple[Constraint, ...]]:
        given = descriptor.get("constraints", {})
        path += "/constraints"
        if not isinstance(given, Mapping):
            self.refuse(path, "must be an object")
            return False, False, ()
        for flag in ("required", "unique"):
            if not isinstance(given.get(flag, False), bool):
                self.refuse(f"{path}/{flag}", "must be true or false")
        rules: list[Constraint] = []
        # Frictionless's order of problems, cheapest check first.
        for name in ("minLength", "maxLength", *_BOUNDS, "pattern", "enum", "jsonSchema"):
            if name not in given:
                continue
            if name != "enum" and name not in kind.constraints:
                self.refuse(f"{path}/{name}", f"is not a constraint of type {kind.name}")
                continue
            rule = self.constraint(name, given[name], f"{path}/{name}", kind)
            if rule is not None:
                rules.append(rule)
        if kind.has_categories and "categories" in descriptor:
            rule = self.categories(descriptor, path.removesuffix("/constraints"), kind)
            if rule is not None:
                rules.append(rule)
        return given.get("required") is True, given.get("unique") is True, tuple(rules)

    def constraint(self, name: str, given: Any, path: str, kind: FieldType) -> Constraint | None:
        if name in SIZED:
            if not isinstance(given, int) or isinstance(given, bool) or given < 0:
                self.refuse(path, "must be a whole number, 0 or more")
                return None
            units = kind.units if given != 1 else kind.units.removesuffix("s")
            if name == "minLength":
                problem = _problem(f"must have at least {given:,} {units}")
                return Constraint(name, given, lambda value: kind.length(value) >= given, problem)
            problem = _problem(f"must have at most {given:,} {units}")
            return Constraint(name, given, lambda value: kind.length(value) <= given, problem)
        if name in _BOUNDS:
            bound = self.given(given, path, kind)
            if bound is _MISSING:
                return None
            limit, (compare, words) = kind.order(bound), _BOUNDS[name]
            problem = _problem(f"{words} {shortened(str(given))}")
            return Constraint(name, limit, lambda value: compare(kind.order(value), limit), problem)
        if name == "enum":
            return self.enum(name, given, path, kind)
        try:
            if name == "pattern":
                if not isinstance(given, str):
                    raise ValueError("must be a text")
                pattern = Pattern(given)
                return Constraint(name, pattern, pattern.matches, _problem(f"must match {shortened(given)}"))
            problem = _problem("does not fit the JSON schema of the field")
            return Constraint(name, given, compile_json_schema(given), problem)
        except ValueError as error:
            what = "is not a linear-time regular expression: " if isinstance(given, str) else ""
            self.refuse(path, f"{what}{error}")
            return None

    def enum(self, name: str, given: Any, path: str, kind: FieldType) -> Constraint | None:
        if not isinstance(given, list) or not given:
            self.refuse(path, "must be a list of at least one value")
            return None
        values = [self.given(value, f"{path}/{position}", kind) for position, value in enumerate(given)]
        allowed = frozenset(kind.identity(value) for value in values if value is not _MISSING)
        problem = _problem(f"must be one of: {listed(given)}")
        return Constraint(name, allowed, lambda value: kind.identity(value) in allowed, problem)

    def categories(self, descriptor: Mapping[str, Any], path: str, kind: FieldType) -> Constraint | None:
        given = descriptor["categories"]
        if isinstance(given, list) and given and all(isinstance(entry, Mapping) for entry in given):
            labels = [entry["label"] for entry in given if "label" in entry]
            if not all(isinstance(label, str) for label in labels) or len(set(labels)) < len(labels):
                self.refuse(f"{path}/categories", "labels must be texts that do not repeat")
                return None
            if any("value" not in entry for entry in given):
                self.refuse(f"{path}/categories", "each entry must have a value")
                return None
            given = [entry["value"] for entry in given]
        if not isinstance(descriptor.get("categoriesOrdered", False), bool):
            self.refuse(f"{path}/categoriesOrdered", "must be true or false")
        return self.enum("categories", given, f"{path}/categories", kind)

    def given(self, value: Any, path: str, kind: FieldType) -> Any:
        """A bound or an enum entry as a value of the field's type."""
        try:
            return kind.parse_given(value)
        except (ValueError, TypeError, ArithmeticError, RecursionError):
            self.refuse(path, f'must be a value of type "{kind.name}/{kind.format}"')
            return _MISSING

    def missing_values(self, holder: Mapping[str, Any], path: str, inherited: tuple[str, ...]) -> tuple[str, ...]:
        if "missingValues" not in holder:
            return inherited
        given, path = holder["missingValues"], f"{path}/missingValues"
        if _is_text_list(given):
            return tuple(dict.fromkeys(given))
        if not isinstance(given, list) or not all(isinstance(entry, Mapping) for entry in given):
            self.refuse(path, "must be a list of texts, or of objects with value and label")
            return inherited
        values = [entry.get("value") for entry in given]
        labels = [entry["label"] for entry in given if "label" in entry]
        if not _is_text_list(values) or not _is_text_list(labels):
            self.refuse(path, "value and label must be texts")
            return inherited
        if len(set(values)) < len(values) or len(set(labels)) < len(labels):
            self.refuse(path, "values and labels must not repeat")
        return tuple(str(value) for value in values)

    def key(self, given: Any, path: str, names: set[str]) -> tuple[str, ...]:
        """A key: one name or a list of names, all of them fields."""
        listed = _listed(given)
        if not _is_text_list(listed):
            self.refuse(path, "must be a field name or a list of field names")
            return ()
        if len(set(listed)) < len(listed):
            self.refuse(path, "must name each field once")
        for position, name in enumerate(listed):
            if name not in names:
                self.refuse(path if isinstance(given, str) else f"{path}/{position}", f'there is no field "{name}"')
        return tuple(listed)

    def unique_keys(self, document: Mapping[str, Any], names: set[str]) -> list[tuple[str, ...]]:
        given = document.get("uniqueKeys", _MISSING)
        if given is _MISSING:
            return []
        if not isinstance(given, list) or not given:
            self.refuse("/uniqueKeys", "must be a list of at least one key")
            return []
        keys: list[tuple[str, ...]] = []
        for position, key in enumerate(given):
            if key in ([], ""):
                self.refuse(f"/uniqueKeys/{position}", "must name a field")
            else:
                keys.append(self.key(key, f"/uniqueKeys/{position}", names))
        return keys

    def foreign_keys(self, document: Mapping[str, Any], fields: Mapping[str, Field]) -> tuple[ForeignKey, ...]:
        given = document.get("foreignKeys") or []
        if not isinstance(given, list) or len(given) > MAX_FOREIGN_KEYS:
            self.refuse("/foreignKeys", f"must be a list of at most {MAX_FOREIGN_KEYS} foreign keys")
            return ()
        keys = [self.foreign_key(key, f"/foreignKeys/{position}", fields) for position, key in enumerate(given)]
        return tuple(key for key in keys if key is not None)

    def foreign_key(self, given: Any, path: str, fields: Mapping[str, Field]) -> ForeignKey | None:
        reference = given.get("reference") if isinstance(given, Mapping) else None
        if not isinstance(reference, Mapping):
            self.refuse(path, 'must have "fields", and a "reference" with "resource" and "fields"')
            return None
        names = self.key(given.get("fields"), f"{path}/fields", set(fields))
        referenced = _listed(reference.get("fields"))
        resource = reference.get("resource", "")
        for position, name in enumerate(names):
            if name in fields and fields[name].kind.storage == "":
                self.refuse(f"{path}/fields/{position}", f"a field of type {fields[name].type} names no record")
        if not isinstance(resource, str):
            self.refuse(f"{path}/reference/resource", "must be the name of an entity, or empty for the entity itself")
        elif not _is_text_list(referenced) or len(set(referenced)) < len(referenced):
            self.refuse(f"{path}/reference/fields", "must be a field name or a list of field names, each once")
        elif not names or len(referenced) != len(names):
            self.refuse(f"{path}/reference/fields", "must be as many fields as those of the foreign key, at least one")
        else:
            return ForeignKey(names, resource, tuple(referenced))
        return None


def _problem(message: str) -> Problem:
    return Problem(CONSTRAINT_ERROR, message)


def _listed(given: Any) -> Any:
    """A key as a list: the standard lets one name stand for itself."""
    return [given] if isinstance(given, str) else given


def _is_text_list(given: Any) -> bool:
    return isinstance(given, list) and all(isinstance(entry, str) for entry in given)
