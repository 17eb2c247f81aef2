"""The encoding of a text: which ones are accepted, and which one a file has.

Labels have their meaning in the WHATWG Encoding Standard (https://encoding.spec.whatwg.org/#names-and-labels), which is
what programs mean by them: `iso-8859-1` is Windows-1252, `shift_jis` is Windows-31J. Everything else is named as Python
names it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from unicodedata import category

from webencodings.labels import LABELS

from waybill.errors import JobFailed

HEAD_BYTES = 1024 * 1024
GUESSED = "encoding-guessed"

_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BYTE_ORDERS = {"utf-16": ("utf-16-le", "utf-16-be"), "utf-32": ("utf-32-le", "utf-32-be")}

#: Codecs of the standard's encodings, where Python has another name for it, or one that covers more of it.
_CODECS = {
    "big5": "big5hkscs",
    "euc-kr": "cp949",
    "gbk": "gb18030",
    "ibm866": "cp866",
    "iso-8859-8-i": "iso8859-8",
    "macintosh": "mac-roman",
    "shift_jis": "cp932",
    "windows-874": "cp874",
    "x-mac-cyrillic": "mac-cyrillic",
}
#: No encodings of files: the standard's error value, and one for binary data.
_NOT_FILES = {"replacement", "x-user-defined"}
#: Beyond the standard: Unicode of either byte order, and the code pages of DOS and of mainframes.
_MORE = {
    *("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "cp950"),
    *("cp437", "cp720", "cp737", "cp775", "cp850", "cp852", "cp855", "cp857", "cp858", "cp860", "cp861", "cp862"),
    *(
        "cp863",
        "cp864",
        "cp865",
        "cp869",
        "cp037",
        "cp273",
        "cp500",
        "cp1140",
        "mac-latin2",
        "mac-greek",
        "mac-turkish",
    ),
}
#: Those that the detection knows, by chardet's names. No encoding of mainframes, and none of seven bits.
_DETECTED = (
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258"),
    *("iso8859-2", "iso8859-5", "iso8859-7", "koi8-r", "koi8-u", "cp866", "cp850", "cp852", "mac-roman", "cp874"),
    *("shift_jis", "euc-jp", "gb18030", "big5", "euc-kr"),
)
#: Newer standards that chardet finds, for those that people's programs write.
_RENAMED = {"shift_jis_2004": "cp932", "euc_jis_2004": "euc_jp"}
#: How common encodings are among files, where it matters: the confidences of the detector are multiplied by it.
_SHARES = {
    "cp850": 0.55, "mac-roman": 0.5, "cp1258": 0.5, "cp852": 0.85, "iso8859-2": 0.9, "cp1254": 0.9, "cp1257": 0.9,
    "gb18030": 1.0, "big5hkscs": 1.0, "cp932": 1.1, "euc_jp": 1.0,
}  # fmt: skip
_OTHER_SHARE = 0.95
#: By the fewest lines that they hold for: the share of Windows-1252, which has less weight the more there is to go by,
#: and how many times as likely as any other a reading has to be.
_BOUNDS = ((20, 1.0, 1.0), (5, 1.2, 1.3), (0, 1.5, 2.0))
_SAMPLE_BYTES = 200 * 1024
_SAMPLE_WORDS, _SAMPLE_CHARS = 3, 40

#: What ISO-2022-JP (RFC 1468) shifts with.
_JAPANESE_SHIFT = re.compile(rb"\x1b(?:\$[@B]|\([BJI])")
_ESCAPED_BYTES = re.compile("[\udc80-\udcff]")
_TEXT_CONTROLS = re.compile(rb"[\0-\x08\x0e-\x19\x1c-\x1f]")
_C1_CONTROLS = re.compile("[\x80-\x9f]")
_C1_BYTES = re.compile(rb"[\x80-\x9f]")
_WORD = re.compile(r"[^\W\d_]+")
#: Letters with a sign between them that no text has there: not a quotation mark, and no mark of a script.
_SIGN_INSIDE = re.compile(
    r"[^\W\d_][^\w\s\x00-\x7f\u0e00-\u0e7f\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u00b7\u00b4\u2019\u3000-\u30ff\uff00-\uffef]+[^\W\d_]"
)
_SIGNS = ("Sm", "Sk", "So", "Co", "Cn")


#: Labels of codecs whose names are not labels.
_LABELS_OF_CODECS = {"iso2022_jp": "iso-2022-jp", "iso8859-16": "iso-8859-16"}


class UnknownEncoding(ValueError):
    """The label names no encoding of files."""


def codec_of(label: str) -> str:
    """The name of Python's codec for an encoding's label.

    Raises:
        UnknownEncoding
    """
    for spelling in _spellings(label):
        name = LABELS.get(spelling)
        if name in _NOT_FILES:
            raise UnknownEncoding(label)
        if spelling in _MORE:
            return spelling
        if name is not None:
            return codecs.lookup(_CODECS.get(name, name)).name
    raise UnknownEncoding(label)


def is_utf8(label: str) -> bool:
    """Whether the label means UTF-8."""
    try:
        return codec_of(label) == "utf-8"
    except UnknownEncoding:
        return False


def _spellings(label: str) -> Iterator[str]:
    """A label, and the name by which Python knows it: people also write `latin-1`, `cp932` or `utf_8`, and the rejects
    file of an import is declared by the codec."""
    spelling = label.strip("\t\n\f\r ").lower()
    yield spelling
    if spelling in _LABELS_OF_CODECS:
        yield _LABELS_OF_CODECS[spelling]
    try:
        known = codecs.lookup(spelling).name
    except (LookupError, ValueError):  # ValueError: NUL in the name
        return
    yield "utf-8" if known == "utf-8-sig" else known
    yield from (name for name, codec in _CODECS.items() if codec == known)
    yield known.replace("_", "-")


@dataclass(frozen=True)
class TextFormat:
    """The encoding of a text, as Python names it, and its byte order mark.

    `is_cuttable` says that delimiters, quotes and line breaks are single ASCII bytes that never are part of another
    character, so that bytes can be cut before they are decoded. `guess` tells what was assumed where neither a
    declaration nor the bytes settle the encoding; None where they do.
    """

    encoding: str
    bom: bytes
    is_cuttable: bool
    guess: str | None = None

    def decode(self, head: bytes) -> str:
        """The text of a file's first bytes, after the byte order mark."""
        return head[len(self.bom) :].decode(self.encoding, "replace")


