"""The field types of Table Schema, one class each.

| module | types |
|---|---|
| `strings` | string (default, email, uri, uuid, binary), any |
| `numbers` | number, integer, year |
| `booleans` | boolean |
| `temporal` | date, time, datetime, yearmonth |
| `durations` | duration |
| `nested` | object, array, list |
| `geo` | geopoint, geojson |

Rules: https://datapackage.org/standard/table-schema/#field-types
"""

from .attributes import Unreadable
from .base import Attribute, FieldType
from .booleans import BooleanType
from .durations import DurationType
from .geo import GeojsonType, GeopointType
from .nested import ArrayType, ListType, ObjectType
from .numbers import IntegerType, NumberType, YearType
from .strings import AnyType, StringType
from .temporal import DatetimeType, DateType, TimeType, YearmonthType

TYPES: dict[str, type[FieldType]] = {
    kind.name: kind
    for kind in (
        StringType, NumberType, IntegerType, BooleanType, ObjectType, ArrayType, ListType, DatetimeType, DateType,
        TimeType, YearType, YearmonthType, DurationType, GeopointType, GeojsonType, AnyType,
    )
}  # fmt: skip

__all__ = ["TYPES", "Attribute", "FieldType", "Unreadable"]
