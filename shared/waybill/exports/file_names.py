"""Names of delivered files and of their manifests."""

from __future__ import annotations

from waybill.encryption import split_name
from waybill.exports.compression import EXTENSIONS

MAX_WAITING_FILES = 1_000
"""Numbered files of one name that may wait for their receiver."""
MAX_FILES = 1_000
"""Of a split export: what a manifest lists."""
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
    stem, extension = _split_extension(plain)
    if extension.lower() in _COMPRESSIONS:
        stem, inner = _split_extension(stem)
        extension = inner + extension
    return f"{stem}{mark}{extension}{encrypted}"


def _split_extension(name: str) -> tuple[str, str]:
    """As `os.path.splitext`, but `.csv` is an extension without a name."""
    stem, dot, extension = name.rpartition(".")
    return (stem, dot + extension) if dot else (name, "")


def delivered_names(name: str, files: int | None) -> list[str]:
    """The names of all that is delivered under a name, in order: the file, or those of a set; the manifest last.

    Args:
        files: of the set; None for one file.
    """
    names = [name] if files is None else [part_name(name, number) for number in range(1, files + 1)]
    return [*names, manifest_name(name)]
