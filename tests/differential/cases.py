# ruff: noqa: E501, RUF001 (tables of cases read better on one line)
"""The deterministic table: every type, format and constraint, every shape of row, header and file."""

from __future__ import annotations

from typing import Any

from tests.differential.verdicts import Table

UUID = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
SQUARE = "[[0,0],[1,0],[1,1],[0,0]]"

# One column: a field, and cells of it, good and bad.
CELLS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["x", " ", "1", "", "NA"]),
    ({"type": "any", "constraints": {"required": True, "enum": ["1", "a"]}}, ["1", "1.0", "a", "A", ""]),
    ({"type": "string", "missingValues": ["", "NA", "-"]}, ["NA", "-", "", "na", " NA", "--"]),
    ({"type": "string", "missingValues": [{"value": "-", "label": "none"}], "constraints": {"required": True}}, ["-", "", "x"]),
    ({"type": "string", "missingValues": [], "constraints": {"required": True}}, ["", "x"]),
    ({"type": "string", "constraints": {"minLength": 2, "maxLength": 3}}, ["a", "äö", "abc", "abcd", "", "  ", "😀"]),
    ({"type": "string", "constraints": {"pattern": "[0-9]{3}"}}, ["012", "12", "0123", "٠١٢", "012\n", " 012"]),
    ({"type": "string", "constraints": {"pattern": "^[A-Z]+$", "minLength": 2, "enum": ["AB", "ab", "C"]}}, ["AB", "ab", "C", "xy", "XY", "x"]),
    ({"type": "string", "constraints": {"pattern": "a|bc"}}, ["a", "bc", "ab", "abc", "xbc"]),
    ({"type": "string", "constraints": {"pattern": r"\d+\w\s?"}}, ["1a", "1", "١a", "1a "]),
    ({"type": "string", "constraints": {"pattern": "[a-z-[aeiou]]+"}}, ["xyz", "xya"]),
    ({"type": "string", "constraints": {"pattern": "[a-z]+", "required": True}}, ["", "a", "A"]),
    ({"type": "string", "constraints": {"enum": ["a", "b", "NA"]}}, ["a", "A", "", "c", "NA"]),
    ({"type": "string", "constraints": {"unique": True}}, ["a", "b", "a", "", "", "A", "a"]),
    ({"type": "string", "categories": [{"value": "a", "label": "A"}, {"value": "b"}]}, ["a", "b", "A", ""]),
    ({"type": "string", "format": "email"}, ["a@b.co", "a.b+c@example.co.uk", "A@EXAMPLE.COM", "a@b", "@b.co", "a b@c.de", "a@@b.co", "a..b@c.de", ".a@b.co", "a@b_c.de", "a@-b.de", "a@b-.de", "a@b..de", "a@b.de.", "a@b.c", "a@b.c1", "a@127.0.0.1", "a@[127.0.0.1]", "a" * 65 + "@b.co", "a@" + "b" * 64 + ".co", "a@b.co ", '"a b"@c.de', "ä@b.co", "a@exämple.com", "用户@例子.公司"]),
    ({"type": "string", "format": "email", "constraints": {"maxLength": 8}}, ["a@b.co", "abcd@efgh.ij", "x"]),
    ({"type": "string", "format": "uri"}, ["https://u:p@example.com:8080/a?b=c%20d#e", "urn:isbn:0451450523", "mailto:a@b.co", "http://[::1]/", "example.com", "//example.com", "/a", "x", "1x:y", ":x", "http://a b", "http://a/%zz", "http://é", "http://a/{id}", "x y:z"]),
    ({"type": "string", "format": "uuid"}, [UUID, UUID.upper(), UUID[:-1], UUID + "0", "g" + UUID[1:], UUID.replace("-", ""), f"{{{UUID}}}", f"urn:uuid:{UUID}", ""]),
    ({"type": "string", "format": "binary"}, ["aGVsbG8=", "YWJj", "aGVsbG8", "a", "ab==", "a-_=", "aGVs bG8=", "YWJj\nYWJj", "abc==", "é"]),
    ({"type": "integer"}, ["0", "-5", "\u22125", "+7", "007", "-0", " 12", "12 ", "12\u00a0", "1 2", "1.0", "1e3", "--1", "-", "x", "0x1", "1,000", "9" * 38, "9" * 39, "1" + "0" * 60, "1_000", "١٢", "１"]),
    ({"type": "integer", "constraints": {"minimum": 1, "maximum": "5"}}, ["0", "1", "5", "6", " 6", "x", ""]),
    ({"type": "integer", "constraints": {"exclusiveMinimum": 1, "exclusiveMaximum": 5, "required": True}}, ["1", "2", "4", "5", ""]),
    ({"type": "integer", "constraints": {"enum": ["1", 2]}}, ["1", "+2", "002", "3"]),
    ({"type": "integer", "constraints": {"unique": True}}, ["1", "01", "+1", "2", "", ""]),
    ({"type": "integer", "categories": [0, 1]}, ["1", "2"]),
    ({"type": "integer", "groupChar": ","}, ["1,234,567", "1234", "1,,2", ",1", "1,", "1.0"]),
    ({"type": "integer", "bareNumber": False}, ["95", "EUR 95", "95%", "-95 kg", "$-95", "-$95", "95-", "95- kg", "95 kg-", "\u221295", "(95)", "x", "1 2", "٣95"]),
    ({"type": "number"}, ["7.50", "-.5", "5.", "+1", "1e3", "1.5E-3", " 1.5", "1.5\t", "1.2.3", ".", "1,5", "1.5e", "e5", "x", "-", "NaN", "nan", "INF", "-INF", "Infinity", "1e200", "1e-131", "9" * 39, "0." + "1" * 39, "1_0", "٣.٥"]),
    ({"type": "number", "decimalChar": ",", "groupChar": "."}, ["1.234,50", "1234,5", "1,5", "1.5", "1,2,3", "1..2", ".5", "1,5.5"]),
    ({"type": "number", "decimalChar": ","}, ["1,5", "1.5", "15"]),
    ({"type": "number", "groupChar": " "}, ["1 234.5", "1  2", "1234", "1.2 3", "1\u00a0234.5", "1\u202f234", "\u22121\u2009234"]),
    ({"type": "number", "bareNumber": False}, ["95.5", "EUR 95.5", "95.5%", "approx. 95.5 km", "-95.5-", "95.5-", "(95.5)", "- 95.5", "five (95)", "95-pack", "x", "1e3x", "5e", "NaN"]),
    ({"type": "number", "bareNumber": False, "constraints": {"minimum": 1}}, [".5", "0.5", "5 kg", "€-1"]),
    ({"type": "number", "constraints": {"minimum": 0.5, "exclusiveMaximum": "1.5"}}, ["0.5", "0.49999999999999999999", "1.5", "1.50", "1.4999999999999999999", "x"]),
    ({"type": "number", "constraints": {"exclusiveMinimum": 0, "maximum": 10}}, ["0", "-0.0", "0.1", "10.0", "10.01", "NaN"]),
    ({"type": "number", "constraints": {"enum": [1, 2.5, "1e2"]}}, ["1.0", "2.50", "100", "3"]),
    ({"type": "number", "constraints": {"unique": True}}, ["1", "1.0", "1e0", "2"]),
    ({"type": "boolean"}, ["true", "True", "TRUE", "1", "false", "False", "FALSE", "0", "yes", "tRUE", " true", "2"]),
    ({"type": "boolean", "trueValues": ["yes", "y"], "falseValues": ["no"]}, ["yes", "y", "no", "true", "1", "No"]),
    ({"type": "boolean", "constraints": {"enum": [True], "required": True}}, ["true", "1", "false", ""]),
    ({"type": "date"}, ["2024-02-29", "2023-02-29", "2024-13-01", "0000-01-01", "20240105", "2024-W01-1", "2024-01-05T00:00:00", " 2024-01-05", "x", "2024-1-5", "٢٠٢٤-٠١-٠٥"]),
    ({"type": "date", "format": "%d/%m/%Y"}, ["29/02/2024", "9/1/2024", "31/02/2024", "2024-01-05", "01/02/24", "01/02/2024 ", "٠١/٠٢/٢٠٢٤"]),
    ({"type": "date", "format": "fmt:%Y%m%d"}, ["20240131", "20240132", "2024-01-31"]),
    ({"type": "date", "format": "any"}, ["2024-01-26", "26 January 2024", "Jan 26, 2024", "26/01/2024", "01/26/2024", "20240126", "2024-02-30", "x", "05/06/2024", "Friday", "10", "January 2024"]),
    ({"type": "date", "constraints": {"minimum": "2024-01-01", "exclusiveMaximum": "2024-12-31"}}, ["2023-12-31", "2024-01-01", "2024-12-30", "2024-12-31"]),
    ({"type": "date", "format": "%d/%m/%Y", "constraints": {"exclusiveMinimum": "01/02/2024", "enum": ["02/02/2024", "2/3/2024"]}}, ["01/02/2024", "02/02/2024", "02/03/2024", "03/03/2024"]),
    ({"type": "date", "constraints": {"unique": True}}, ["2024-01-01", "2024-01-02", "2024-01-01"]),
    ({"type": "time"}, ["15:00:00", "00:00:00", "23:59:59", "15:00", "15:00:60", "25:00:00", "x", "15:00:00Z", "15:00:00.5", "24:00:00", "15:00:00+01:00"]),
    ({"type": "time", "format": "%H:%M"}, ["15:30", "9:05", "24:00", "15:30:00"]),
    ({"type": "time", "format": "any"}, ["15:30", "3:30 pm", "15:30:00.5", "x", "24:00:00", "15"]),
    ({"type": "time", "constraints": {"minimum": "09:00:00", "maximum": "17:00:00"}}, ["08:59:59", "09:00:00", "17:00:00", "17:00:01"]),
    ({"type": "datetime"}, ["2024-01-26T15:00:00", "2024-01-26T15:00:00Z", "2024-01-26T15:00:00.300-05:00", "2024-01-26T15:00:00.123456789Z", "2024-01-26T24:00:00", "2024-01-26T24:00:00.000Z", "2024-01-26T24:00:01", "2024-01-26", "2024-01-26T15:00", "2024-01-26T15:00:60", "2024-02-30T15:00:00", "2024-01-26T15:00:00.", "1700000000", "x", "2024-01-26 15:00:00", "2024-01-26T15:00:00+0500", "2024-01-26T15:00:00+15:00", "2024-01-26T15:00:00z", "0001-01-01T00:00:00+01:00"]),
    ({"type": "datetime", "format": "%d/%m/%Y %H:%M:%S"}, ["12/11/2018 09:15:32", "2018-11-12T09:15:32", "12/13/2018 09:15:32", "12/11/2018 24:00:00", "1/1/2018 9:5:2"]),
    ({"type": "datetime", "format": "%Y-%m-%dT%H:%M:%S.%f%z"}, ["2018-11-12T09:15:32.5+0200", "2018-11-12T09:15:32.5+02:00", "2018-11-12T09:15:32.5Z", "2018-11-12T09:15:32+0200"]),
    ({"type": "datetime", "format": "any"}, ["2024-01-26T15:00:00Z", "Fri, 26 Jan 2024 15:00:00 GMT", "26/01/2024 3:04 pm", "x", "3 o'clock", "01/02/2024 10:00", "2024"]),
    ({"type": "datetime", "constraints": {"minimum": "2024-01-01T00:00:00Z", "exclusiveMaximum": "2024-06-01T00:00:00.5Z"}}, ["2023-12-31T23:00:00-05:00", "2023-12-31T23:59:59Z", "2024-01-01T00:00:00+01:00", "2024-06-01T00:00:00.49Z", "2024-06-01T00:00:00.500Z"]),
    ({"type": "datetime", "constraints": {"unique": True}}, ["2024-01-01T15:00:00-05:00", "2024-01-01T20:00:00Z", "2024-01-01T20:00:00", "2024-01-01T24:00:00", "2024-01-02T00:00:00"]),
    ({"type": "year"}, ["2024", "0005", "0000", "24", "20240", "-2024", "x", "+200", " 202", "２０２４"]),
    ({"type": "year", "constraints": {"minimum": 2000, "exclusiveMaximum": "2010"}}, ["1999", "2000", "2009", "2010"]),
    ({"type": "yearmonth"}, ["2024-01", "2024-12", "2024-13", "2024-00", "2024", "2024-01-01", "x", "2024-1", "24-01"]),
    ({"type": "yearmonth", "constraints": {"exclusiveMinimum": "2024-01", "maximum": "2024-06"}}, ["2024-01", "2024-02", "2024-06", "2024-07"]),
    ({"type": "duration"}, ["P1Y2M3DT4H5M6.7S", "-PT1.5S", "P2W", "PT36H", "P", "1Y", "P1S", "PT1M2H", "P-1Y", "P1.5Y", "PT", "P1YT", "+P1D", "P1Y2W"]),
    ({"type": "duration", "constraints": {"minimum": "P1M", "exclusiveMaximum": "P1Y"}}, ["P1M", "P31D", "P30D", "P12M", "P11M"]),
    ({"type": "duration", "constraints": {"enum": ["P1D", "PT36H"]}}, ["P1D", "PT24H", "P2D"]),
    ({"type": "object"}, ["{}", '{"b": 1.50, "a": [true, null]}', "[]", "{", '"x"', "1", "x", '{"a": NaN}', '{"a": 1, "a": 2}', '{"": 1}', '{"a": 1e999}', '{"a": "\\ud800"}']),
    ({"type": "object", "constraints": {"minLength": 1, "maxLength": 2, "enum": [{"a": 1}, {"a": 1, "b": 2}]}}, ["{}", '{"a": 1.0}', '{"b": 2, "a": 1}', '{"a": 1, "b": 2, "c": 3}']),
    ({"type": "object", "constraints": {"jsonSchema": {"type": "object", "required": ["v"]}}}, ['{"v": 1}', "{}"]),
    ({"type": "array"}, ["[]", '["x", 2, {}]', "{}", "[1,]", "x", "[" * 40 + "]" * 40, f"[{'9' * 39}]"]),
    ({"type": "array", "constraints": {"minLength": 1, "maxLength": 2, "required": True, "jsonSchema": {"items": {"type": "integer"}}}}, ["[]", "[1]", "[1,2,3]", '["x"]', ""]),
    ({"type": "list"}, ["a", "a,b", "a,,b", ","]),
    ({"type": "list", "itemType": "integer", "delimiter": ";"}, ["1;2", "01; 2", "1,2", "1;;2", "1;x", "1;1_0"]),
    ({"type": "list", "itemType": "boolean"}, ["true,0", "true,maybe"]),
    ({"type": "list", "itemType": "number"}, ["1,2.5", "1,x", "1,NaN"]),
    ({"type": "list", "itemType": "date"}, ["2024-01-01,2024-01-02", "2024-01-01,x", "2024-1-1"]),
    ({"type": "list", "itemType": "datetime"}, ["2024-01-01T00:00:00Z", "2024-01-01"]),
    ({"type": "list", "itemType": "time"}, ["10:00:00,11:00:00", "10:00"]),
    ({"type": "list", "constraints": {"minLength": 2, "maxLength": 3}}, ["a", "a,b", "a,b,c,d"]),
    ({"type": "list", "constraints": {"enum": [["a"], ["a", "b"]]}}, ["a", "a,b", "b"]),
    ({"type": "geopoint"}, ["90.50, 45.50", "90.5,45.5", "-180,-90", "180.1,0", "0,90.1", "10", "10,20,30", "[10,20]", "a,b", "1_0,2"]),
    ({"type": "geopoint", "format": "array"}, ["[90.5, 45.5]", "[200, 0]", "[1]", "90.5,45.5", '{"lon": 1, "lat": 2}', '["1", 2]', "[true, 2]"]),
    ({"type": "geopoint", "format": "object"}, ['{"lon": 1, "lat": -2}', '{"lon": 1}', '{"lon": 1, "lat": 2, "z": 3}', '{"lat": 91, "lon": 0}', "[1, 2]", '{"lon": "1", "lat": 2}']),
    ({"type": "geopoint", "constraints": {"enum": ["1,2"]}}, ["1.0, 2", "2,1"]),
    ({"type": "geojson"}, ['{"type": "Point", "coordinates": [1, 2]}', '{"type": "Point"}', '{"type": "X"}', "[]", "x", '{"type": "Point", "coordinates": ["a", 2]}', '{"type": "LineString", "coordinates": [[1, 2]]}', f'{{"type": "Polygon", "coordinates": [{SQUARE}]}}', '{"type": "Polygon", "coordinates": [[[0,0],[1,0],[1,1],[0,1]]]}', f'{{"type": "MultiPolygon", "coordinates": [[{SQUARE}]]}}', '{"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2]}]}', '{"type": "Feature", "geometry": null, "properties": null}', '{"type": "Feature", "geometry": null}', '{"type": "Feature", "geometry": null, "properties": {}, "id": null}', '{"type": "FeatureCollection", "features": []}', '{"type": "FeatureCollection", "features": [1]}', '{"type": "Point", "coordinates": [1, 2, 3]}', '{"type": "Point", "coordinates": []}', '{"type": "Point", "coordinates": [1, 2], "bbox": [1]}', '{"type": "Point", "coordinates": [1, 2], "crs": 1}']),
    ({"type": "geojson", "format": "topojson"}, ['{"type": "Topology", "objects": {}, "arcs": []}', '{"type": "Topology", "objects": {"a": {"type": "LineString", "arcs": [0]}}, "arcs": [[[0, 0], [1, 1]]]}', '{"type": "Topology", "objects": {"a": {"type": "Polygon", "arcs": [0]}}, "arcs": []}', '{"type": "Topology", "objects": {}}', '{"type": "Point", "coordinates": [1, 2]}', '{"type": "Topology", "objects": {}, "arcs": [], "transform": 1}', "{}", '{"type": "Topology", "objects": {"a": {"type": null}}, "arcs": []}']),
]  # fmt: skip