def text_format(head: bytes, declared: str | None, words: Collection[str] = ()) -> TextFormat:
    """The encoding of a text file from its first bytes.

    A byte order mark is stronger than a declaration; programs add it to files whose receivers declared an older
    encoding. What is neither marked nor declared is UTF-16 or UTF-32 by the places of NULs, else UTF-8, else guessed.

    Args:
        declared: the label of an encoding.
        words: words that a file of this kind may contain, such as the names of its columns, for the guess.

    Raises:
        JobFailed: `encoding-error`.
    """
    for mark, name in _BOMS:
        if head.startswith(mark):
            repeated = mark
            while head.startswith(mark, len(repeated)):  # each of several programs added one
                repeated += mark
            return TextFormat(name, repeated, is_cuttable(name))
    if declared is None:
        return _undeclared(head, words)
    try:
        encoding = codec_of(declared)
    except UnknownEncoding:
        raise JobFailed("encoding-error", f"{declared} is not the name of a text encoding.") from None
    if encoding in _BYTE_ORDERS:
        orders = _BYTE_ORDERS[encoding]
        encoding = _by_nuls(head) or orders[0]
        encoding = encoding if encoding in orders else orders[0]
    return TextFormat(encoding, b"", is_cuttable(encoding))


def is_cuttable(encoding: str) -> bool:
    """Whether an encoding is UTF-8, or has one byte a character and agrees with ASCII."""
    if encoding in ("utf-8", "ascii"):
        return True
    decoder = codecs.getincrementaldecoder(encoding)
    try:
        if any(decoder().decode(bytes([byte])) != chr(byte) for byte in range(128)):
            return False
        # With several bytes a character, a decoder waits for more after the first.
        return all(len(decoder("replace").decode(bytes([byte]))) == 1 for byte in range(128, 256))
    except (UnicodeError, LookupError):
        return False


