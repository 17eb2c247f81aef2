"""Where the files of an import are: keys in the files bucket, and names for downloads.

jobs/{id}/plan.json                            the plan
jobs/{id}/planning.json                        how far the plan came
jobs/{id}/source.csv                           the source, where it was converted
jobs/{id}/checks/…                             what the precheck and the deduplication found
jobs/{id}/chunks/{chunk}/{attempt}/{part}/…    rejects, error log, index, summary of a part, digests of its keys
jobs/{id}/finish/…                             how far the finish came
jobs/{id}/rejects.csv, error-log.csv, summary.json
jobs/{id}/rejects.json                         how the rejects file is read
jobs/{id}/source/{attempt}                     the source of a relaunched import, made of the files of the job before
jobs/{id}/taking.json                          how far that came
jobs/{id}/previous/…, previous.json, left-rows what an undo of the import needs (`waybill.imports.previous`)
"""

from __future__ import annotations

from waybill.jobs.model import job_prefix


def plan_key(job_id: str) -> str:
    return f"{job_prefix(job_id)}plan.json"


def planning_key(job_id: str) -> str:
    return f"{job_prefix(job_id)}planning.json"


def converted_key(job_id: str) -> str:
    """The CSV to which a source was converted that cannot be divided as it is."""
    return f"{job_prefix(job_id)}source.csv"


def checks_prefix(job_id: str, chunk: int) -> str:
    """Prefix of what the precheck and the deduplication found in a chunk."""
    return f"{job_prefix(job_id)}checks/{chunk:06d}/"


def part_prefix(job_id: str, chunk: int, part: int, attempt: str) -> str:
    """Prefix of the files that an attempt writes for a part of a chunk."""
    return f"{job_prefix(job_id)}chunks/{chunk:06d}/{attempt}/{part:04d}/"


def rejects_key(job_id: str) -> str:
    return f"{job_prefix(job_id)}rejects.csv"


def rejects_form_key(job_id: str) -> str:
    return f"{job_prefix(job_id)}rejects.json"


def made_source_prefix(job_id: str) -> str:
    """Prefix of the source that attempts make of the files of the job before."""
    return f"{job_prefix(job_id)}source/"


def taking_key(job_id: str) -> str:
    return f"{job_prefix(job_id)}taking.json"


def kept_prefix(job_id: str, chunk: int) -> str:
    """Prefix of what the records of a chunk were before the import."""
    return f"{job_prefix(job_id)}previous/{chunk:06d}/"


def previous_key(job_id: str) -> str:
    """The list of these files."""
    return f"{job_prefix(job_id)}previous.json"


def left_rows_key(job_id: str) -> str:
    """The places of the rows that were not imported."""
    return f"{job_prefix(job_id)}left-rows"


def error_log_key(job_id: str) -> str:
    return f"{job_prefix(job_id)}error-log.csv"


def summary_key(job_id: str) -> str:
    return f"{job_prefix(job_id)}summary.json"


def rejects_file_name(file_name: str) -> str:
    """`contacts.csv` → `contacts.rejects.csv`."""
    stem, dot, _ = file_name.rpartition("/")[2].rpartition(".")
    return f"{stem if dot else file_name.rpartition('/')[2]}.rejects.csv"


def error_log_file_name(file_name: str) -> str:
    """`contacts.csv` → `contacts.errors.csv`."""
    return rejects_file_name(file_name).replace(".rejects.csv", ".errors.csv")
