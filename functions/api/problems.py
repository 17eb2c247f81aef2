"""Every refusal as a problem document (RFC 9457)."""

from __future__ import annotations

import json
from typing import Any

from waybill.errors import Conflict, InvalidRequest, MethodNotAllowed, Unauthorized, WaybillError
from web import Response

CONTENT_TYPE = "application/problem+json"


def problem(error: WaybillError, instance: str) -> Response[str]:
    """The answer to a request that `error` ended.

    Args:
        instance: path of the request.
    """
    document: dict[str, Any] = {
        "type": f"urn:waybill:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
    }
    headers = {"Cache-Control": "no-store"}
    match error:
        case InvalidRequest():
            # As in the example of RFC 9457, section 3: a JSON Pointer as a URI fragment.
            document["errors"] = [{"pointer": f"#{path}", "detail": detail} for path, detail in error.problems]
        case Conflict():
            document["allowedActions"] = list(error.allowed_actions)
        case MethodNotAllowed():
            headers["Allow"] = ", ".join(error.allow)
        case Unauthorized():
            headers["WWW-Authenticate"] = 'Bearer realm="waybill"'  # RFC 9110, section 11.6.1
    return Response(error.status, CONTENT_TYPE, json.dumps(document), headers)