def decode(data: bytes, encoding: str) -> str:
    """The text of bytes.

    Raises:
        UnicodeDecodeError: they are not valid in this encoding. Bytes for which ISO 8859 has only C1 controls are not:
            a file with them is in another encoding, most often the Windows code page of the same languages.
    """
    if encoding.startswith("iso8859") and (found := _C1_BYTES.search(data)):
        raise UnicodeDecodeError(encoding, data, found.start(), found.end(), "a control character")
    return data.decode(encoding)


def guessed_again(form: TextFormat, lines: bytes, words: Collection[str] = ()) -> TextFormat | None:
    """Another encoding of a text whose beginning did not tell it; None if the beginning settles it.

    Args:
        form: what the beginning told.
        lines: those of `lines_beyond_ascii`, of the whole text.
        words: as of `text_format`.

    Raises:
        JobFailed: `encoding-error`.
    """
    if form.guess is None:
        valid, invalid = _utf8_sequences(lines)
        if form.encoding != "utf-8" or invalid <= valid:
            return None  # most of it is what it seemed, and some bytes are broken
    again = guess_encoding(lines, words)
    return None if again.encoding == form.encoding else again


def lines_beyond_ascii(blocks: Iterable[bytes]) -> bytes:
    """Of a text, as many of the lines with a byte beyond ASCII as a guess needs.

    Long stretches of ASCII hide the rest from a detector that looks at the first bytes only.
    """
    found: list[bytes] = []
    size, rest = 0, b""
    for block in blocks:
        lines = (rest + block).split(b"\n")
        rest = lines.pop()[-_SAMPLE_BYTES:]
        for line in lines:
            if not line.isascii():
                found.append(line)
                size += len(line) + 1
        if size >= _SAMPLE_BYTES:
            break
    if size < _SAMPLE_BYTES and not rest.isascii():
        found.append(rest)
    return b"\n".join(found)


def guess_encoding(lines: bytes, words: Collection[str] = ()) -> TextFormat:
    """The encoding of text that is not Unicode.

    How often this is right: docs/files.md.

    Args:
        lines: those of `lines_beyond_ascii`.
        words: as of `text_format`.

    Raises:
        JobFailed: `encoding-error`: several encodings are about as likely, and give different texts.
    """
    count = lines.count(b"\n") + 1
    common, factor = next(bounds[1:] for bounds in _BOUNDS if count >= bounds[0])
    readings = _readings(lines, words, common)
    if not readings:
        raise _not_text()
    best = readings[0]
    if not best.likelihood and not best.words:
        raise _not_text()
    rival = next((each for each in readings if each.text != best.text), None)
    if rival and best.words == rival.words and best.likelihood <= factor * rival.likelihood:
        message = (
            f"The encoding of the file cannot be told from its bytes: it may be {best} or {rival}. "
            "Declare it with the option encoding."
        )
        raise JobFailed("encoding-error", message)
    return TextFormat(best.encoding, b"", is_cuttable(best.encoding), _assumed(best))


@dataclass(frozen=True)
class _Reading:
    """A text as one encoding reads it. `words` counts the expected words in it; likelihoods are relative."""

    encoding: str
    text: str
    likelihood: float
    words: int

    def __str__(self) -> str:
        found = (word for word in _WORD.findall(self.text) if not word.isascii())
        sample = ", ".join(f'"{word[:_SAMPLE_CHARS]}"' for word in islice(found, _SAMPLE_WORDS))
        return f"{self.encoding} ({sample})" if sample else self.encoding


def _readings(lines: bytes, words: Collection[str], common: float) -> list[_Reading]:
    """What a text may be, the likeliest first. Only encodings in which all of it is text.

    Args:
        common: the share of Windows-1252.
    """
    import chardet  # 50 ms, for few files

    if len(lines) > _SAMPLE_BYTES:
        lines = lines[: lines.rfind(b"\n", 0, _SAMPLE_BYTES) + 1] or lines[:_SAMPLE_BYTES]
    known = {word for word in words if not word.isascii()}
    readings = []
    found = chardet.detect_all(
        lines,
        ignore_threshold=True,
        max_bytes=max(1, len(lines)),
        prefer_superset=False,  # supersets are wrong for ISO 8859-2 and -5; codec_of knows those that are right
        compat_names=False,
        include_encodings=_DETECTED,
        empty_input_encoding="cp1252",
    )
    for each in found:
        name = each["encoding"] or "cp1252"
        encoding = _RENAMED.get(name) or codec_of(name)
        try:
            text = decode(lines, encoding)
        except UnicodeError:
            continue
        if not _C1_CONTROLS.search(text):
            share = common if encoding == "cp1252" else _SHARES.get(encoding, _OTHER_SHARE)
            likelihood = each["confidence"] * share * (1 - _oddity(text)) ** 2
            readings.append(_Reading(encoding, text, likelihood, sum(word in text for word in known)))
    return sorted(readings, key=lambda each: (-each.words, -each.likelihood))


