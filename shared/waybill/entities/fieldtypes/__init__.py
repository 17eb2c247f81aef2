"""The field types of Table Schema, a module each that holds all that Waybill knows of the type (`base.FieldType`).

Rules: https://datapackage.org/standard/table-schema/#field-types
"""

from .any import AnyType
from .array import ArrayType
from .attributes import Attribute, Unreadable
from .base import FieldType
from .boolean import BooleanType
from .date import DateType
from .datetime import DatetimeType
from .duration import DurationType
from .geojson import GeojsonType
from .geopoint import GeopointType
from .integer import IntegerType
from .list import ListType
from .number import NumberType
from .object import ObjectType
from .string import StringType
from .time import TimeType
from .year import YearType
from .yearmonth import YearmonthType

TYPES: dict[str, type[FieldType]] = {
    kind.name: kind
    for kind in (
        StringType, NumberType, IntegerType, BooleanType, ObjectType, ArrayType, ListType, DatetimeType, DateType,
        TimeType, YearType, YearmonthType, DurationType, GeopointType, GeojsonType, AnyType,
    )
}  # fmt: skip

__all__ = ["TYPES", "Attribute", "FieldType", "Unreadable"]
