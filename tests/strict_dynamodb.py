"""A second opinion on each request to DynamoDB: dynalite validates as AWS does, where moto is more lenient.

A request that moto takes is sent to dynalite as well, once for each form that it has. Only a refusal of the form
counts: dynalite holds other items, so that conditions may fail there. It has no transactions; their actions are sent
singly.
"""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

_TARGET = "DynamoDB_20120810."
#: A check of a condition has no request of its own; of these two, the deletion has the same members.
_ACTIONS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "DeleteItem"}
_WHOLE = ("PutItem", "GetItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchWriteItem", "BatchGetItem")
#: Members that dynalite, which is older, does not know.
_YOUNGER = ("ReturnValuesOnConditionCheckFailure",)
#: Said of a page that begins behind an item, which dynalite need not have.
_OTHER_ITEMS = "The provided starting key is invalid"
_REFUSALS = ("ValidationException", "SerializationException")


class SecondOpinion:
    """Asks dynalite.

    Attributes:
        refused: what it refused, and why.
    """

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)
        self._seen: set[str] = set()
        #: Names of tables → those at dynalite, which keeps its tables: tests give one name to tables of several keys.
        self._tables: dict[str, str] = {}
        self.refused: list[str] = []

    def see(self, target: str, body: bytes) -> None:
        """Look at a request that moto has taken.

        Args:
            target: its header `X-Amz-Target`.
        """
        operation = target.removeprefix(_TARGET)
        if operation == "CreateTable":
            table = _plain_table(json.loads(body))
            described = json.dumps(table, sort_keys=True).encode()
            name, table["TableName"] = table["TableName"], hashlib.sha256(described).hexdigest()
            self._tables[name] = table["TableName"]
            self._ask(operation, table)
        for single, given in _single(operation, body):
            request = self._renamed(given)
            form = json.dumps([single, _form(request)], sort_keys=True)
            if form in self._seen:
                continue
            self._seen.add(form)
            for member in _YOUNGER:
                request.pop(member, None)
            error = self._ask(single, request)
            is_refused = error.get("__type", "").rpartition("#")[2] in _REFUSALS
            if is_refused and _OTHER_ITEMS not in error.get("message", ""):
                self.refused.append(f"{single} {json.dumps(request)[:1_000]}: {error}")

    def _renamed(self, request: dict[str, Any]) -> dict[str, Any]:
        if "RequestItems" in request:
            return {"RequestItems": {self._tables[name]: items for name, items in request["RequestItems"].items()}}
        return {**request, "TableName": self._tables[request["TableName"]]}

    def _ask(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": _TARGET + operation,
            # dynalite wants a signature, and does not check it.
            "Authorization": "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=f, Signature=g",
            "X-Amz-Date": "20260101T000000Z",
        }
        connection = http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=30)
        with closing(connection):
            connection.request("POST", "/", json.dumps(request), headers)
            answer = connection.getresponse()
            error: dict[str, Any] = json.loads(answer.read() or b"{}")
        return error if answer.status != 200 else {}


def _single(operation: str, body: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    if operation in _WHOLE:
        yield operation, json.loads(body)
    elif operation == "TransactWriteItems":
        for action in json.loads(body)["TransactItems"]:
            for kind, request in action.items():
                yield _ACTIONS[kind], request
    elif operation == "TransactGetItems":
        for action in json.loads(body)["TransactItems"]:
            yield "GetItem", action["Get"]


def _plain_table(request: dict[str, Any]) -> dict[str, Any]:
    known = ("TableName", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode")
    return {name: request[name] for name in known if name in request}


def _form(value: Any) -> Any:
    """The request without its values; an empty one is a form of its own."""
    if isinstance(value, dict):
        kind = next(iter(value), "")
        if len(value) == 1 and kind in ("S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"):
            return kind if value[kind] not in ("", [], {}) else f"empty {kind}"
        return {name: _form(member) for name, member in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(_form(member), sort_keys=True) for member in value})
    return value