def _oddity(text: str) -> float:
    """The share of words beyond ASCII that nobody writes: signs inside them, letters of two scripts, capitals after
    small letters, or hardly a letter without an accent."""
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    odd = sum(map(_is_odd, words)) + len(_SIGN_INSIDE.findall(text))
    odd += sum(char > "\x7f" and char < "\u2600" and category(char) in _SIGNS for char in text)
    return min(1.0, odd / max(1, len(words)))


def _is_odd(word: str) -> bool:
    latin = sum(char < "\u0250" or "\u1e00" <= char <= "\u1eff" for char in word)
    if latin and any("\u0370" <= char <= "\u0e7f" for char in word):
        return True
    if latin and len(word) > 3 and sum(char > "\x7f" for char in word) > 0.6 * len(word):
        return True
    return any(before.islower() and after.isupper() for before, after in pairwise(word))


def _undeclared(head: bytes, words: Collection[str]) -> TextFormat:
    wide = _by_nuls(head)
    if wide:
        return TextFormat(wide, b"", False)
    if head.isascii() and _JAPANESE_SHIFT.search(head):
        return _iso_2022_jp(head)
    valid, invalid = _utf8_sequences(head)
    if invalid <= valid:
        if b"\0" in head and len(_TEXT_CONTROLS.findall(head)) > len(head) // 4:
            raise _not_text()
        return TextFormat("utf-8", b"", True)  # a byte that does not decode is then an error of its row
    if len(_TEXT_CONTROLS.findall(head)) > len(head) // 100:
        raise _not_text()
    return guess_encoding(lines_beyond_ascii([head]), words)


def _iso_2022_jp(head: bytes) -> TextFormat:
    """The encoding of Japanese mail, whose bytes are those of ASCII: what shifts to its characters tells it."""
    try:
        codecs.getincrementaldecoder("iso2022_jp")().decode(head, final=len(head) < HEAD_BYTES)
    except UnicodeDecodeError:
        raise _not_text() from None
    return TextFormat("iso2022_jp", b"", is_cuttable("iso2022_jp"), _assumed("iso-2022-jp"))


def _assumed(reading: object) -> str:
    return (
        f"No encoding was declared, and the bytes do not tell it for certain. The file was read as {reading}. "
        "If that is wrong, declare the encoding and import the file again."
    )


def _not_text() -> JobFailed:
    message = "The encoding of the file is not recognised; declare it with the option encoding."
    return JobFailed("encoding-error", message, 1)


def _utf8_sequences(head: bytes) -> tuple[int, int]:
    """(characters beyond ASCII, bytes that are not UTF-8)."""
    if head.isascii():
        return 0, 0
    # The head may end inside a character; an incremental decoder tells that from an error.
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    text = decoder.decode(head, final=len(head) < HEAD_BYTES)
    beyond = len(text) - len(text.encode("ascii", "ignore"))
    invalid = len(_ESCAPED_BYTES.findall(text))
    return beyond - invalid, invalid


def _by_nuls(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark: with ASCII characters, NULs are always in the same places."""
    size = len(head) - len(head) % 4
    if size == 0 or b"\0" not in head:
        return None
    shares = [head[place:size:4].count(0) * 4 / size for place in range(4)]
    few, many = 0.02, 0.2
    if shares[0] < few and min(shares[1:]) > many and min(shares[2:]) > 0.9:
        return "utf-32-le"
    if shares[3] < few and min(shares[:3]) > many and min(shares[:2]) > 0.9:
        return "utf-32-be"
    even, odd = (shares[0] + shares[2]) / 2, (shares[1] + shares[3]) / 2
    if even < few and odd > many:
        return "utf-16-le"
    if odd < few and even > many:
        return "utf-16-be"
    return None
