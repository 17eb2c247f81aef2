"""The peer: AWS SDK for pandas (awswrangler), `put_csv`, in its own virtual environment.

Every cell is text, nothing is checked. Needs AWS_* credentials and AWS_CA_BUNDLE in the environment.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import awswrangler
import boto3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--endpoint-url", required=True)
    arguments = parser.parse_args()
    awswrangler.config.dynamodb_endpoint_url = arguments.endpoint_url
    session = boto3.Session(region_name="us-east-1")
    awswrangler.dynamodb.put_csv(arguments.file, "records", session, dtype=str, keep_default_na=False)


if __name__ == "__main__":
    main()
