"""Names of files and manifests while they are uploaded."""

from __future__ import annotations

import re
from dataclasses import dataclass

from waybill.exports.destinations.folder import MARK_DIGITS
from waybill.exports.file_names import delivered_names

PART_SUFFIX = ".part"
MAX_AFFIX = 20
"""Characters of the prefix or suffix of temporary names."""
_ASIDE = "waybill-"
_MAX_PART_STEM_BYTES = 180  # file systems take names of 255 bytes


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
