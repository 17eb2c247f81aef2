"""Markers that say more of a member than its type does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

_Shape = TypeVar("_Shape", bound=type)

UUID_PATTERN = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"  # RFC 9562, section 4


class Schema:
    """Keywords of JSON Schema for the annotated type. Pydantic reads them; nothing here loads pydantic."""

    def __init__(self, **keywords: Any) -> None:
        self.keywords = keywords

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Callable[[Any], dict[str, Any]]) -> Any:
        return handler(core_schema) | self.keywords


Uuid = Annotated[str, Schema(format="uuid", pattern=f"^{UUID_PATTERN}$")]
Moment = Annotated[str, Schema(format="date-time")]
Uri = Annotated[str, Schema(format="uri")]
Email = Annotated[str, Schema(format="email")]
Natural = Annotated[int, Schema(minimum=0)]
Ordinal = Annotated[int, Schema(minimum=1)]
Seconds = Annotated[float, Schema(minimum=0, type="number")]
NextToken = Annotated[str | None, Schema(description="Give it as `nextToken` to go on; null on the last page.")]


def configured(**config: Any) -> Callable[[_Shape], _Shape]:
    """Decorate a typed dictionary with pydantic's configuration of it; `extra="allow"`: it may hold other members."""

    def decorate(shape: _Shape) -> _Shape:
        shape.__pydantic_config__ = config  # type: ignore[attr-defined]
        return shape

    return decorate
