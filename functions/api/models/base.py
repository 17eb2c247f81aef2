"""What all request bodies share: strict types, no unknown members, and every problem of a body at once.

A body is validated by its model, in one pass. Rules of the domain are functions of `waybill` that collect problems; a
model's validators call them through `checked`. Rules that need more than the body (the entity, the settings) find it in
the validation context.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    Strict,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from waybill.errors import InvalidRequest
from waybill.validation import LINE_PATTERN, Problems, is_line, pointer_token

if TYPE_CHECKING:
    from waybill.entities.model import Entity
    from waybill.exports.destinations.base import Allowed
    from waybill.settings import Settings

_Word = TypeVar("_Word")

Word = Annotated[_Word, Strict(False)]
"""A word of an enum: strict validation takes its members only, never their text."""

# What pydantic finds → what the API says; `{…}` is from the error's context.
_SENTENCES = {
    "extra_forbidden": "unknown member",
    "missing": "is required",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list",
    "too_short": "must have {min_length} or more items",
    "too_long": "must have at most {max_length} items",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
}


def without_nulls(value: Any) -> Any:
    """An object without its null members, which count as left out; anything else as it is."""
    return {name: part for name, part in value.items() if part is not None} if isinstance(value, dict) else value


class Body(BaseModel):
    """A JSON object that a request holds."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", strict=True, defer_build=True, use_attribute_docstrings=True
    )

    refusal: ClassVar[str] = "The request breaks a rule."
    """The `detail` of the problem document when the body is refused."""

    _drop_nulls = model_validator(mode="before")(without_nulls)

    @classmethod
    def read(cls, value: Any, context: Mapping[str, Any] | None = None) -> Self:
        """A body as its model.

        Args:
            context: for rules that need more than a member; they find the whole body in it too, as `body`.

        Raises:
            InvalidRequest: with every problem of the body.
        """
        try:
            return cls.model_validate(value, context={**(context or {}), "body": value})
        except ValidationError as error:
            problems = [cls._explained(each, value) for each in error.errors(include_url=False)]
            raise InvalidRequest(cls.refusal, problems) from None

    @classmethod
    def _explained(cls, error: ErrorDetails, body: Any) -> tuple[str, str]:
        """A problem; that of a missing member also says what the member must be."""
        pointer, message = _problem(error, body)
        if error["type"] == "missing" and len(error["loc"]) == 1:
            fields = [field for field in cls.model_fields.values() if field.alias == error["loc"][0]]
            rules = [mark.rule for field in fields for mark in field.metadata if isinstance(mark, (Line, Must))]
            message = " and ".join([message, *rules])
        return pointer, message

    @classmethod
    def may_be_left_out(cls) -> bool:
        """Whether a request without a body means the same as `{}`."""
        return not any(member.is_required() for member in cls.model_fields.values())


def refuse(problems: Sequence[tuple[str, str]]) -> None:
    """Raise problems that a rule of the domain has found, if there are any. For validators.

    Args:
        problems: (JSON Pointer from the body's root, what is wrong there).
    """
    if problems:
        raise ValidationError.from_exception_data("rule", [_line_error(*problem) for problem in problems])


def checked(check: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a domain rule, raises the problems it collects, and returns its result. For validators."""
    problems: Problems = []
    value = check(*arguments, problems)
    refuse(problems)
    return value


def entity_of(info: ValidationInfo) -> Entity | None:
    """The entity that the body names, if it names one. For validators."""
    entity: Entity | None = (info.context or {}).get("entity")
    return entity


def settings_of(info: ValidationInfo) -> Settings:
    """For validators."""
    settings: Settings = (info.context or {})["request"].services.settings
    return settings


def allowed_of(info: ValidationInfo) -> Allowed:
    """What a destination or a location may be, now. For validators."""
    from waybill.exports.destinations.base import Allowed  # a list of exports needs no destinations

    return Allowed.of(settings_of(info), (info.context or {})["request"].services.clock.now())


def broken(rule: str) -> PydanticCustomError:
    """The error of a validator; `rule` completes "<member> …"."""
    return PydanticCustomError("rule", "{rule}", {"rule": rule})


def _line_error(pointer: str, rule: str) -> InitErrorDetails:
    return {"type": PydanticCustomError("rule", "{rule}", {"rule": rule, "pointer": pointer}), "input": None}


def _problem(error: ErrorDetails, body: Any) -> tuple[str, str]:
    """What pydantic found in a body, as the API says it."""
    context = error.get("ctx", {})
    if error["type"] == "rule":
        return context.get("pointer", _pointer(error["loc"], body)), context["rule"]
    pointer = _pointer(error["loc"], body)
    if error["type"] == "missing" and not pointer.endswith(_token(error["loc"][-1])):
        pointer += _token(error["loc"][-1])
    if error["type"] not in _SENTENCES:
        return pointer, error["msg"]
    if "expected" in context:  # "'a', 'b' or 'c'"
        context = {"expected": ", ".join(re.findall("'([^']*)'", context["expected"]))}
    return pointer, _SENTENCES[error["type"]].format(**context)


def _pointer(location: Sequence[str | int], body: Any) -> str:
    """Where in a body an error stands; parts of the location that name a branch of a union are not in the body."""
    pointer = ""
    for part in location:
        if (isinstance(body, Mapping) and part in body) or (isinstance(body, list) and isinstance(part, int)):
            body = body[part]  # type: ignore[index]
            pointer += _token(part)
    return pointer


def _token(part: str | int) -> str:
    return f"/{pointer_token(str(part))}"


@dataclass(frozen=True)
class Line:
    """Annotates one line of text: not blank, without control characters, at most `longest` characters."""

    longest: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._checked)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": self.longest, "pattern": LINE_PATTERN}

    def _checked(self, value: Any) -> Any:
        if is_line(value, self.longest):
            return value
        raise broken(self.rule)

    @property
    def rule(self) -> str:
        return f"must be one line of 1 to {self.longest} characters"


@dataclass(frozen=True)
class Must:
    """Annotates a member whose errors all read as one sentence: `rule` completes "<member> …"."""

    rule: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._checked, handler(source))

    def _checked(self, value: Any, check: Callable[[Any], Any]) -> Any:
        try:
            return check(value)
        except ValidationError:
            raise broken(self.rule) from None


# RFC 3339, section 5.6. A space in place of the plus sign is what a query that does not encode it means.
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?)(Z|[+ -]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


def _moment(text: Any) -> datetime:
    found = _MOMENT.fullmatch(text) if isinstance(text, str) else None
    try:
        if found:
            return datetime.fromisoformat(found[1].upper() + found[2].upper().replace(" ", "+")).astimezone(UTC)
    except (ValueError, OverflowError):  # no such day, or one before the first
        pass
    raise broken("must be a time of RFC 3339, such as 2026-01-31T09:30:00Z")


Moment = Annotated[datetime, PlainValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
"""A time, in UTC."""
