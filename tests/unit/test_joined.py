"""Joined texts are a sequence like any other."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from waybill.joined import JoinedTexts, join


@given(
    st.lists(st.binary(max_size=5).map(lambda text: text.replace(b",", b"")), max_size=9),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_joined_texts_are_a_sequence_whose_parts_join_at_once(texts: list[bytes], start: int, stop: int) -> None:
    ends = array("I")
    for text in texts:
        ends.append((ends[-1] if ends else 0) + len(text) + 1)
    joined = JoinedTexts(b"".join(text + b"," for text in texts), ends)
    assert list(joined) == texts
    part = joined[start:stop]
    assert list(part) == texts[start:stop] and list(part[1:]) == texts[start:stop][1:]
    assert join(part) == join(texts[start:stop]) == b",".join(texts[start:stop])
