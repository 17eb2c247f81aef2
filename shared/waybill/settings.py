"""Settings from environment variables, read once per process.

The names of the environment variables are the field names in upper case; a test compares them with
`template.yaml`. Durations are seconds, sizes bytes.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The settings of all functions: one set, so that a missing variable never goes unnoticed."""

    jobs_table: str
    records_table: str
    catalog_table: str
    drop_bucket: str
    files_bucket: str
    transfer_bucket: str
    import_state_machine: str
    export_state_machine: str
    test_destination_function: str
    oidc_issuer: str
    oidc_audience: str
    user_pool_id: str  # empty with an outside issuer
    owner_groups_max_age_days: int
    aws_region: str
    import_retention_seconds: int
    import_minimum_seconds: int
    export_retention_seconds: int
    files_retention_seconds: int
    chunk_bytes: int
    max_upload_bytes: int
    write_connections: int
    workers_per_job: int
    allowed_forwarded_hosts: str
    target_tables: str
    allowed_private_hosts: str
    mail_sender: str
    console_url: str
    aws_endpoint_url: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read every field.

        Raises:
            KeyError: a required variable is missing.
            ValueError: the value of a number setting is not an integer.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, object] = {}
        for field in dataclasses.fields(cls):
            name = field.name.upper()
            if field.default is None:
                values[field.name] = environ.get(name)
            elif field.type == "int":
                values[field.name] = int(environ[name])
            else:
                values[field.name] = environ[name]
        return cls(**values)  # type: ignore[arg-type]
