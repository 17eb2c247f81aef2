"""Fields that the labels of a file may mean, where these are no names of fields: proposed by likeness, with reasons.

A proposal is made only where nothing else is as likely: what is ambiguous, or only resembles a name, is a choice.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import NamedTuple
from unicodedata import combining, normalize

from .header import REJECTS_LABELS, likely_match
from .schema import Schema

SHOWN_CHOICES = 5
#: Pairs of labels and spellings that are compared letter by letter; files with more are compared as a whole only.
_MOST_PAIRS = 10_000
_LEAST_LETTERS = 4
_NEARLY = 0.8
_SURE = 2


@dataclass(frozen=True)
class Choice:
    """A field, and why a label may mean it."""

    field: str
    why: str


@dataclass(frozen=True)
class Proposal:
    """What one label means.

    Attributes:
        field: None where no field is like it, or several are.
        is_known: an import takes the label so by itself; else its `columns` have to say it.
        choices: fields that it may mean, likeliest first; without `field`.
    """

    field: str | None = None
    is_known: bool = False
    why: str | None = None
    choices: list[Choice] = dataclasses.field(default_factory=list)


class _Spelling(NamedTuple):
    """A text that means a field, in the forms that are compared."""

    field: str
    text: str
    kind: str
    letters: str
    words: tuple[str, ...]


class _Likeness(NamedTuple):
    strength: int
    field: str
    why: str


def propose_columns(schema: Schema, labels: Sequence[str], remembered: Mapping[str, str]) -> list[Proposal]:
    """A proposal for each label.

    Args:
        remembered: header names of earlier files, and their fields.
    """
    known = {column.position: column.field.name for column in likely_match(schema, labels, remembered).columns}
    taken = set(known.values())
    spellings = [each for each in _spellings(schema, remembered) if each.field not in taken]
    open_ = [
        position
        for position, label in enumerate(labels)
        if position not in known and label not in REJECTS_LABELS and label.strip()
    ]
    find = _all(spellings) if len(open_) * len(spellings) <= _MOST_PAIRS else _equal(spellings)
    alike = {position: _alike(labels[position], find) for position in open_}
    sure = _sure(alike)
    told = {found.field for found in sure.values()}
    proposals = []
    for position in range(len(labels)):
        if position in known:
            proposals.append(Proposal(known[position], is_known=True))
            continue
        one = sure.get(position)
        others = [each for each in alike.get(position, ()) if each.field not in told]
        choices = [Choice(each.field, each.why) for each in others[:SHOWN_CHOICES]]
        proposals.append(Proposal(one.field, why=one.why, choices=choices) if one else Proposal(choices=choices))
    return proposals


def _sure(alike: Mapping[int, Sequence[_Likeness]]) -> dict[int, _Likeness]:
    """Of each position what is as good as told: no other field is as like its label, and no other label is as like the
    field."""
    best: dict[int, _Likeness] = {}
    for position, found in alike.items():
        if found and found[0].strength >= _SURE and all(each.strength < found[0].strength for each in found[1:]):
            best[position] = found[0]
    sure = {}
    for position, one in best.items():
        rivals = (each for other, found in alike.items() if other != position for each in found)
        if all(each.strength < one.strength for each in rivals if each.field == one.field):
            sure[position] = one
    return sure


def _spellings(schema: Schema, remembered: Mapping[str, str]) -> list[_Spelling]:
    texts = [(each.name, each.name, "the field") for each in schema.fields]
    titles = ((each.name, each.document.get("title")) for each in schema.fields)
    texts += [(name, title, "the title") for name, title in titles if isinstance(title, str)]
    texts += [(name, text, "the remembered header") for text, name in remembered.items()]
    return [_Spelling(name, text, kind, _letters(text), _words(text)) for name, text, kind in texts]


_Find = Callable[[str, tuple[str, ...]], Iterable[_Spelling]]
"""The spellings that the letters and words of a label are compared with."""


def _all(spellings: Sequence[_Spelling]) -> _Find:
    return lambda letters, words: spellings


def _equal(spellings: Sequence[_Spelling]) -> _Find:
    """Only spellings of the same letters, or the same words."""
    by_form: defaultdict[str | tuple[str, ...], list[_Spelling]] = defaultdict(list)
    for each in spellings:
        by_form[each.letters].append(each)
        by_form[tuple(sorted(each.words))].append(each)
    return lambda letters, words: [*by_form.get(letters, ()), *by_form.get(tuple(sorted(words)), ())]


def _alike(label: str, find: _Find) -> list[_Likeness]:
    """The fields that a label is like, each once, likeliest first."""
    letters, words = _letters(label), _words(label)
    found: dict[str, _Likeness] = {}
    for each in find(letters, words):
        likeness = _likeness(letters, words, each)
        if likeness is not None and likeness.strength > found.get(each.field, _Likeness(0, "", "")).strength:
            found[each.field] = likeness
    return sorted(found.values(), key=lambda each: -each.strength)


def _likeness(letters: str, words: tuple[str, ...], other: _Spelling) -> _Likeness | None:
    name = f'{other.kind} "{other.text}"'
    if letters and letters == other.letters:
        return _Likeness(3, other.field, f"is {name} but for case, accents and signs")
    if len(words) > 1 and sorted(words) == sorted(other.words):
        return _Likeness(2, other.field, f"has the words of {name} in another order")
    if not words or not other.words:
        return None
    if set(words) > set(other.words) or set(words) < set(other.words):
        return _Likeness(1, other.field, f"shares words with {name}")
    if min(len(letters), len(other.letters)) >= _LEAST_LETTERS and _is_nearly(letters, other.letters):
        return _Likeness(1, other.field, f"is spelt nearly as {name}")
    return None


def _is_nearly(one: str, other: str) -> bool:
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.real_quick_ratio() >= _NEARLY and matcher.quick_ratio() >= _NEARLY and matcher.ratio() >= _NEARLY


def _words(text: str) -> tuple[str, ...]:
    """`firstName`, `First name` and `first_name` have the same words; accents do not count."""
    plain = "".join(char for char in normalize("NFKD", text) if not combining(char))
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", plain)
    return tuple(word.casefold() for word in re.split(r"[\W_]+", parted) if word)


def _letters(text: str) -> str:
    return "".join(_words(text))
