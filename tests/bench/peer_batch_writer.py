"""The peer: what a Python programmer writes first, `csv.DictReader` into boto3's `batch_writer`.

Every cell is text, nothing is checked. Needs AWS_* credentials and AWS_CA_BUNDLE in the environment.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import boto3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--endpoint-url", required=True)
    arguments = parser.parse_args()
    dynamodb = boto3.resource("dynamodb", region_name="us-east-1", endpoint_url=arguments.endpoint_url)
    with arguments.file.open(encoding="utf-8", newline="") as file, dynamodb.Table("records").batch_writer() as batch:
        for row in csv.DictReader(file):
            batch.put_item(Item=row)


if __name__ == "__main__":
    main()
