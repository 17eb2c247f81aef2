"""Names of delivered files, of their manifests, and of both while they are uploaded."""

from __future__ import annotations

import os.path

from waybill.exports.compression import EXTENSIONS

MAX_WAITING_FILES = 1_000
"""Numbered files of one name that may wait for their receiver."""
_MAX_PART_STEM_BYTES = 180  # file systems take names of 255 bytes
_COMPRESSIONS = tuple(filter(None, EXTENSIONS.values()))


def manifest_name(name: str) -> str:
    """The final name of a data file's manifest."""
    return f"{name}.manifest.json"


def numbered(name: str, number: int) -> str:
    """`contacts.csv.gz` → `contacts_2.csv.gz`; number 1 is the name itself."""
    if number == 1:
        return name
    stem, extension = os.path.splitext(name)
    if extension.lower() in _COMPRESSIONS:
        stem, inner = os.path.splitext(stem)
        extension = inner + extension
    return f"{stem}_{number}{extension}"


def part_names(name: str, job_id: str) -> tuple[str, str]:
    """The temporary names of data and manifest."""
    stem = _short(name)
    return f".{stem}.{job_id[:8]}.part", f".{manifest_name(stem)}.{job_id[:8]}.part"


def backup_name(name: str, job_id: str) -> str:
    """The hidden name of the receiver's old file while a new one takes its place."""
    suffix = ".manifest.json"
    stem = _short(name.removesuffix(suffix)) + (suffix if name.endswith(suffix) else "")
    return f".{stem}.{job_id[:8]}.old"


def _short(name: str) -> str:
    return name.encode()[:_MAX_PART_STEM_BYTES].decode(errors="ignore")
