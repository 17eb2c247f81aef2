"""The labels of a file against the fields of a schema (`fieldsMatch`).

https://datapackage.org/standard/table-schema/#fieldsMatch; error types and their order as Frictionless has them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple
from unicodedata import normalize

from .fields import Field
from .row_results import RowError
from .schema import Schema

REJECTS_LABELS = ("_row", "_type", "_reason")

# `schema`: those that `fieldsMatch` asks for; `key`: those of the primary key, in any order, with or without others;
# `required`: likewise, and those of the fields that must have a value.
RequiredLabels = Literal["schema", "key", "required"]

_MAY_HAVE_MORE = ("subset", "partial")
_MAY_LACK = ("superset", "partial")


class HeaderMismatch(Exception):
    """The header does not fit the schema.

    `errors` has everything that is wrong, without the number of the header's row. `cell` is the label as the file has
    it; `field_name` is the field that it means, or that is meant where it stands. The first error names the job's.
    """

    def __init__(self, errors: Sequence[RowError]) -> None:
        super().__init__(errors[0].message)
        self.errors = list(errors)


class _Label(NamedTuple):
    """A label with its column (from 0) and the field name that it means; `text` is as in the file."""

    column: int
    name: str
    text: str


class Column(NamedTuple):
    """A column of the file (`position` from 0) and its field."""

    position: int
    field: Field


@dataclass(frozen=True, eq=False)
class HeaderMatch:
    """Which column of a file is which field.

    `columns` are in file order; `ignored` are column indexes without a field; `absent` the fields the file lacks;
    `labels` the header as the file has it.
    """

    labels: tuple[str, ...]
    columns: tuple[Column, ...]
    ignored: tuple[int, ...]
    absent: tuple[Field, ...]


def match_header(
    schema: Schema,
    labels: Sequence[str],
    columns: Mapping[str, str] | None = None,
    *,
    required: RequiredLabels = "schema",
) -> HeaderMatch:
    """Matches a header to the schema.

    Args:
        labels: the header row, as in the file.
        columns: label → field name, applied before the header is checked (the job's own over the entity's).
        required: the labels that the header needs.

    The columns `_row`, `_type`, `_reason` of a rejects file are ignored, so that it imports as it is.

    Raises:
        HeaderMismatch: with every error of the header.
    """
    names = _Names(schema, columns or {})
    rejects = _rejects_columns(schema, labels)
    read = [_Label(index, names.of(label), label) for index, label in enumerate(labels) if index not in rejects]
    if not any(label.name.strip() for label in read):
        raise HeaderMismatch([_error("blank-header", None, None, "", "Header is completely blank")])
    missing = _missing_fields(schema, [label.name for label in read], required)
    by_order = schema.fields_match == "exact" and required == "schema"
    errors = _check_by_order(schema, read, missing) if by_order else _check_by_name(schema, read, missing)
    errors = [error._replace(message=error.message + names.odd_characters(error.cell or "")) for error in errors]
    if errors:
        raise HeaderMismatch(errors)
    matched = tuple(Column(label.column, schema.by_name[label.name]) for label in read if label.name in schema.by_name)
    found = {column.position for column in matched}
    present = {column.field.name for column in matched}
    return HeaderMatch(
        labels=tuple(labels),
        columns=matched,
        ignored=tuple(index for index in range(len(labels)) if index not in found),
        absent=tuple(field for field in schema.fields if field.name not in present),
    )


def likely_match(schema: Schema, labels: Sequence[str], columns: Mapping[str, str] | None = None) -> HeaderMatch:
    """The columns that have a field, each field once, also where the header has errors."""
    rejects = _rejects_columns(schema, labels)
    matched: dict[str, Column] = {}
    names = _Names(schema, columns or {})
    for index, label in enumerate(labels):
        name = names.of(label)
        if index not in rejects and name in schema.by_name:
            matched.setdefault(name, Column(index, schema.by_name[name]))
    found = {column.position for column in matched.values()}
    return HeaderMatch(
        labels=tuple(labels),
        columns=tuple(matched.values()),
        ignored=tuple(index for index in range(len(labels)) if index not in found),
        absent=tuple(field for field in schema.fields if field.name not in matched),
    )


class _Names:
    """The names that labels may mean: those of the fields, and those that are renamed."""

    def __init__(self, schema: Schema, renames: Mapping[str, str]) -> None:
        self._schema, self._renames = schema, renames

    def of(self, label: str) -> str:
        """The field name that a label means; the label itself where it means none.

        White space around it is ignored, unless a name has it; and so is what nobody sees: characters without a width,
        kinds of spaces, and whether accents are composed.
        """
        for spelling in (label, label.strip()):
            if spelling in self._renames:
                return self._renames[spelling]
            if spelling in self._schema.by_name:
                return spelling
        return self._by_sight.get(visible(label)) or label

    @cached_property
    def _by_sight(self) -> dict[str, str | None]:
        """The field names by what is seen of their labels; None where two look the same."""
        found: dict[str, str | None] = {}
        for label, name in [*((name, name) for name in self._schema.by_name), *self._renames.items()]:
            seen = visible(label)
            found[seen] = name if found.get(seen, name) == name else None
        return found

    def odd_characters(self, label: str) -> str:
        """What to say of a label that looks like the name of a field, or has characters that nobody sees."""
        alike = next((name for name in self._schema.by_name if _outline(name) == _outline(label)), None)
        if alike is None and visible(label) == label.strip():
            return ""
        usual = alike or ""
        codes = [f"U+{ord(char):04X}" for char in dict.fromkeys(label) if not char.isascii() and char not in usual]
        if not codes:
            return ""
        looks = f' looks like "{alike}" but' if alike else ""
        return f"; it{looks} has {', '.join(codes)}"


@lru_cache(maxsize=4096)
def visible(label: str) -> str:
    """What is seen of a label: with composed accents, plain spaces, and without characters that have no width."""
    if label.isascii():
        return label.strip()
    return normalize("NFC", _SPACES.sub(" ", _WITHOUT_WIDTH.sub("", label))).strip()


_SPACES = re.compile(r"[\s\u2800\u3164]")
_WITHOUT_WIDTH = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
#: Cyrillic and Greek letters, dashes and quotes, and what they look like.
_LATIN = str.maketrans(
    "\u0410\u0412\u0415\u0405\u0406\u0408\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0430"
    "\u0435\u0455\u0456\u0458\u043e\u0440\u0441\u0443\u0445\u0501\u051b\u0461\u0391\u0392\u0395\u0396"
    "\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf\u03b1\u2010\u2011\u2012\u2013"
    "\u2014\u2212\u2019\u2018\u0131\u04cf",
    "ABESIJKMHOPCTYXaesijopcyxdqwABEZHIKMNOPTYXoa------''il",
)


@lru_cache(maxsize=4096)
def _outline(label: str) -> str:
    """The label in Latin letters, where Cyrillic and Greek ones look the same, and with ASCII's signs."""
    return label.strip() if label.isascii() else visible(normalize("NFKC", visible(label)).translate(_LATIN))


