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
    source_state_machine: str
    test_destination_function: str
    oidc_issuer: str
    oidc_audience: str
    oidc_client_id: str  # with which people sign in
    oidc_scope: str
    oidc_resource: str
    user_pool_id: str  # empty with an outside issuer
    password_sign_in: str  # on, off
    machine_clients: str
    owner_groups_max_age_days: int
    aws_region: str
    account_id: str
    foreign_buckets: str  # JSON: {bucket: {owner?, roleArn?, externalId?, kmsKeyArn?}}
    import_retention_seconds: int
    import_minimum_seconds: int
    export_retention_seconds: int
    files_retention_seconds: int
    audit_retention_days: int
    chunk_bytes: int
    max_upload_bytes: int
    max_parts_upload_bytes: int
    write_connections: int
    workers_per_job: int
    allowed_forwarded_hosts: str
    target_tables: str
    allowed_private_hosts: str
    mail_sender: str
    recipient_domains: str  # with commas between; empty for that of the sender
    mails_per_day: int
    webhooks_per_day: int
    console_url: str
    aws_endpoint_url: str | None = None

    @property
    def mail_domains(self) -> frozenset[str]:
        """The domains that reports are mailed to, in lower case; none when this deployment sends no mail."""
        if not self.mail_sender:
            return frozenset()
        listed = {domain.strip().lower() for domain in self.recipient_domains.split(",")} - {""}
        return frozenset(listed or {self.mail_sender.rpartition("@")[2].strip(" >").lower()})

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
