"""The domain of each AWS partition, the only place that names one.

Everywhere else a host comes from what AWS says of itself: `AWS::URLSuffix`, `RegionalDomainName` and the like in the
template, the issuer of the user pool, botocore's endpoint data. The client of DynamoDB starts without boto3, and its
data take 0.1 s to read, so it has this table; a test compares it with botocore's.
"""

from __future__ import annotations

_SUFFIXES = {  # by the first part of the region's name
    "cn": "amazonaws.com.cn",
    "eusc": "amazonaws.eu",
    "us-iso": "c2s.ic.gov",
    "us-isob": "sc2s.sgov.gov",
    "us-isof": "csp.hci.ic.gov",
    "eu-isoe": "cloud.adc-e.uk",
}


def url_suffix(region: str) -> str:
    """The domain of a region's services, as CloudFormation's `AWS::URLSuffix`: `amazonaws.com` for `eu-west-1`."""
    first, _, rest = region.partition("-")
    return _SUFFIXES.get(first) or _SUFFIXES.get(f"{first}-{rest.partition('-')[0]}", "amazonaws.com")
