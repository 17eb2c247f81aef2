"""What an UpdateItem says besides its key and its values: conditions, and which fields are set and removed.

It depends on which columns of a row have no value, so that most rows of a file say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from json.encoder import encode_basestring as quote

#: What a row has for a column: a value; none; none, and a default for records that are made.
VALUE, ABSENT, DEFAULT = range(3)
_FIRST = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_REST = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_REMEMBERED = 1_000


class Updates:
    """The updates of one file.

    Args:
        attributes: of the columns that are written.
        key_attribute: one that every record has.
        own_table: Waybill's records table, where a tombstone is no record.
        creates: an update makes the record where there is none; else it is conditional on the record.
        keeps_blanks: a missing value leaves the field as it stands; else it removes the field.
    """

    def __init__(
        self, attributes: Sequence[str], key_attribute: str, *, own_table: bool, creates: bool, keeps_blanks: bool
    ) -> None:
        self.keeps_blanks, self.creates = keeps_blanks, creates
        self.shorts = [_short(number) for number in range(len(attributes))]
        self._fields = [
            f"{quote(f'#{short}')}:{quote(name)}" for short, name in zip(self.shorts, attributes, strict=True)
        ]
        names, conditions, self._always_removed = dict[str, str](), list[str](), list[str]()
        if not creates:
            names["#k"] = key_attribute
            conditions.append("attribute_exists(#k)")
        if own_table:  # a tombstone is no record, and has no fields: one can take its place
            names["#gone"] = "_gone"
            if creates:
                self._always_removed.append("#gone")
            else:
                conditions.append("attribute_not_exists(#gone)")
        self._names = names
        self._condition = f',"ConditionExpression":"{" AND ".join(conditions)}"' if conditions else ""
        self._texts: dict[tuple[tuple[str, ...], bytes], str] = {}

    def text(self, stamps: tuple[str, ...], absent: bytes) -> str:
        """The members of the request after its values, each with a comma before it.

        Args:
            stamps: attributes that are set in every record, to the values `:s0`, `:s1` and so on.
            absent: a byte for each of the attributes: `VALUE`, that of its short name, `ABSENT` or `DEFAULT`.
        """
        found = self._texts.get((stamps, absent))
        if found is None:
            if len(self._texts) >= _REMEMBERED:
                self._texts.clear()
            found = self._texts[stamps, absent] = self._text(stamps, absent)
        return found

    def _text(self, stamps: tuple[str, ...], absent: bytes) -> str:
        sets = [f"#s{number}=:s{number}" for number in range(len(stamps))]
        removes = self._always_removed.copy()
        names = self._names | {f"#s{number}": name for number, name in enumerate(stamps)}
        used = [f"{quote(short)}:{quote(name)}" for short, name in names.items()]
        for short, field, holds in zip(self.shorts, self._fields, absent, strict=True):
            if holds == VALUE:
                sets.append(f"#{short}=:{short}")
            elif holds == DEFAULT:
                sets.append(f"#{short}=if_not_exists(#{short},:{short})")
            elif self.keeps_blanks:
                continue
            else:
                removes.append(f"#{short}")
            used.append(field)
        parts = [f"{verb} {','.join(what)}" for verb, what in (("SET", sets), ("REMOVE", removes)) if what]
        update = f',"UpdateExpression":"{" ".join(parts)}"' if parts else ""
        # DynamoDB refuses a name that no expression uses, and an empty list of names.
        named = f',"ExpressionAttributeNames":{{{",".join(used)}}}' if used else ""
        return f"{self._condition}{update}{named}"


def _short(number: int) -> str:
    """The name of a field in an update's expression: A, B, … Z, AA, …, as short as can be. The other names begin with a
    small letter."""
    name = ""
    while number >= len(_FIRST):
        number, digit = divmod(number - len(_FIRST), len(_REST))
        name = _REST[digit] + name
    return _FIRST[number] + name
