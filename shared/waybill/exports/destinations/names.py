"""Names of delivered files, of their manifests, and of both while they are uploaded."""

from __future__ import annotations

import os.path
import re
from dataclasses import dataclass

from waybill.encryption import split_name
from waybill.exports.compression import EXTENSIONS
from waybill.exports.destinations.folder import MARK_DIGITS

MAX_WAITING_FILES = 1_000
"""Numbered files of one name that may wait for their receiver."""
MAX_FILES = 1_000
"""Of a split export: what a manifest lists."""
PART_SUFFIX = ".part"
MAX_AFFIX = 20
"""Characters of the prefix or suffix of temporary names."""
_ASIDE = "waybill-"
_MAX_PART_STEM_BYTES = 180  # file systems take names of 255 bytes
_COMPRESSIONS = tuple(filter(None, EXTENSIONS.values()))


def manifest_name(name: str) -> str:
    """The final name of a data file's manifest."""
    return f"{name}.manifest.json"


def numbered(name: str, number: int) -> str:
    """`contacts.csv.gz.age` → `contacts_2.csv.gz.age`; number 1 is the name itself."""
    return name if number == 1 else _with(name, f"_{number}")


def part_name(name: str, number: int) -> str:
    """`contacts.csv.gz.age` → `contacts_0001.csv.gz.age`, the name of a file of a set."""
    return _with(name, f"_{number:04}")


def _with(name: str, mark: str) -> str:
    plain, encrypted = split_name(name)
    stem, extension = os.path.splitext(plain)
    if extension.lower() in _COMPRESSIONS:
        stem, inner = os.path.splitext(stem)
        extension = inner + extension
    return f"{stem}{mark}{extension}{encrypted}"


def delivered_names(name: str, files: int | None) -> list[str]:
    """The names of all that is delivered under a name, in order: the file, or those of a set; the manifest last.

    Args:
        files: of the set; None for one file.
    """
    names = [name] if files is None else [part_name(name, number) for number in range(1, files + 1)]
    return [*names, manifest_name(name)]


@dataclass(frozen=True)
class TemporaryNames:
    """How names differ while a file is not published, or an old one is moved aside.

    Attributes:
        prefix, suffix: what receivers leave alone. Some servers forbid names that begin with a dot.
        folder: below the destination's directory, on the same disk; empty for the directory itself.
    """

    prefix: str = "."
    suffix: str = PART_SUFFIX
    folder: str = ""

    def parts(self, name: str, job_id: str, files: int | None = None) -> list[str]:
        """The temporary names of `delivered_names`."""
        return [self._of(each, job_id, self.suffix) for each in delivered_names(_short(name), files)]

    def backup(self, name: str, job_id: str) -> str:
        """The name of the receiver's old file while a new one takes its place."""
        suffix = ".manifest.json"
        stem = _short(name.removesuffix(suffix)) + (suffix if name.endswith(suffix) else "")
        return self._of(stem, job_id, ".old" + ("" if self.suffix == PART_SUFFIX else self.suffix))

    def aside(self, mark: str) -> str:
        """The name of a source's file while it is deleted or moved.

        Args:
            mark: of that file, of MARK_DIGITS hexadecimal digits.
        """
        return self._in_folder(f"{self.prefix}{_ASIDE}{mark}{self.suffix}")

    def is_aside(self, name: str) -> bool:
        """Whether a name in the directory is one of `aside`."""
        pattern = f"{re.escape(self.prefix + _ASIDE)}[0-9a-f]{{{MARK_DIGITS}}}{re.escape(self.suffix)}"
        return not self.folder and re.fullmatch(pattern, name) is not None

    def _of(self, stem: str, job_id: str, suffix: str) -> str:
        return self._in_folder(f"{self.prefix}{stem}.{job_id[:8]}{suffix}")

    def _in_folder(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name


def _short(name: str) -> str:
    return name.encode()[:_MAX_PART_STEM_BYTES].decode(errors="ignore")
