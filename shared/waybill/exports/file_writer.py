"""The file of an export, around its rows: framing of its format, compression, encryption, digest. It streams, in
constant memory.

    writer = FileWriter(definition, encoder.columns, output, moment=now)
    writer.begin()
    writer.write(encoded.data, encoded.rows)    # fragments in the order of the file, as many as there are
    written = writer.end()

The same rows give the same bytes, but for the time in a zip file's directory, which is `moment`'s. Where they are
compressed, the bytes also depend on how rows were cut into fragments. Encrypted bytes are never the same twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from waybill.encryption import most_encrypted, split_name
from waybill.encryption_process import Encrypting
from waybill.exports.compression import Output, compressor
from waybill.exports.definition import Definition
from waybill.exports.file_names import part_name
from waybill.exports.formats import FORMATS
from waybill.exports.formats.base import Column


@dataclass(frozen=True)
class Written:
    """A whole file: its rows without the header, and what its final bytes are."""

    rows: int
    size_bytes: int
    sha256: str


class FileWriter:
    """Writes one export's file to `output`, which it does not close.

    Args:
        columns: of the file (`RowEncoder.columns`).
        moment: when the export ran, in the time zone that its file name shows.
        number: of the file in a set; None for the only file of a run.
    """

    def __init__(
        self,
        definition: Definition,
        columns: Sequence[Column],
        output: Output,
        *,
        moment: datetime,
        number: int | None = None,
    ) -> None:
        format, name = FORMATS[definition.format], inner_name(definition, moment)
        inner = name if number is None else part_name(name, number)
        self._hashing = Hashing(output)
        self._encryption = definition.encryption
        self._encrypting = None if self._encryption is None else Encrypting(self._encryption, self._hashing)
        self._plain = self._hashing if self._encrypting is None else Hashing(self._encrypting)
        self._compressor = compressor(definition.compression, self._plain, inner, moment)
        self._framing = format.framing(self._compressor, definition, columns)
        self._header = format.cells(definition, columns).header().encode()
        self.rows = 0

    @property
    def needs_survey(self) -> bool:
        """Whether `survey` must see all rows before `begin`."""
        return self._framing.needs_survey

    def survey(self, fragment: bytes) -> None:
        """See rows, or any piece of the bytes of rows, before the file begins.

        Raises:
            JobFailed: `parquet-limit`, the rows do not fit into one file.
        """
        self._framing.survey(fragment)

    def begin(self) -> None:
        """Write what comes before the first row."""
        self._compressor.begin()
        self._framing.begin(self._header)

    def write(self, fragment: bytes, rows: int) -> None:
        """Write rows, or any piece of the bytes of rows, `rows` of which end in it.

        Raises:
            JobFailed: `xlsx-limit`, the sheet is full.
        """
        self.rows += rows
        self._framing.write(fragment, rows)

    def learn(self, surveyed: FileWriter) -> None:
        """Take what another file of the same rows has seen in `survey`."""
        self._framing.learn(surveyed._framing)

    @property
    def is_exact(self) -> bool:
        """Whether `most` is exact without `flush`, because nothing is compressed."""
        return self.most(1) == self.most(0) + 1 and self.most(64) == self.most(0) + 64

    def flush(self) -> None:
        """Write what is held back, so that `most` is exact but for what is still to come."""
        self._framing.flush()
        self._compressor.flush()

    def most(self, size_bytes: int) -> int:
        """How many bytes the file has at most in the end, if so many bytes of rows still come."""
        plain = self._plain.size_bytes + self._compressor.most(self._framing.most(size_bytes))
        return plain if self._encryption is None else most_encrypted(self._encryption, plain)

    def end(self) -> Written:
        """Write what comes after the last row."""
        self._framing.end()
        self._compressor.end()
        if self._encrypting is not None:
            self._encrypting.end()
        return Written(self.rows, self._hashing.size_bytes, self._hashing.hash.hexdigest())

    def abort(self) -> None:
        """Give a file up that is not at its end."""
        if self._encrypting is not None:
            self._encrypting.abort()


class Hashing:
    """Hashes and counts what is written."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.hash = hashlib.sha256()
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        self.hash.update(data)
        self.size_bytes += len(data)
        self._output.write(data)


def inner_name(definition: Definition, moment: datetime) -> str:
    """The name in the zip file: its own without `.zip`."""
    name, _ = split_name(definition.file_name_at(moment))
    if name.lower().endswith(".zip"):
        name = name[:-4]
    return name if "." in name else f"{name or definition.entity}.{FORMATS[definition.format].extension}"