_PEOPLE: dict[str, Any] = {
    "fields": [
        {"name": "a", "type": "string", "constraints": {"required": True}},
        {"name": "b", "type": "integer"},
        {"name": "c", "type": "string"},
    ]
}
_KEYED = {**_PEOPLE, "primaryKey": ["a"], "missingValues": ["", "NA"]}
_PAIRS = {**_KEYED, "primaryKey": ["a", "b"]}
_UNIQUE = {
    "fields": [
        {"name": "a", "type": "string"},
        {"name": "b", "type": "integer", "constraints": {"unique": True}},
        {"name": "c", "type": "number", "constraints": {"unique": True}},
    ]
}

_STAFF: dict[str, Any] = {
    "fields": [{"name": "id", "type": "integer"}, {"name": "boss", "type": "integer"}],
    "primaryKey": "id",
    "foreignKeys": [{"fields": "boss", "reference": {"resource": "", "fields": "id"}}],
}
_RATES: dict[str, Any] = {
    "fields": [{"name": name, "type": "string"} for name in "abcd"],
    "primaryKey": ["a", "b"],
    "foreignKeys": [{"fields": ["d", "c"], "reference": {"resource": "", "fields": ["b", "a"]}}],
}

# Whole files.
FILES: dict[str, tuple[dict[str, Any], bytes]] = {
    "ragged and blank rows": (_PEOPLE, b"a,b,c\n1,2,3\n\n,,\n1\n1,2\n1,2,3,4\n,,,4\n,\n , ,\nx,y,z\nx\n"),
    "blank rows at the end": (_PEOPLE, b"a,b,c\n1,2,3\n\n,,\n1,x,3\n\n,\n,,\n\n"),
    "rows of missing values": (_KEYED, b"a,b,c\nNA,NA,\nNA,1,\nNA\nNA,,,\nx,NA,\n"),
    "no missing values": ({**_PEOPLE, "missingValues": []}, b"a,b,c\n1,2,3\n\n,,\n1\nx,1,\n"),
    "no missing values, but a key": ({**_KEYED, "missingValues": ["NA"]}, b"a,b,c\n1,2,3\n\n,,\n1\nx,1,\n,1,\n"),
    "every error of a row": (_PEOPLE, b"a,b,c\n,x\n,x,y,z\n"),
    "a required cell that is not there": ({"fields": [{"name": "a"}, {"name": "b", "constraints": {"required": True}}]}, b"a,b\n1\n1,\n"),
    "one column": ({"fields": [{"name": "a"}]}, b'a\n1\n""\n\n2\n"\n"\n'),
    "quoted cells": (_PEOPLE, b'"a","b","c"\r\n"1","2","3"\r\n"","",""\r\n"","x","a ""b"", c\r\nd"\r\n1,2,3'),
    "carriage returns": (_PEOPLE, b"a,b,c\r1,2,3\r1,x,3\r"),
    "byte order mark": (_PEOPLE, b"\xef\xbb\xbfa,b,c\r\n1,2,3\r\n1,x,3\r\n"),
    "stray quotes": (_PEOPLE, b'a,b,c\n1,2,"x"y\n1,2,x"y"\n1,2,"x""y"\n,x,a"b"\n1,x,3\n'),
    "a NUL": (_PEOPLE, b"a,b,c\n1,2,\x00\n1,x,3\n"),
    "an open quote": (_PEOPLE, b'a,b,c\n1,2,"x\n1,x,3\n1,2,3,4\n'),
    "another encoding": (_PEOPLE, b"a,b,c\n1,x,3\n1,2,\xff\n"),
    "no rows": (_PEOPLE, b"a,b,c\n"),
    "no bytes": (_PEOPLE, b""),
    "no header": (_PEOPLE, b"\n1,x,3\n"),
    "blank labels": (_PEOPLE, b",,\n1,x,3\n"),
    "rows that name each other": (_STAFF, b"id,boss\n1,\n2,01\n3,4\n4,3\n5,5\n6,9\n7,8\n"),
    "rows that name rejected ones": (_STAFF, b"id,boss\n1,9\n2,1\n3,2\nx,3\n4,\n5,x\n,9\n6,4\n"),
    "keys of which a part is missing": (_RATES, b"a,b,c,d\n1,2,,\n3,4,1,2\n5,6,2,1\n7,8,1,\n9,0,,2\n"),
    "a key": (_KEYED, b"a,b,c\n1,2,3\n,2,3\n1,2,4\n ,1,1\nNA,1,1\n1,x,5\n2,1,1\n"),
    "a key of two fields": (_PAIRS, b"a,b,c\nNA,1,x\nNA,x,1\nx,,1\nx,1,1\nx,+1,1\nx,1,3\nx,2,3\nNA,NA,3\n"),
    "a key that is a number": ({"fields": [{"name": "n", "type": "number"}, {"name": "s"}], "primaryKey": "n"}, b"n,s\n1,a\n1.0,b\nx,c\n ,d\n,e\n"),
    "unique values": (_UNIQUE, b"a,b,c\n1,1,1\n1,2,1.0\n1,1,2\n1,3,\n1,4,\n2,1,1\n2,x,7\n2,8,7\n2,9,8\n"),
    "unique values and a key": ({**_UNIQUE, "primaryKey": "a"}, b"a,b,c\n1,1,1\n2,1,2\n1,2,3\n3,2,4\n"),
    "unique keys": ({**_PEOPLE, "uniqueKeys": [["a", "b"], ["c"]]}, b"a,b,c\n1,1,1\n1,01,2\n1,,3\n1,,4\n2,1,1\n2,2,\n2,3,\n"),
}  # fmt: skip

HEADERS = [
    "a,b,c", " a,b ,c", "a,c,b", "c,b,a", "a,b", "b,c", "a,b,c,d", "a,b,c,", "a,,c", "a, ,c", "a,a,c", "a,b,c,c", "a,b,c,d,d",
    "a,b,,", "x,y,z", "A,b,c", "x,a", ",a",
]  # fmt: skip


def tables() -> dict[str, Table]:
    """Every case by a name that says what it is."""
    found = {
        f"{number} {field}": Table.of(
            {"fields": [{"name": "row"}, {"name": "cell", **field}]},
            [[str(row), cell] for row, cell in enumerate(cells)],
        )
        for number, (field, cells) in enumerate(CELLS)
    }
    found |= {name: Table(schema, data) for name, (schema, data) in FILES.items()}
    for how in ("exact", "equal", "subset", "superset", "partial"):
        for header in HEADERS:
            data = f"{header}\n1,2,3\n1,x,3\n".encode()
            found[f"{how} {header}"] = Table({**_PEOPLE, "fieldsMatch": how}, data)
    return found
