"""`geopoint` and `geojson`: stored as DynamoDB lists and maps.

GeoJSON: RFC 7946. TopoJSON: https://github.com/topojson/topojson-specification (version 1.0.0)
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, ClassVar

from .attributes import Unreadable, from_attribute, json_text, load_json, number_text, to_attribute, to_json
from .base import Attribute, FieldType
from .nested import JsonType

_NUMBER = r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*"
_SHOWN = {"default": "longitude, latitude", "array": "[longitude, latitude]", "object": '{"lon": …, "lat": …}'}
_PAIR = re.compile(f"{_NUMBER},{_NUMBER}")


class GeopointType(FieldType):
    """`lon, lat` in degrees, as text (`default`), JSON array or JSON object; the value is (lon, lat)."""

    name: ClassVar[str] = "geopoint"
    storage: ClassVar[str] = ""

    def __init__(self, format: str = "default") -> None:
        if format not in ("default", "array", "object"):
            raise ValueError("format must be one of default, array, object")
        super().__init__(format)
        self.noun = f"a point ({_SHOWN[format]})"

    def parse(self, cell: str) -> Any:
        if self.format == "default":
            match = _PAIR.fullmatch(cell) if len(cell) <= 1_000 else None
            if match is None:
                raise ValueError
            return self._checked([Decimal(match[1]), Decimal(match[2])])
        return self._checked(load_json(cell))

    def parse_given(self, given: Any) -> Any:
        if isinstance(given, str):
            return self.parse(given)
        return self._checked(load_json(json_text(given)))

    def _checked(self, value: Any) -> tuple[Decimal, Decimal]:
        if self.format == "object" and isinstance(value, dict):
            if set(value) != {"lon", "lat"}:
                raise ValueError
            value = [value["lon"], value["lat"]]
        elif self.format == "object" or not isinstance(value, list):
            raise ValueError
        if len(value) != 2 or not all(_is_number(part) for part in value):
            raise ValueError
        lon, lat = Decimal(value[0]), Decimal(value[1])
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise Unreadable("longitude is -180 … 180, latitude -90 … 90")
        number_text(lon), number_text(lat)  # raises what DynamoDB cannot hold
        return lon, lat

    def stored(self, value: Any) -> str:
        return to_attribute({"lon": value[0], "lat": value[1]} if self.format == "object" else list(value))

    def identity(self, value: Any) -> str:
        return f"{number_text(value[0])},{number_text(value[1])}"

    def to_json(self, attribute: Attribute) -> Any:
        return to_json(from_attribute(attribute))

    def to_cell(self, attribute: Attribute) -> str:
        text = json_text(from_attribute(attribute))
        return text[1:-1] if self.format == "default" else text


class GeojsonType(JsonType):
    """A GeoJSON object, or a TopoJSON object."""

    name: ClassVar[str] = "geojson"
    constraints: ClassVar[frozenset[str]] = frozenset()
    container: ClassVar[type] = dict

    def __init__(self, format: str = "default") -> None:
        if format not in ("default", "topojson"):
            raise ValueError("format must be default or topojson")
        FieldType.__init__(self, format)
        self.noun = "a GeoJSON object" if format == "default" else "a TopoJSON object"

    def _checked(self, value: Any) -> Any:
        value = super()._checked(value)  # first: it bounds the nesting
        if not (_is_topology(value) if self.format == "topojson" else _is_geojson(value)):
            raise ValueError
        return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _is_position(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 2 and all(map(_is_number, value))


def _is_line(value: Any, least: int = 2) -> bool:
    return isinstance(value, list) and len(value) >= least and all(map(_is_position, value))


def _is_ring(value: Any) -> bool:
    return _is_line(value, 4) and value[0] == value[-1]


def _all(test: Any) -> Any:
    return lambda value: isinstance(value, list) and all(map(test, value))


_GEOMETRIES: dict[str, Any] = {
    "Point": _is_position,
    "MultiPoint": _all(_is_position),
    "LineString": _is_line,
    "MultiLineString": _all(_is_line),
    "Polygon": _all(_is_ring),
    "MultiPolygon": _all(_all(_is_ring)),
}


_is_arc = _all(lambda value: isinstance(value, int) and not isinstance(value, bool))
_ARCS: dict[str, Any] = {
    "LineString": _is_arc,
    "MultiLineString": _all(_is_arc),
    "Polygon": _all(_is_arc),
    "MultiPolygon": _all(_all(_is_arc)),
}


def _is_geometry(value: Any) -> bool:
    if not isinstance(value, dict) or not _has_fair_box(value):
        return False
    kind = value.get("type")
    if kind == "GeometryCollection":
        return isinstance(value.get("geometries"), list) and all(map(_is_geometry, value["geometries"]))
    # RFC 7946 section 3.1: an empty coordinates array is a geometry without a place.
    return kind in _GEOMETRIES and (value.get("coordinates") == [] or bool(_GEOMETRIES[kind](value.get("coordinates"))))


def _is_feature(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("type") == "Feature"
        and _has_fair_box(value)
        and {"geometry", "properties"} <= set(value)
        and (value["geometry"] is None or _is_geometry(value["geometry"]))
        and (value["properties"] is None or isinstance(value["properties"], dict))
        and ("id" not in value or isinstance(value["id"], str) or _is_number(value["id"]))
    )


def _has_fair_box(value: dict[str, Any]) -> bool:
    box = value.get("bbox", [0, 0, 0, 0])
    return isinstance(box, list) and len(box) >= 4 and len(box) % 2 == 0 and all(map(_is_number, box))


def _is_geojson(value: dict[str, Any]) -> bool:
    if value.get("type") == "FeatureCollection":
        features = value.get("features")
        return _has_fair_box(value) and isinstance(features, list) and all(map(_is_feature, features))
    return _is_feature(value) if value.get("type") == "Feature" else _is_geometry(value)


def _is_topology(value: dict[str, Any]) -> bool:
    if value.get("type") != "Topology":  # a geometry alone is a TopoJSON object too
        return value.get("type") is not None and _is_topology_geometry(value) and _has_fair_box(value)
    arcs, objects = value.get("arcs"), value.get("objects")
    return (
        isinstance(objects, dict)
        and all(map(_is_topology_geometry, objects.values()))
        and isinstance(arcs, list)
        and all(_is_line(arc) for arc in arcs)
        and _has_fair_box(value)
        and ("transform" not in value or _is_transform(value["transform"]))
    )


def _is_transform(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _is_position(value.get(name)) and len(value[name]) == 2 for name in ("scale", "translate")
    )


def _is_topology_geometry(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    kind = value.get("type")
    if kind == "GeometryCollection":
        return isinstance(value.get("geometries"), list) and all(map(_is_topology_geometry, value["geometries"]))
    if kind in ("Point", "MultiPoint"):
        return "coordinates" in value and bool(_GEOMETRIES[kind](value["coordinates"]))
    return kind is None or (kind in _ARCS and bool(_ARCS[kind](value.get("arcs"))))
