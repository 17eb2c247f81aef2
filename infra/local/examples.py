"""What a new `make up` starts with: the demo's cities, so that there is something to look at."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

from infra.local.cities import write_cities
from infra.local.demo import ENTITY, SCHEMA, Api
from infra.local.deploy import USERS
from infra.local.stack import LocalStack


def add_examples(running: LocalStack) -> None:
    """Define the entity `cities`, and drop a file with some invalid rows for it, unless the stack has entities.

    Raises:
        DemoError: the API refused.
    """
    with contextlib.closing(Api(running.stack)) as api, tempfile.TemporaryDirectory(prefix="waybill-") as folder:
        if api.call("GET", "entities?limit=1")["items"]:
            return
        groups = USERS["alice"]
        permissions = {right: groups for right in ("view", "import", "export")}
        entity = {
            "title": "Cities",
            "schema": json.loads(SCHEMA.read_text(encoding="utf-8")),
            "permissions": permissions,
        }
        api.call("PUT", f"entities/{ENTITY}", entity)
        source = Path(folder) / "cities.csv"
        write_cities(source)
        running.clients("s3").upload_file(str(source), running.stack["dropBucket"], f"drop/{ENTITY}/{source.name}")
