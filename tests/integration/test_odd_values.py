"""Any member of a document may hold anything: it is refused by its place, never a failure of ours.

Libraries raise what nobody expects of odd values: ssl a TypeError for certificates that are not ASCII.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api_builders import ADMIN, CONTACTS, DAILY, EXPORT, Api
from tests.described import description

WEBHOOKS = {"webhooks": [{"url": "https://example.com/", "secretId": "hooks"}]}
MAILS = {"recipients": ["a@example.com"]}
DIALECT = {"dialect": {"delimiter": ";", "headerRows": [1]}}
OPTIONS = DIALECT | {
    **{"encoding": "utf-8", "mode": "merge", "blanks": "keep", "onError": "skip", "maxErrors": 5},
    **{"columns": {"a": "email"}, "unescapeFormulas": True, "keepPrevious": True},
}
SERVER = {"host": "a.example", "port": 22, "directory": "in", "secretId": "partner"}
SERVER |= {"temporaryPrefix": "a", "temporarySuffix": ".part", "temporaryFolder": "tmp"}
PLACES: list[dict[str, Any]] = [
    {"kind": "s3", "bucket": "partner", "prefix": "in"},
    {"kind": "sftp", "hostKey": "SHA256:abc"} | SERVER,
    {"kind": "ftps", "caCertificate": "-----BEGIN CERTIFICATE-----"} | SERVER,
]
ENCRYPTED = {"encryption": {"kind": "age", "recipients": ["age1"]}}
DECRYPTED = {"decryption": {"kind": "age", "secretId": "keys"}}
ENTITY = (
    CONTACTS
    | WEBHOOKS
    | DIALECT
    | {
        **{
            "name": "contacts",
            "database": "crm",
            "dataType": "profile",
            "encoding": "utf-8",
            "columns": {"email": ["a"]},
        },
        **{"permissions": {"view": ["sales"]}, "refuseDuplicates": True, "keepPrevious": True},
        **{"quality": {"maxRejectedPercent": 5, "maxRowsChangePercent": 5, "action": "stop"}},
        "target": {"table": "people", "modifiedAttribute": "changed"},
    }
)
IMPORT = OPTIONS | MAILS | WEBHOOKS | {"entity": "contacts", "uploadId": "", "dryRun": True, "rememberColumns": True}
PERIODIC = (
    EXPORT
    | MAILS
    | WEBHOOKS
    | {
        **{"type": "INCREMENTAL", "format": "csv", "dialect": {"delimiter": ";"}, "compression": "gzip"},
        **{"fileName": "contacts_$yyyyMMdd.csv", "filter": [{"field": "email", "op": "eq", "value": "a@example.com"}]},
        **{
            "schedule": DAILY | {"days": ["mon"]},
            "split": {"maxRows": 10},
            "escapeFormulas": True,
            "includeDeleted": True,
        },
    }
)
SOURCE = (
    MAILS
    | WEBHOOKS
    | {
        **{
            "name": "Orders",
            "entity": "contacts",
            "pattern": "*.csv",
            "after": "move",
            "moveTo": "done",
            "order": "name",
        },
        **{"schedule": {"every": "PT1H", "timezone": "UTC"}, "options": OPTIONS},
    }
)
DOCUMENTS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("EntityRequest", "PUT", "/entities/contacts", ENTITY),
    ("ImportRequest", "POST", "/imports", IMPORT),
    *(("ExportRequest", "POST", "/exports", PERIODIC | {"destination": each | ENCRYPTED}) for each in PLACES),
    *(("SourceRequest", "POST", "/sources", SOURCE | {"location": each | DECRYPTED}) for each in PLACES),
]
ODD_VALUES: list[Any] = [
    *(None, 7, -1.5, 10**400, "", "x" * 5_000, "\x0b\N{SNOWBOARDER}", "\ud800"),
    *([], ["\x0b\N{SNOWBOARDER}"], {}, {"kind": []}),
]


def places(value: Any) -> list[tuple[str | int, ...]]:
    """Of all values in a document: the way to each."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *rest) for key, each in inside for rest in places(each))]


def changed(value: Any, place: tuple[str | int, ...], to: Any) -> Any:
    if not place:
        return to
    copied = value.copy()
    copied[place[0]] = changed(value[place[0]], place[1:], to)
    return copied


@pytest.mark.usefixtures("tester")
@pytest.mark.parametrize(
    ("schema", "method", "path", "document"), DOCUMENTS, ids=[f"{each[0]}{at}" for at, each in enumerate(DOCUMENTS)]
)
def test_any_member_may_hold_anything(api: Api, schema: str, method: str, path: str, document: dict[str, Any]) -> None:
    api.put_contacts()
    if "uploadId" in document:
        document = document | {"uploadId": api.upload()}
    assert set(document) == set(description()["components"]["schemas"][schema]["properties"])
    assert "unknown" not in str(api(method, path, ADMIN, body=document).json), "all members are known"
    for place in places(document):
        for odd in ODD_VALUES:
            answer = api(method, path, ADMIN, body=json.dumps(changed(document, place, odd)))
            assert answer.status < 500, (place, odd, answer.json)
