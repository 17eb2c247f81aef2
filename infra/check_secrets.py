"""`make check-secrets`: list the secrets of deliveries that do not say what they are for.

A delivery uses a secret only for the server and the entities that its members `host` and `entities` name. This reads
the secrets with the credentials of whoever runs it, and prints names, never values. It exits 1 if a secret lacks either
member or cannot be read.

    python -m infra.check_secrets [--prefix waybill/]   # the stack's name and a slash, or its SecretPrefix
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.deploy import failure_text, region_of
from waybill.jobs.bound_secrets import missing_bindings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.check_secrets", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--prefix",
        default="waybill/",
        help="the stack's SecretPrefix, or its name and a slash",
    )
    prefix = parser.parse_args().prefix
    try:
        found = list(faults(prefix, boto3.client("secretsmanager", region_name=region_of(os.environ))))
    except (BotoCoreError, ClientError) as error:
        print(f"make check-secrets: {failure_text(error)}", file=sys.stderr)
        return 1
    for name, fault in found:
        print(f"{name}: {fault}")
    print(f"{len(found)} of the secrets {prefix}* must be corrected.", file=sys.stderr)
    return 1 if found else 0


def faults(prefix: str, secrets: Any) -> Iterator[tuple[str, str]]:
    """The secrets that deliveries refuse whatever they are for: name, and what is wrong. `secrets` is a client."""
    for page in secrets.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": [prefix]}]):
        for name in (each["Name"] for each in page["SecretList"]):
            if not name.startswith(prefix):  # the filter ignores case
                continue
            try:
                value = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])
            except ClientError as error:
                yield name, f"cannot be read ({error.response['Error']['Code']})"
                continue
            except (KeyError, ValueError):
                value = None
            if not isinstance(value, dict):
                yield name, "is not a JSON object"
            elif missing := missing_bindings(value):
                yield name, f"lacks {' and '.join(missing)}"


if __name__ == "__main__":
    sys.exit(main())
