"""The service itself, its description, and who is asking."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path

from web import Request, Response, Route, json_response


def get_health(request: Request) -> Response[str]:
    return json_response({"status": "ok"})


def get_openapi(request: Request) -> Response[str]:
    """The description that `make openapi` wrote, with the address that was called."""
    document = json.loads(_file("openapi.json"))
    document["servers"] = [{"url": request.base_url}]
    return json_response(document, headers={"Cache-Control": "public, max-age=300"})


def get_docs(request: Request) -> Response[str]:
    """The page that `make openapi` wrote. It may use its own style and nothing else (CSP Level 3, section 6.6.2)."""
    html = _file("docs.html")
    style = html[html.index("<style>") + len("<style>") : html.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    nothing_else = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    headers = {
        "Content-Security-Policy": f"{nothing_else}; style-src 'sha256-{digest}'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "public, max-age=300",
    }
    return Response(200, "text/html; charset=utf-8", html, headers)


@cache
def _file(name: str) -> str:
    return (Path(__file__).parent.parent / name).read_text(encoding="utf-8")


def get_auth_config(request: Request) -> Response[str]:
    """What a client needs to sign in when it knows nothing but the address of the API.

    `endpoint` is where the user pool answers, null where that is AWS's own address.
    """
    settings = request.services.settings
    return json_response(
        {
            "issuer": settings.oidc_issuer,
            "clientId": settings.oidc_audience,
            "region": settings.aws_region,
            "endpoint": settings.aws_endpoint_url,
        }
    )


def get_me(request: Request) -> Response[str]:
    caller = request.caller
    return json_response({"name": caller.name, "subject": caller.subject, "groups": sorted(caller.groups)})


ROUTES = [
    Route("GET", "/v1/health", get_health, public=True),
    Route("GET", "/v1/openapi.json", get_openapi, public=True),
    Route("GET", "/v1/docs", get_docs, public=True),
    Route("GET", "/v1/auth-config", get_auth_config, public=True),
    Route("GET", "/v1/me", get_me),
]
