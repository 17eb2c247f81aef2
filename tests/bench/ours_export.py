"""Ours: scan a table into a file with Waybill's own client, encoder and file writer, over the real wire.

S3 is this machine's disk; everything else is the product's: signing, TLS with certificate checks, rows, container,
checksum, multipart writer. Prints one JSON line. `--load-s3` loads the S3 client that the product writes with, so
that its memory counts. Needs AWS_* credentials and AWS_CA_BUNDLE in the environment.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from make_files import NARROW
from ours_import import LocalFiles

from waybill.aws.dynamodb import DynamoDB
from waybill.entities.model import Entity
from waybill.exports.compression import Compression
from waybill.exports.definition import Definition, ExportType
from waybill.exports.encoder import RowEncoder
from waybill.exports.file_writer import FileWriter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--endpoint-url", required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--format", choices=("csv", "jsonl", "xlsx", "parquet"), required=True)
    parser.add_argument("--compression", choices=("none", "gzip", "zip"), default="none")
    parser.add_argument("--load-s3", action="store_true")
    arguments = parser.parse_args()
    entity = Entity("7f9c24e5-5a3c-4c8a-9a53-0f6e6f7cbb0a", "offers", NARROW, title="offers")
    definition = Definition(
        name="offers",
        entity="offers",
        type=ExportType.ONE_SHOT,
        fields=None,
        filter=(),
        format=arguments.format,
        dialect={},
        compression=Compression(arguments.compression),
        file_name="offers",
        schedule=None,
        destination={"kind": "download"},
        recipients=(),
        webhooks=(),
        escape_formulas=True,
        include_deleted=False,
    )
    files = LocalFiles(arguments.file.parent, arguments.endpoint_url, arguments.load_s3)
    output = files.writer("", arguments.file.name)
    dynamodb = DynamoDB("us-east-1", arguments.endpoint_url)
    encoder = RowEncoder(entity, definition)
    writer = FileWriter(definition, encoder.columns, output, moment=datetime.now(UTC))
    writer.begin()
    request: dict[str, Any] = {"TableName": arguments.table, "ConsistentRead": True}
    while True:
        page = encoder.encode(dynamodb.call_bytes("Scan", request))
        writer.write(page.data, page.rows)
        if page.last_key is None:
            break
        request["ExclusiveStartKey"] = page.last_key
    written = writer.end()
    output.close()
    print(json.dumps({"rows": written.rows, "sizeBytes": written.size_bytes, "sha256": written.sha256}))


if __name__ == "__main__":
    main()
