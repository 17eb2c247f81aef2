"""`object`: stored as a DynamoDB map."""

from __future__ import annotations

from typing import ClassVar

from .json_value import JsonType


class ObjectType(JsonType):
    """A JSON object."""

    name: ClassVar[str] = "object"
    container: ClassVar[type] = dict
    noun = "a JSON object"