def _rejects_columns(schema: Schema, labels: Sequence[str]) -> set[int]:
    """A field of such a name keeps its column, but for the first three of a rejects file."""
    leading = {0, 1, 2} if tuple(labels[:3]) == REJECTS_LABELS else set()
    return leading | {
        index for index, label in enumerate(labels) if label in REJECTS_LABELS and label not in schema.by_name
    }


def _missing_fields(schema: Schema, labels: list[str], required: RequiredLabels) -> list[Field]:
    key = set(schema.primary_key)
    if schema.fields_match == "exact" and required == "schema":
        return list(schema.fields[len(labels) :])
    present = set(labels)
    missing = [field for field in schema.fields if field.name not in present]
    if required == "key":
        return [field for field in missing if field.name in key]
    if required == "required" or schema.fields_match in _MAY_LACK:
        return [field for field in missing if field.required or field.name in key]
    return missing


def _error(type: str, number: int | None, name: str | None, text: str, message: str) -> RowError:
    return RowError(None, number, name or None, type, text, message)


def _missing_errors(read: Sequence[_Label], missing: Sequence[Field]) -> list[RowError]:
    after = read[-1].column + 2
    return [
        _error("missing-label", number, field.name, "", f'There is no label for the field "{field.name}"')
        for number, field in enumerate(missing, after)
    ]


def _extra_error(label: _Label) -> RowError:
    at = label.column + 1
    is_blank = not label.text.strip()
    message = f"Column {at} has no label" if is_blank else f'Label "{label.text}" at position {at} is not a field'
    return _error("extra-label", label.column + 1, None, label.text, message)


def _blank_error(label: _Label, field: Field | None = None) -> RowError:
    name = None if field is None else field.name
    return _error("blank-label", label.column + 1, name, label.text, f"Label at position {label.column + 1} is blank")


def _duplicate_error(label: _Label, first: _Label) -> RowError:
    same = "is the same as" if label.text == first.text else f'means the field "{label.name}", as does that'
    message = f'Label "{label.text}" at position {label.column + 1} {same} at position {first.column + 1}'
    return _error("duplicate-label", label.column + 1, label.name, label.text, message)


def _check_by_order(schema: Schema, read: Sequence[_Label], missing: Sequence[Field]) -> list[RowError]:
    errors = [_extra_error(label) for label in read[len(schema.fields) :]]
    errors += _missing_errors(read, missing)
    first: dict[str, _Label] = {}
    for label, field in zip(read, schema.fields, strict=False):
        if not label.name.strip():
            errors.append(_blank_error(label, field))
        elif label.name in first:
            errors.append(_duplicate_error(label, first[label.name]))
        elif label.name != field.name:
            place = f'Label "{label.text}" at position {label.column + 1}'
            message = f'{place} is not the name of the field there, "{field.name}"'
            errors.append(_error("incorrect-label", label.column + 1, field.name, label.text, message))
        first.setdefault(label.name, label)
    return errors


def _check_by_name(schema: Schema, read: Sequence[_Label], missing: Sequence[Field]) -> list[RowError]:
    may_have_more = schema.fields_match in _MAY_HAVE_MORE
    errors: list[RowError] = []
    first: dict[str, _Label] = {}
    for label in read:
        if not label.name.strip():
            if not may_have_more:
                errors.append(_blank_error(label))
        elif label.name in first:
            errors.append(_duplicate_error(label, first[label.name]))
        elif label.name not in schema.by_name and not may_have_more:
            errors.append(_extra_error(label))
        first.setdefault(label.name, label)
    if schema.fields_match == "partial" and not any(label.name in schema.by_name for label in read):
        errors.append(_error("unmatched-header", None, None, "", "The header has none of the fields"))
    return errors + _missing_errors(read, missing)
