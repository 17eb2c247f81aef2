"""Refuses a deployment whose parameters contradict each other, which the template's own rules cannot say: they have no
arithmetic. CloudFormation calls it as a custom resource, whenever a parameter that functions read has another value.

The answer's `Revision` stands for the values that all functions read, and `{X}Revision` for these and those that only
function X is configured with. One of them is the description of the versions that a function is published as:
CloudFormation publishes a new version when it changes.
"""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Mapping
from typing import Any

from contradictions import contradiction


def handler(event: dict[str, Any], context: object) -> None:
    """Check the properties of the custom resource, and answer CloudFormation at the address that it gave.

    Source: AWS CloudFormation User Guide, *Custom resource request types* and *response objects*.
    """
    properties = event["ResourceProperties"]
    try:
        reason = "" if event["RequestType"] == "Delete" else contradiction(properties["Read"] | properties["Other"])
    except Exception as error:  # without an answer, the deployment would wait for an hour
        reason = f"the parameters cannot be read: {error!r}"
    answer = {
        "Status": "FAILED" if reason else "SUCCESS",
        "Reason": reason,
        "PhysicalResourceId": "parameters",
        "Data": revisions(properties["Read"], properties.get("Own", {})),
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    body = json.dumps(answer).encode()
    # The presigned address was signed for an empty content type. It is CloudFormation's own.
    request = urllib.request.Request(event["ResponseURL"], body, {"content-type": ""}, method="PUT")  # noqa: S310
    urllib.request.urlopen(request, timeout=20).close()  # noqa: S310  # nosec B310


def revisions(read: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return texts that are the same for the same values.

    Args:
        read: what all functions read.
        own: function → what only this function is configured with.
    """
    return {"Revision": _digest(read)} | {f"{name}Revision": _digest([read, values]) for name, values in own.items()}


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
