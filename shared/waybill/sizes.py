"""How large things may be that users give, how many of them there may be, and what Waybill answers.

DynamoDB takes items of 400 KB (409,600 bytes). Documents are stored in items as JSON text: an entity, and in the
snapshot of a job the entity with the export. Options are stored in the job, and again in its outbox entry. Whatever
could not be stored later is refused at the door, with its size and the limit (`check_size`). Text is stored as it is:
escaped, a letter of Cyrillic takes three times its bytes.

Lambda refuses an answer of more than 6,291,556 bytes, and the caller gets a 500. A list therefore ends its page by
bytes as well as by count: whoever fills a page asks `PageBytes` before each item.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from waybill.errors import TooLarge

#: Of an entity as JSON. With an export and what else a snapshot has, it fits into an item.
MAX_ENTITY_BYTES = 256 * 1024
#: Header names of files that importers may add to those of an entity, and the characters of one.
MAX_REMEMBERED, MAX_HEADER_CHARS = 1_000, 1_000
#: Of the definition of an export, or of a source, as JSON.
MAX_EXPORT_BYTES = 32 * 1024
#: Of the members of a Table Dialect that nobody reads, as JSON.
MAX_UNKNOWN_BYTES = 4 * 1024
#: Of the options of an import as JSON.
MAX_OPTIONS_BYTES = 64 * 1024
#: Characters of a job's message. The error log has the whole of it.
MAX_MESSAGE = 2_000
#: Jobs of one caller that have not ended, and previews and connection tests of one in a minute.
MAX_UNFINISHED_JOBS, MAX_PREVIEWS = 100, 20
#: Uploads in parts of one caller that are neither complete nor expired.
MAX_UNFINISHED_UPLOADS = 20
#: Requests of one caller in a minute that check corrected rows, 200 rows each: a person types.
MAX_CHECKS = 120
#: Requests of one caller in a minute that count the records of an entity, which may read 80 MB each.
MAX_RECORD_COUNTS = 60
#: Export definitions of one entity, and sources of one.
MAX_EXPORTS, MAX_SOURCES = 500, 100
#: Of an answer as Lambda counts it. One item more, or the rest of the envelope, stays below the limit.
ANSWER_BYTES = 5_000_000


def json_text(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """JSON without spaces, and with text as it is: what is stored, and what the API sends."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=default)
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which has no UTF-8
        return json.dumps(value, separators=(",", ":"), default=default)
    return text


def check_size(what: str, value: Any, limit: int) -> None:
    """
    Args:
        what: begins a sentence.
        value: JSON values.

    Raises:
        TooLarge: the value's JSON has more bytes than the limit.
    """
    size = len(json_text(value).encode())
    if size > limit:
        raise TooLarge(f"{what} has {size:,} bytes as JSON; the limit is {limit:,}.")


def is_larger(value: Any, limit: int) -> bool:
    """Whether the value's JSON has more bytes than the limit."""
    return len(json_text(value).encode()) > limit


def answer_bytes(text: str) -> int:
    """The bytes that JSON text takes in Lambda's answer, where it is a string in a JSON document again."""
    return len(text.encode()) + text.count('"') + text.count("\\")


class PageBytes:
    """The bytes of a page that is being filled.

    Args:
        beside: what the answer contains besides the items.
    """

    def __init__(self, beside: Any = None) -> None:
        self._left = ANSWER_BYTES - answer_bytes(json_text(beside))
        self._is_empty = True

    def takes(self, item: Any) -> bool:
        """Add an item if it fits. The first one always does: a page that has none would never end."""
        size = answer_bytes(json_text(item)) + 1
        if size > self._left and not self._is_empty:
            return False
        self._left -= size
        self._is_empty = False
        return True
