"""JSON in every form: lines, sequences, arrays, and arrays in a member, cut into records without holding the file."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waybill.errors import JobFailed
from waybill.tabular.jsontext import JsonForm, json_form, json_records

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a"\\{}[],é\u2028\n'), max_size=6),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.text(st.sampled_from('ab"]}'), max_size=3), children, max_size=3)
    ),
    max_leaves=6,
)
objects = st.lists(st.dictionaries(st.sampled_from("abc"), values, max_size=3), max_size=5)


class Pieces:
    """A stream that gives a few bytes a read."""

    def __init__(self, data: bytes, size: int) -> None:
        self._stream, self._size = io.BytesIO(data), size

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(self._size)


def records(data: bytes, form: JsonForm, member: str | None = None, size: int = 1 << 20, **more: Any) -> list[str]:
    found = list(json_records(Pieces(data, size), form, "utf-8", member, **more))
    assert [number for number, _ in found] == list(range(1, len(found) + 1))
    return [text for _, text in found]


@given(objects, st.sampled_from([None, 1, 3]), st.booleans(), st.integers(1, 9))
def test_the_items_of_an_array_are_its_items(items: list[Any], indent: int | None, ascii: bool, size: int) -> None:
    data = json.dumps(items, indent=indent, ensure_ascii=ascii).encode()
    assert [json.loads(text) for text in records(data, "array", size=size)] == items


@given(objects, values, values, st.sampled_from([None, 2]), st.integers(1, 9))
def test_the_items_of_an_array_in_a_member_are_its_items(
    items: list[Any], before: Any, behind: Any, indent: int | None, size: int
) -> None:
    data = json.dumps({"x": before, "rows": items, "y": behind}, indent=indent).encode()
    assert [json.loads(text) for text in records(data, "array", "rows", size)] == items
    data = json.dumps({"x": before, "data": {"z": before, "rows": items}, "y": behind}, indent=indent).encode()
    assert [json.loads(text) for text in records(data, "array", "data.rows", size)] == items
    data = json.dumps({"data.rows": items}, indent=indent).encode()
    assert [json.loads(text) for text in records(data, "array", "data.rows", size)] == items


@given(objects, st.sampled_from([None, 1]), st.integers(1, 9))
def test_the_records_of_a_sequence_stand_behind_separators(items: list[Any], indent: int | None, size: int) -> None:
    data = "".join(f"\x1e{json.dumps(item, indent=indent)}\n" for item in items).encode()
    assert [json.loads(text) for text in records(data, "sequence", size=size)] == items


def test_a_record_that_was_cut_off_ends_at_the_next_separator() -> None:
    assert records(b'\x1e{"a":1\x1e\x1e{"a":2}\n', "sequence") == ['{"a":1', '{"a":2}']


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('[{"a":1,"a":2},{"a":}, 5 ,"x,]",[1,{"b":2}]]', ['{"a":1,"a":2}', '{"a":}', "5", '"x,]"', '[1,{"b":2}]']),
        ('[{"a":1] ,{"b":2}]', ['{"a":1]', '{"b":2}']),
        ("[]", []),
        (" [ ] ", []),
    ],
)
def test_what_is_no_row_is_cut_out_like_one(text: str, items: list[str]) -> None:
    assert records(text.encode(), "array") == items


@pytest.mark.parametrize(
    ("text", "member", "row"),
    [
        ('[{"a":1}', None, None),
        ('[{"a":1},{"b":"x', None, None),
        ('[{"a":1}] x', None, None),
        ("[1}]", None, 1),
        ('{"rows":[{"a":1}]', "rows", None),
        ('{"rows":[{"a":1}],"x":', "rows", None),
        ('{"rows":{"a":1}}', "rows", None),
        ('{"other":[1]}', "rows", None),
        ('{"a":{"x":1}}', "a.rows", None),
        ('{"a" 1}', "rows", None),
    ],
)
def test_a_text_that_is_not_whole_is_refused(text: str, member: str | None, row: int | None) -> None:
    with pytest.raises(JobFailed) as caught:
        records(text.encode(), "array", member, 3)
    assert (caught.value.job_code, caught.value.row_number) == ("format-error", row)


def test_the_beginning_of_a_text_has_the_records_that_are_whole() -> None:
    assert records(b'[{"a":1},{"a":2},{"a"', "array", is_cut=True) == ['{"a":1}', '{"a":2}']
    assert records(b'{"n":"x","rows":[{"a":1},', "array", "rows", is_cut=True) == ['{"a":1}']
    assert records(b'\x1e{"a":1}\n\x1e{"a"', "sequence", is_cut=True) == ['{"a":1}']


def test_a_large_array_is_not_held_in_memory() -> None:
    item = json.dumps({"a": "x" * 1000, "b": [{"c": 1}]}).encode()
    reads = 0

    class Endless:
        def read(self, size: int = -1, /) -> bytes:
            nonlocal reads
            reads += 1
            return b"[" + item if reads == 1 else b"," + item

    found = json_records(Endless(), "array", "utf-8")
    for number in range(1, 501):
        assert next(found)[0] == number
    assert reads < 510


@pytest.mark.parametrize(
    ("head", "is_whole", "name", "expected"),
    [
        ('{"a":1}\n{"a":2}\n', True, "x.csv", "lines"),
        ("\n  [1, 2]\n", True, "x", "lines"),
        ('{"a":1}', True, "x", "lines"),
        ("{a},b\n1,2\n", True, "x.csv", None),
        ("[a],b\n1,2\n", True, "x", None),
        ("[a],b\n1,2\n", True, "x.jsonl.gz", "lines"),
        ("{\n", True, "x.json", "lines"),
        ('{"a": "' + "x" * 100, False, "x", "lines"),
        ('"a","b"\n', True, "x.jsonl", None),
        ("id,name\n", True, "x.jsonl", None),
        ('{"a":"x\n{"a":2}\n', True, "x.csv", "lines"),
        ('[{"a":1},{"a":2}]', True, "x.csv", "array"),
        ('[\n  {"a": 1},\n  {"a": 2}\n]\n', True, "x.csv", "array"),
        ("[[1,2],\n[3,4]]", True, "x.json", "array"),
        ('[{"a": "' + "x" * 100, False, "x", "array"),
        ("[]", True, "x", "array"),
        ('["a", 1]\n["b", 2]\n', True, "x", "lines"),
        ('\x1e{"a":1}\n', True, "x", "sequence"),
        ("\x1e1,2\n", True, "x", None),
    ],
)
def test_the_form_of_json_is_told_by_its_beginning(
    head: str, is_whole: bool, name: str, expected: JsonForm | None
) -> None:
    assert json_form(head, is_whole, name) == expected


def test_a_declared_member_has_the_array() -> None:
    assert json_form('{"rows": [', True, "x", "rows") == "array"
