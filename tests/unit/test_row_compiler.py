"""Rows become requests or errors, and the requests are what DynamoDB stores."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waybill.entities.header import match_header
from waybill.entities.row_compiler import RowCompiler, key_text
from waybill.entities.row_results import RowBlock, RowError
from waybill.entities.schema import parse_schema


def compiler(document: dict[str, Any], **more: Any) -> RowCompiler:
    schema = parse_schema(document)
    labels = [descriptor["name"] for descriptor in document["fields"]]
    return RowCompiler(schema, match_header(schema, labels), **more)


def compiled(subject: RowCompiler, rows: list[list[str]], **more: Any) -> RowBlock:
    return subject.compile(list(zip(*rows, strict=True)), range(len(rows)), **more)


def errors(block: RowBlock) -> list[RowError]:
    return [error for row in sorted(block.errors) for error in block.errors[row]]


CONTACTS: dict[str, Any] = {
    "fields": [
        {"name": "id", "type": "string", "constraints": {"required": True}},
        {"name": "_age", "type": "integer"},
        {"name": "vip", "type": "boolean", "constraints": {"required": True}},
        {"name": "100%", "type": "string"},
    ],
    "primaryKey": "id",
}
STAMPS = {"_at": '{"N":"17"}', "_by": '{"S":"job"}'}


def items(block: RowBlock) -> list[dict[str, Any]]:
    return [json.loads(text)["PutRequest"]["Item"] for text in block.texts]


def test_a_row_becomes_a_put_request() -> None:
    block = compiled(compiler(CONTACTS), [['a"1', "07", "true", "x"]], partition="uid", stamps=STAMPS)
    (item,) = items(block)
    assert item.pop("_pk")["S"] == f"uid#{block.digests[0] % 64:02x}"
    assert item == {
        "_sk": {"S": 'a"1'},
        "_at": {"N": "17"},
        "_by": {"S": "job"},
        "id": {"S": 'a"1'},
        "__age": {"N": "7"},
        "vip": {"BOOL": True},
        "100%": {"S": "x"},
    }
    assert block.keys == ['a"1']


def test_nulls_are_absent_and_bad_rows_do_not_shift_the_good_ones() -> None:
    rows = [["a", "", "true", ""], ["b", "x", "maybe", "q"], ["c", "3", "true", ""], ["", "4", "", "z"]]
    block = compiled(compiler(CONTACTS), rows, partition="u")
    assert [sorted(item.keys() - {"_pk", "_sk"}) for item in items(block)] == [["id", "vip"], ["__age", "id", "vip"]]
    assert list(block.rows) == [0, 2]
    assert block.keys == ["a", "c"]
    assert [
        (error.row_number, error.field_number, error.field_name, error.type, error.cell) for error in errors(block)
    ] == [
        (1, 2, "_age", "type-error", "x"),
        (1, 3, "vip", "type-error", "maybe"),
        (3, 1, "id", "missing-key", ""),
        (3, 3, "vip", "constraint-error", ""),
    ]


def test_cleaned_cells_make_keys_and_values_while_errors_show_the_cell_as_it_stood() -> None:
    schema = {
        "fields": [
            {"name": "id", "clean": ["trim", "upper"]},
            {"name": "n", "type": "integer", "clean": ["trim"], "default": "0", "constraints": {"unique": True}},
        ],
        "primaryKey": "id",
    }
    rows = [[" a", "1"], ["A ", " 1 "], ["b", " x "], ["  ", "2"], [" ", ""], ["c", ""]]
    block = compiled(compiler(schema), rows, partition="u")
    assert [(item["_sk"]["S"], item["n"]["N"]) for item in items(block)] == [("A", "1"), ("A", "1"), ("C", "0")]
    assert block.digests[0] == block.digests[1] and block.unique[0][0] == block.unique[0][1]
    assert [(error.row_number, error.type, error.cell) for error in errors(block)] == [
        (2, "type-error", " x "),
        (3, "missing-key", "  "),
        (4, "blank-row", None),
    ]


def test_rows_and_errors_have_the_numbers_of_the_file() -> None:
    columns = [["a", "b", "c", ""], ["", "x", "3", ""], ["true"] * 3 + [""], [""] * 4]
    block = compiler(CONTACTS).compile(columns, [7, 9, 12, 13])
    assert list(block.rows) == [7, 12]
    assert {row: [error[:2] for error in found] for row, found in block.errors.items()} == {
        9: [(9, 2)],
        13: [(13, None)],
    }


def test_a_row_of_missing_values_is_blank() -> None:
    schema = parse_schema(
        {"fields": [{"name": "k"}, {"name": "n", "type": "integer"}], "primaryKey": "k", "missingValues": ["", "NA"],
         "fieldsMatch": "subset"}
    )  # fmt: skip
    rows = [["NA", "", ""], ["k", "NA", ""], ["NA", "NA", "note"], ["", "1", ""]]
    for labels, mode in [(["k", "n", "x"], "put"), (["k", "n", "_reason"], "put"), (["k", "n", "x"], "delete")]:
        found = compiled(RowCompiler(schema, match_header(schema, labels), shape=mode), rows)  # type: ignore[arg-type]
        types = {error.row_number: (error.field_number, error.type) for error in errors(found)}
        blank = {"x": [0], "_reason": [0, 2]}[labels[2]] if mode == "put" else []
        assert types == {row: (None, "blank-row") if row in blank else (1, "missing-key") for row in (0, 2, 3)}


def test_field_numbers_are_those_of_the_file() -> None:
    schema = parse_schema({**CONTACTS, "fieldsMatch": "subset"})
    match = match_header(schema, ["x", "_row", "vip", "id", "100%", "_age"])
    block = compiled(RowCompiler(schema, match), [["?", "2", "true", "k", "", "old"]])
    assert [(error.field_number, error.field_name) for error in errors(block)] == [(6, "_age")]


@pytest.mark.parametrize(
    ("key", "text"),
    [(["a"], "a"), (["a|b"], "a|b"), (["a|b", "c"], "a\\|b|c"), (["a", "b\\"], "a|b\\\\"), (["1", "2"], "1|2")],
)
def test_key_texts(key: list[str], text: str) -> None:
    names = [f"k{number}" for number in range(len(key))]
    block = compiled(compiler({"fields": [{"name": name} for name in names], "primaryKey": names}), [key, key])
    assert block.keys == [text, text]
    assert key_text(key) == text


@settings(deadline=None)
@given(st.lists(st.lists(st.text(alphabet="a|\\", min_size=1, max_size=3), min_size=2, max_size=2), min_size=1))
def test_composite_keys_never_collide(rows: list[list[str]]) -> None:
    block = compiled(compiler({"fields": [{"name": "a"}, {"name": "b"}], "primaryKey": ["a", "b"]}), rows)
    assert len(set(block.keys)) == len({tuple(row) for row in rows})


def test_equal_values_have_one_key_in_any_spelling() -> None:
    def keys(kind: str, *cells: str) -> set[str]:
        document = {"fields": [{"name": "k", "type": kind}], "primaryKey": "k"}
        return set(compiled(compiler(document), [[cell] for cell in cells]).keys)

    assert keys("integer", "7", "+07") == {"7"}
    assert keys("number", "7.50", "7.5", "75e-1") == {"7.5"}
    assert keys("datetime", "2024-01-26T20:00:00Z", "2024-01-26T15:00:00.0-05:00") == {"2024-01-26T20:00:00Z"}
    assert keys("string", "7", "07") == {"7", "07"}


@pytest.mark.parametrize("cell", ["", " ", "\t", "\u3000"])
@pytest.mark.parametrize("kind", ["string", "integer", "date"])
def test_a_blank_key_is_a_missing_key(kind: str, cell: str) -> None:
    document = {
        "fields": [{"name": "k", "type": kind}, {"name": "a"}], "primaryKey": "k", "missingValues": ["NA"],
    }  # fmt: skip
    good = {"string": "x", "integer": "1", "date": "2024-01-01"}[kind]
    block = compiled(compiler(document), [[good, "a"], [cell, "b"], ["NA", "c"]])
    assert [(error.row_number, error.type) for error in errors(block)] == [(1, "missing-key"), (2, "missing-key")]


def test_keys_over_1024_bytes_are_refused() -> None:
    block = compiled(
        compiler(CONTACTS), [["a", "", "true", ""], ["ä" * 513, "", "true", ""], ["ä" * 512, "", "true", ""]]
    )
    assert list(block.rows) == [0, 2]
    assert [(error.row_number, error.field_number, error.type) for error in errors(block)] == [
        (1, 1, "record-too-large")
    ]
    assert "1,026 bytes" in errors(block)[0].message


def test_records_over_400_kb_are_refused_by_bytes_not_characters() -> None:
    rows = [["a", "", "true", "x" * 409_000], ["b", "", "true", "x" * 410_000], ["c", "", "true", "ä" * 205_000]]
    subject = compiler(CONTACTS)
    block = compiled(subject, rows, partition="u", stamps=STAMPS)
    assert list(block.rows) == [0]
    assert [(error.row_number, error.field_number, error.type) for error in errors(block)] == [
        (1, None, "record-too-large"),
        (2, None, "record-too-large"),
    ]
    assert len(block.texts) == len(block.keys) == len(block.digests) == 1


def test_rows_without_a_primary_key_take_the_given_keys() -> None:
    subject = compiler({"fields": [{"name": "a", "type": "integer"}]})
    block = compiled(subject, [["1"], ["x"], ["3"]], partition="u", keys=["job-1", "job-2", "job-3"])
    assert [item["_sk"]["S"] for item in items(block)] == block.keys == ["job-1", "job-3"]


def test_unique_values_are_exposed_with_nulls_left_out() -> None:
    document = {
        "fields": [{"name": "id"}, {"name": "mail", "constraints": {"unique": True}}, {"name": "n", "type": "number"}],
        "primaryKey": "id",
        "uniqueKeys": [["mail", "n"]],
    }
    subject = compiler(document)
    block = compiled(subject, [["1", "a", "1"], ["2", "a", "1.0"], ["3", "", "1"], ["4", "a", "x"], ["5", "b", ""]])
    mails, pairs = block.unique
    assert subject.unique_sets == (("mail",), ("mail", "n"))
    assert mails[0] == mails[1] and mails[2] is None and mails[3] not in (None, mails[0])
    assert pairs[0] == pairs[1] and pairs[2] is None and pairs[3] is None


def test_a_target_table_gets_its_own_keys_and_names() -> None:
    subject = compiler(CONTACTS, own_table=False)
    block = compiled(subject, [["a", "", "true", ""], ["b", "1", "true", "x"]], stamps={"modified_at": '{"N":"1"}'})
    assert items(block) == [
        {"id": {"S": "a"}, "vip": {"BOOL": True}, "modified_at": {"N": "1"}},
        {"id": {"S": "b"}, "_age": {"N": "1"}, "vip": {"BOOL": True}, "100%": {"S": "x"}, "modified_at": {"N": "1"}},
    ]
    assert [list(item) for item in items(compiled(subject, [["a", "", "true", ""]]))] == [["id", "vip"]]


def test_delete_reads_the_key_only() -> None:
    block = compiled(
        compiler(CONTACTS, shape="delete"),
        [["a", "bad", "bad", ""], ["", "", "", ""]],
        partition="u",
        before='{"Key":{',
        after="}}",
    )
    assert [json.loads(text)["Key"]["_sk"] for text in block.texts] == [{"S": "a"}]
    assert [error.type for error in errors(block)] == ["missing-key"]
    own = compiled(compiler(CONTACTS, shape="delete", own_table=False), [["a", "", "", ""]], before="{", after="}")
    assert [json.loads(text) for text in own.texts] == [{"id": {"S": "a"}}]


def test_update_sets_what_the_file_has_and_removes_its_nulls() -> None:
    schema = parse_schema(CONTACTS)
    match = match_header(schema, ["100%", "id", "_age"], required="key")
    block = compiled(
        RowCompiler(schema, match, shape="update"),
        [["x", "a", ""]],
        partition="u",
        stamps={"_at": '{"N":"1"}'},
        before="{",
        after="}",
    )
    request = json.loads(block.texts[0])
    names = request["ExpressionAttributeNames"]
    assert request["Key"]["_sk"] == {"S": "a"}
    assert request["ConditionExpression"] == "attribute_exists(#k) AND attribute_not_exists(#gone)"
    assert (names["#k"], names["#gone"]) == ("_pk", "_gone")
    sets, removes = request["UpdateExpression"].removeprefix("SET ").split(" REMOVE ")
    values = {
        names[part.split("=")[0]]: request["ExpressionAttributeValues"][part.split("=")[1]] for part in sets.split(",")
    }
    assert values == {"_at": {"N": "1"}, "100%": {"S": "x"}, "id": {"S": "a"}}
    assert [names[name] for name in removes.split(",")] == ["__age"]


@pytest.mark.parametrize("own_table", [True, False])
def test_merge_makes_a_record_and_can_leave_fields_as_they_stand(own_table: bool) -> None:
    """Over a tombstone too; names that no expression uses would be refused."""
    schema = parse_schema(CONTACTS)
    match = match_header(schema, ["100%", "id", "_age"], required="key")
    merge = RowCompiler(schema, match, shape="update", creates=True, keeps_blanks=True, own_table=own_table)
    rows = [["", "a", ""], ["", "b", "7"]]
    block = compiled(merge, rows, partition="u", before="{", after="}")
    *empty, full = (json.loads(text) for text in block.texts)
    if own_table:
        assert (empty[0]["UpdateExpression"], empty[0]["Key"]["_sk"]) == ("SET #B=:B REMOVE #gone", {"S": "a"})
        assert empty[0]["ExpressionAttributeNames"] == {"#gone": "_gone", "#B": "id"}
        assert full["UpdateExpression"] == "SET #B=:B,#C=:C REMOVE #gone"
    else:
        assert [error.type for error in errors(block)] == ["constraint-error"], "it would make no item"
        assert full["ExpressionAttributeNames"] == {"#B": "_age"}
    assert "ConditionExpression" not in full


@pytest.mark.parametrize("own_table", [True, False])
@pytest.mark.parametrize(("creates", "expected"), [(True, "#B=if_not_exists(#B,:B),#C=:C"), (False, "#C=:C")])
def test_where_blanks_are_kept_a_default_replaces_no_value(own_table: bool, creates: bool, expected: str) -> None:
    """Of a key it is the value; a bad row before does not move it."""
    fields = [
        {"name": "id", "type": "string", "default": "none"},
        {"name": "grade", "type": "string", "default": "D", "constraints": {"required": True}},
        {"name": "n", "type": "integer"},
    ]
    schema = parse_schema({"fields": fields, "primaryKey": ["id"]})
    match = match_header(schema, ["id", "grade", "n"], required="key")
    subject = RowCompiler(schema, match, shape="update", creates=creates, keeps_blanks=True, own_table=own_table)
    rows = [["a", "", "x"], ["b", "", "1"], ["c", "A", "2"], ["", "B", "3"]]
    block = compiled(subject, rows, partition="u", before="{", after="}")
    blank, given, keyless = [json.loads(text) for text in block.texts]
    short = str.maketrans({} if own_table else {"B": "A", "C": "B"})
    sets = [request["UpdateExpression"].removeprefix("SET ").split(" REMOVE")[0] for request in (blank, given)]
    key = "#A=:A," if own_table else ""
    assert sets == [key + expected.translate(short), key + "#B=:B,#C=:C".translate(short)]
    assert (":B".translate(short) in blank["ExpressionAttributeValues"]) is creates
    assert {"S": "none"} in keyless["Key"].values()
    clears = RowCompiler(schema, match, shape="update", creates=creates, own_table=own_table)
    request = json.loads(compiled(clears, rows[1:2], partition="u", before="{", after="}").texts[0])
    assert {"S": "D"} in request["ExpressionAttributeValues"].values()


def test_an_update_of_many_defaults_is_measured() -> None:
    names = [f"f{number}" for number in range(200)]
    fields = [{"name": "id", "type": "string"}, *({"name": name, "default": "D"} for name in names)]
    schema = parse_schema({"fields": fields, "primaryKey": ["id"]})
    match = match_header(schema, ["id", *names], required="key")
    subject = RowCompiler(schema, match, shape="update", creates=True, keeps_blanks=True)
    block = compiled(subject, [["a", *[""] * 199, "x"]], partition="u", before="{", after="}")
    assert [error.type for error in errors(block)] == ["record-too-large"]


def test_an_update_of_more_fields_than_an_expression_holds_is_an_error_of_its_row() -> None:
    """DynamoDB refuses expressions of more than 4,096 bytes; emulators take them. One that is removed takes half."""
    names = [f"f{number}" for number in range(1_000)]
    schema = parse_schema(
        {"fields": [{"name": "id", "type": "string"}, *({"name": n} for n in names)], "primaryKey": ["id"]}
    )
    merge = RowCompiler(schema, match_header(schema, ["id", *names], required="key"), shape="update", creates=True)
    stamps = {"_at": '{"N":"1"}', "_by": '{"S":"j"}'}
    rows = [["a", *["1"] * 1_000], ["b", *["1"] * 500, *[""] * 500], ["c", *["1"] * 2, *[""] * 998]]
    rows += [["d", *["1"] * 490, *[""] * 10]]
    few = RowCompiler(schema, match_header(schema, ["id", *names[:500]], required="key"), shape="update", creates=True)
    block = compiled(merge, rows[:3], partition="u", stamps=stamps, before="{", after="}")
    fits = compiled(few, [row[:501] for row in rows[3:]], partition="u", stamps=stamps, before="{", after="}")
    assert [(error.row_number, error.type) for error in errors(block)] == [
        (0, "record-too-large"),
        (1, "record-too-large"),
    ]
    assert "1,001 fields" in errors(block)[0].message
    (request,) = map(json.loads, fits.texts)
    assert len(request["UpdateExpression"]) <= 4_096
    assert (
        len(set(request["ExpressionAttributeNames"])) == len(set(request["ExpressionAttributeNames"].values())) == 504
    )
    given = request["ExpressionAttributeValues"]
    assert len(given) == 493 and request["UpdateExpression"].count("=") == 493


def test_without_rows_the_block_is_empty() -> None:
    block = compiled(compiler(CONTACTS), [])
    assert (list(block.rows), list(block.texts), block.errors) == ([], [], {})
