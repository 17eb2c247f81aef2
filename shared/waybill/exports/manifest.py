"""What a receiver can check a delivered file by, or the files of a split export; and where those are stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from waybill.exports.definition import DELETED, Definition
from waybill.exports.file_names import part_name
from waybill.exports.file_writer import Written
from waybill.jobs.model import Job
from waybill.timestamps import rfc3339

if TYPE_CHECKING:
    from waybill.exports.services import ExportServices

Files = list[dict[str, Any]]
"""The files of a set, in order: `rows`, `bytes` and `sha256` of each."""


def manifest(
    job: Job, definition: Definition, snapshot: Mapping[str, Any], written: Mapping[str, Any], files: Files, name: str
) -> bytes:
    """The manifest of a run, as JSON.

    Args:
        written: rows, bytes and SHA-256 of the file; of a set, the sums, and `files`.
        files: of a set; empty for one file.
        name: the file's final name; of a set, the one that those of its files are made of.
    """
    document = {
        "jobId": job.job_id,
        "exportId": job.export_id,
        "name": definition.name,
        "entity": definition.entity,
        "type": definition.type.value,
        "definitionVersion": snapshot["export"]["version"],
        "fileName": name,
        "format": definition.format,
        "compression": definition.compression.value,
        "encryption": written.get("encryption"),
        "fields": _columns(definition, snapshot),
        "rows": int(written["rows"]),
        "bytes": int(written["bytes"]),
    }
    if files:
        document["files"] = [{"fileName": part_name(name, number), **file} for number, file in enumerate(files, 1)]
    else:
        document["sha256"] = written["sha256"]
    document |= {
        "windowFrom": rfc3339(job.window_from),
        "windowTo": rfc3339(job.window_to),
        "createdAt": rfc3339(job.started_at),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _columns(definition: Definition, snapshot: Mapping[str, Any]) -> list[str]:
    names = definition.fields or [field["name"] for field in snapshot["entity"]["schema"]["fields"]]
    return [*names, DELETED] if definition.has_changes else list(names)


def as_files(written: Iterable[Written]) -> Files:
    return [{"rows": file.rows, "bytes": file.size_bytes, "sha256": file.sha256} for file in written]


def part_of(key: str, number: int) -> str:
    """Key of the file of a number, from 1 on, of the set that a run has stored under a key."""
    return f"{key}/{number:04}"


def keep_files(services: ExportServices, key: str, files: Files) -> None:
    """Store what the files of a set are. There may be too many for the job."""
    content = json.dumps(files).encode()
    services.files.put(services.settings.files_bucket, _list_key(key), content, "application/json")


def kept_files(services: ExportServices, job: Job) -> Files:
    """The files of the set that a run has stored; none for one file."""
    if job.extracted is None or not job.extracted.get("files"):
        return []
    files: Files = json.loads(services.files.read(services.settings.files_bucket, _list_key(job.extracted["key"])))
    return files


def _list_key(key: str) -> str:
    return f"{key}/files.json"
