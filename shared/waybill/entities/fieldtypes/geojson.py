"""`geojson`: stored as a DynamoDB map.

GeoJSON: RFC 7946. TopoJSON: https://github.com/topojson/topojson-specification (version 1.0.0)
"""

from __future__ import annotations

from typing import Any, ClassVar

from .attributes import is_number
from .json_value import JsonType


class GeojsonType(JsonType):
    """A GeoJSON object, or a TopoJSON object."""

    name: ClassVar[str] = "geojson"
    formats: ClassVar[tuple[str, ...]] = ("default", "topojson")
    constraints: ClassVar[frozenset[str]] = frozenset()
    container: ClassVar[type] = dict

    def __init__(self, format: str = "default") -> None:
        super().__init__(format)
        self.noun = "a GeoJSON object" if format == "default" else "a TopoJSON object"

    def _checked(self, value: Any) -> Any:
        value = super()._checked(value)  # first: it bounds the nesting
        if not (_is_topology(value) if self.format == "topojson" else _is_geojson(value)):
            raise ValueError
        return value


def _is_position(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 2 and all(map(is_number, value))


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
        and ("id" not in value or isinstance(value["id"], str) or is_number(value["id"]))
    )


def _has_fair_box(value: dict[str, Any]) -> bool:
    box = value.get("bbox", [0, 0, 0, 0])
    return isinstance(box, list) and len(box) >= 4 and len(box) % 2 == 0 and all(map(is_number, box))


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
