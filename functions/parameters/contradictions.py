"""Which parameters a stack must not have together, or at all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

DAY = 86_400

WHOLE_NUMBERS = (
    "ImportRetentionSeconds",
    "ImportMinimumSeconds",
    "ExportRetentionSeconds",
    "FilesRetentionSeconds",
    "ChunkBytes",
    "MaxUploadBytes",
    "MaxPartsUploadBytes",
    "WriteConnections",
    "WorkersPerJob",
    "MailsPerDay",
    "WebhooksPerDay",
    "OwnerGroupsMaxAgeDays",
    "AuditRetentionDays",
    "LifecycleDays",
)
"""Every function reads its settings when it starts, and fails unless these are integers. CloudFormation's type Number
takes fractions and exponents too."""

TOGETHER = (
    ("OidcIssuer", "OidcAudience", "the API accepts tokens for one audience only, and nobody could sign in"),
    ("OidcAudience", "OidcIssuer", "tokens of the stack's user pool are for its own client, and nobody could sign in"),
    ("DeliverySubnetIds", "DeliverySecurityGroupIds", "Lambda puts no function into a subnet without one"),
    ("DeliverySecurityGroupIds", "DeliverySubnetIds", "exports would be delivered from Lambda's own network"),
    ("DomainName", "DomainCertificateArn", "API Gateway serves no domain without its certificate"),
    ("DomainCertificateArn", "DomainName", "the certificate would not be used"),
    ("HostedZoneId", "DomainName", "the zone would get no record"),
    ("RecipientDomains", "MailSender", "no report would be sent"),
)
"""(parameter, another one that it needs, why)."""


def contradiction(parameters: Mapping[str, Any]) -> str:
    """Return why a stack must not have these parameters, for whoever deploys; empty if it may.

    Args:
        parameters: name → text; a list of texts for a list, in which a single empty text stands for an empty one.
    """
    for name in WHOLE_NUMBERS:
        if not re.fullmatch(r"[0-9]+", str(parameters[name])):
            return f"{name}={parameters[name]} is no whole number: write it in digits, without fraction and exponent"
    for name, needs, why in TOGETHER:
        if _is_given(parameters[name]) and not _is_given(parameters[needs]):
            return f"{name} needs {needs}, which is empty: {why}"
    buckets = json.loads(parameters["ForeignBuckets"])
    roles = {bucket["roleArn"] for bucket in buckets.values() if "roleArn" in bucket}
    if missing := sorted(roles - set(parameters["ForeignBucketRoles"].split(","))):
        return f"ForeignBuckets names {', '.join(missing)}: add it to ForeignBucketRoles, or it may not be assumed"
    files, lifecycle = int(parameters["FilesRetentionSeconds"]), int(parameters["LifecycleDays"])
    # The lifecycle rule counts from the creation of a file, its retention from the end of the job, which runs for up to
    # a day (TimeoutSeconds of the state machines).
    needed = -(-files // DAY) + 1
    if lifecycle < needed:
        return (
            f"FilesRetentionSeconds={files} keeps the files of a job longer than LifecycleDays={lifecycle}, "
            f"after which S3 deletes them: set LifecycleDays to at least {needed}, or lower FilesRetentionSeconds"
        )
    return ""


def _is_given(value: str | list[str]) -> bool:
    return value not in ("", [], [""])
