"""The XML of workbooks: expat without declarations, and a splitter into items that need no parser."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from xml.parsers import expat

from waybill import native
from waybill.tabular.sheets import BLOCK_BYTES, bad_workbook

#: What `Parse` raises for XML that is broken, or in an encoding that nobody knows.
BROKEN_XML = (expat.ExpatError, LookupError)


def _refuse_declaration(*_: object) -> None:
    raise bad_workbook("it has a document type declaration")


def new_parser() -> expat.XMLParserType:
    """A parser that names elements and attributes `{namespace} {local name}` where they have a namespace."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.buffer_size = 64 * 1024
    parser.StartDoctypeDeclHandler = _refuse_declaration
    parser.EntityDeclHandler = _refuse_declaration
    return parser


class OwnNames:
    """The local names of elements in the namespace of the root element. Other namespaces, of extensions, use the same
    names for other things (ECMA-376 part 3)."""

    def __init__(self) -> None:
        self._root: str | None = None
        self._known: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        """The local name; the empty text for an element of another namespace."""
        known = self._known.get(name)
        if known is not None:
            return known
        namespace, _, local = name.rpartition(" ")
        if self._root is None:
            self._root = namespace
        if len(self._known) > _MAX_KNOWN_NAMES:
            self._known.clear()
        self._known[name] = known = local if namespace == self._root else ""
        return known


_MAX_KNOWN_NAMES = 1_000
_ESCAPE = re.compile("_x((?![Dd][89A-Fa-f])[0-9A-Fa-f]{4})_")


def unescaped(text: str) -> str:
    """Text with `_x000D_` and the like as the characters they stand for (ECMA-376 part 1, 22.9.2.19)."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def relations_in(data: bytes, folder: str) -> dict[str, tuple[str, str]]:
    """Relation id → (kind, path of the part), of a part in this folder (ECMA-376 part 2, 6.5).

    Raises:
        JobFailed: `format-error`.
    """
    found: dict[str, tuple[str, str]] = {}
    own = OwnNames()

    def start(name: str, attributes: dict[str, str]) -> None:
        if own(name) == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "").replace("\\", "/")
            target = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
            kind = attributes.get("Type", "").rpartition("/")[2]
            found[attributes.get("Id", str(len(found)))] = (kind, posixpath.normpath(target))

    parser = new_parser()
    parser.StartElementHandler = start
    try:
        parser.Parse(data, True)
    except (*BROKEN_XML, ValueError):
        raise bad_workbook("its XML is broken") from None
    return found


class Splitter:
    """Cuts XML after each end tag of one element, for readers that take its usual form without a parser.

    Items are cut only while that is safe: from the first comment, processing instruction, CDATA section, control
    character or other encoding on, everything goes to the parser. So does the text before the first item and, by
    `parse`, each item of another form. What the parser reads is well-formed; the items read without it are left out.
    """

    def __init__(self, end_tag: bytes, parser: expat.XMLParserType) -> None:
        self._end_tag = end_tag
        self._start_tag = end_tag.replace(b"</", b"<").rstrip(b">")
        self._parser = parser
        self._carry = b""
        self._is_begun = self._is_given_up = False

    def take(self, data: bytes, final: bool, read_some: Callable[[bytes, int], int]) -> Iterator[str]:
        """Yields the items that `read_some` leaves over; the parser gets what is behind them when all are taken.

        Args:
            read_some: is given whole items, one after the other, and where to begin. Reads none or some of them, and
                returns where the next one begins.
        """
        if self._is_given_up:
            self._parser.Parse(data, final)
            return
        buffer = self._carry + data
        if self._is_begun:
            is_safe = _is_safe(self._carry[-1:] + data)
        else:
            buffer = self._begin(buffer)
            is_safe = _is_safe(buffer)
        items = b""
        if self._is_begun and is_safe:
            end = buffer.rfind(self._end_tag) + len(self._end_tag)
            if end >= len(self._end_tag):
                try:
                    buffer[:end].decode()
                    items, buffer = buffer[:end], buffer[end:]
                except UnicodeDecodeError:
                    self._is_given_up = True
        elif self._is_begun:
            self._is_given_up = True
        self._carry = buffer
        yield from self._left_over(items, read_some)
        if final or self._is_given_up or len(buffer) > _LONGEST_ITEM_BYTES:
            self._is_given_up, self._carry = True, b""
            self._parser.Parse(buffer, final)

    def _left_over(self, items: bytes, read_some: Callable[[bytes, int], int]) -> Iterator[str]:
        at = 0
        while at < len(items):
            begun, at = at, read_some(items, at)
            one_only = at > begun  # what follows an unusual item is usual again
            while at < len(items):
                item, at = at, items.index(self._end_tag, at) + len(self._end_tag)
                yield items[item:at].decode()
                if one_only:
                    break

    def parse(self, item: str) -> None:
        self._parser.Parse(item.encode(), False)

    def _begin(self, buffer: bytes) -> bytes:
        """Give the parser the text before the first item."""
        at = buffer.find(self._start_tag)
        if at < 0 and len(buffer) < BLOCK_BYTES:
            return buffer
        head = buffer[: max(at, 0)]
        declared = re.search(rb"encoding=[\"']([^\"']*)", head)
        if at < 0 or b"<!" in head or (declared and declared[1].lower() != b"utf-8"):
            self._is_given_up = True
            return buffer
        self._is_begun = True
        self._parser.Parse(head, False)
        return buffer[at:]


_LONGEST_ITEM_BYTES = 1024 * 1024
_CONTROLS = bytes(set(range(32)) - set(b"\t\n"))


def _is_safe(data: bytes) -> bool:
    library = native.library()
    if library is not None:
        return bool(library.waybill_is_plain_xml(data, len(data)))
    return not (b"<!" in data or b"<?" in data or len(data.translate(None, _CONTROLS)) < len(data))
