"""Every refusal as a problem document (RFC 9457)."""

from __future__ import annotations

from itertools import takewhile
from typing import Any
from urllib.parse import quote

from aws_lambda_powertools.event_handler.api_gateway import Response

from waybill.errors import Conflict, InvalidRequest, MethodNotAllowed, Unauthorized, WaybillError
from waybill.sizes import PageBytes, json_text

CONTENT_TYPE = "application/problem+json"
_FRAGMENT = "/~!$&'()*+,;=:@?"  # what a fragment takes as it is (RFC 3986, section 3.5)


def problem(error: WaybillError, instance: str) -> Response[str]:
    """The answer to a request that `error` ended.

    Args:
        instance: path of the request.
    """
    document: dict[str, Any] = {
        "type": f"urn:waybill:problem:{error.code}",  # explained by the page of GET /v1/docs
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
    }
    headers = {"Cache-Control": "no-store"}
    if instance.startswith("/v1/"):
        # What the type means; relative to the request, which may have a prefix that is not seen here (RFC 8288).
        headers["Link"] = f'<{"../" * (instance.count("/") - 2)}docs#problem-{error.code}>; rel="help"'
    match error:
        case InvalidRequest():
            # As in the example of RFC 9457, section 3: a JSON Pointer as a URI fragment (RFC 6901, section 6).
            problems = ({"pointer": f"#{quote(path, _FRAGMENT)}", "detail": detail} for path, detail in error.problems)
            document["errors"] = list(takewhile(PageBytes(document).takes, problems))
        case Conflict():
            document["allowedActions"] = list(error.allowed_actions)
        case MethodNotAllowed():
            headers["Allow"] = ", ".join(error.allow)
        case Unauthorized():
            headers["WWW-Authenticate"] = 'Bearer realm="waybill"'  # RFC 9110, section 11.6.1
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    return Response(error.status, CONTENT_TYPE, json_text(document), headers)
