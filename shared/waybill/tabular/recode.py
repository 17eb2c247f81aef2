"""Text in any encoding as a stream of UTF-8."""

from __future__ import annotations

import codecs

from waybill.errors import JobFailed
from waybill.tabular.records import Readable

_BLOCK_BYTES = 256 * 1024
_MARK_ERRORS = "waybill.mark"


def _mark(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replaces what does not decode by a byte that is not valid UTF-8, which later readers report in its row.

    Does the same for halves of surrogate pairs that a decoder lets pass.
    """
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    if isinstance(error, UnicodeEncodeError):
        return b"\xff" * (error.end - error.start), error.end
    raise error


codecs.register_error(_MARK_ERRORS, _mark)


class Recoded:
    """A text in any encoding as a stream of UTF-8."""

    def __init__(self, stream: Readable, encoding: str) -> None:
        """
        Args:
            stream: the text, after its byte order mark.
            encoding: a Python codec name.

        Raises (also while reading):
            JobFailed: `encoding-error`, the codec cannot decode files.
        """
        self._stream = stream
        self._encoding = encoding
        try:
            self._decoder = codecs.getincrementaldecoder(encoding)(_MARK_ERRORS)
        except (LookupError, UnicodeError):
            raise self._unusable() from None
        self._ready = b""
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        while not self._ready and not self._ended:
            data = self._stream.read(_BLOCK_BYTES)
            self._ended = not data
            try:
                self._ready = self._decoder.decode(data, final=not data).encode("utf-8", _MARK_ERRORS)
            except UnicodeError:  # of codecs for single words, such as idna
                raise self._unusable() from None
        if size < 0:
            size = len(self._ready)
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def _unusable(self) -> JobFailed:
        return JobFailed("encoding-error", f"{self._encoding} is no encoding of files.")
