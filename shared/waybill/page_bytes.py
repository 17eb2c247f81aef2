"""How much fits into one answer of the API.

Lambda refuses an answer of more than 6,291,556 bytes, and the caller gets a 500. A list therefore ends its page by
bytes as well as by count: whoever fills a page asks `PageBytes` before each item.
"""

from __future__ import annotations

import json
from typing import Any

#: Of an answer as Lambda counts it. One item more, or the rest of the envelope, stays below the limit.
ANSWER_BYTES = 5_000_000


def json_text(value: Any) -> str:
    """JSON as the API sends it: without spaces, and with text as it is, since an escaped letter takes six bytes."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def answer_bytes(text: str) -> int:
    """The bytes that JSON text takes in Lambda's answer, where it is a string in a JSON document again."""
    return len(text.encode("utf-8", "replace")) + text.count('"') + text.count("\\")


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
