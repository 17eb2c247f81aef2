"""The service itself, its description, and who is asking."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path

from aws_lambda_powertools.event_handler.api_gateway import Response

from answers import json_response
from auth import ADMIN, NOTHING, TOKEN
from issuer import metadata_url
from request import Request
from routing import Answer, ApiRouter, ok
from waybill.wire import about as wire

router = ApiRouter("Service")


@router.get("/v1/health", "Check that the service is up", needs=NOTHING, answers=ok("The service is up.", wire.Health))
def get_health(request: Request) -> Response[str]:
    return json_response({"status": "ok"})


@router.get(
    "/v1/openapi.json",
    "This description",
    operation_id="getOpenapi",
    needs=NOTHING,
    answers=ok("OpenAPI 3.1; `servers` holds the address that was called.", dict),
)
def get_openapi(request: Request) -> Response[str]:
    """The description that `make openapi` wrote, with the address that was called."""
    document = json.loads(_file("openapi.json"))
    document["servers"] = [{"url": request.base_url}]
    return json_response(document, headers={"Cache-Control": "public, max-age=300"})


@router.get(
    "/v1/docs",
    "The browsable reference",
    needs=NOTHING,
    answers={200: Answer("A page of HTML.", str, media_types=("text/html",))},
)
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


@router.get(
    "/v1/auth-config",
    "Where to sign in",
    needs=NOTHING,
    answers=ok("The issuer of tokens, and what a client of it needs to know to sign somebody in.", wire.AuthConfig),
)
def get_auth_config(request: Request) -> Response[str]:
    settings = request.services.settings
    config: wire.AuthConfig = {
        "issuer": settings.oidc_issuer,
        "clientId": settings.oidc_client_id,
        "region": settings.aws_region,
        "endpoint": settings.aws_endpoint_url if settings.user_pool_id else None,
        "metadataUrl": metadata_url(settings),
        "scope": settings.oidc_scope,
        "resource": settings.oidc_resource or None,
        "passwordSignIn": bool(settings.user_pool_id) and settings.password_sign_in == "on",  # noqa: S105
    }
    return json_response(config)


@router.get(
    "/v1/me",
    "Get the caller",
    needs=TOKEN,
    answers=ok("Name, groups, what is left, and how long jobs are kept.", wire.Me),
)
def get_me(request: Request) -> Response[str]:
    from waybill.sizes import MAX_PREVIEWS, MAX_UNFINISHED_JOBS

    services, caller = request.services, request.caller
    limits: wire.Limits = {
        "unfinishedJobs": {"limit": MAX_UNFINISHED_JOBS, "left": services.unfinished_jobs.left(caller.subject)},
        "previewsPerMinute": {"limit": MAX_PREVIEWS, "left": services.previews.left(caller.subject)},
    }
    settings = services.settings
    retention: wire.Retention = {
        "importSeconds": settings.import_retention_seconds,
        "exportSeconds": settings.export_retention_seconds,
        "filesSeconds": settings.files_retention_seconds,
    }
    me: wire.Me = {
        "name": caller.name,
        "subject": caller.subject,
        "groups": sorted(caller.groups),
        "limits": limits,
        "retention": retention,
    }
    return json_response(me)


@router.get(
    "/v1/groups",
    "List the groups that permissions can name",
    needs=ADMIN,
    answers=ok("Groups of the user pool and of machine clients.", wire.Groups),
)
def list_groups(request: Request) -> Response[str]:
    from waybill.jobs.machine_clients import parse

    services = request.services
    has_pool = bool(services.settings.user_pool_id)
    of_pool = services.user_pool.all_groups() if has_pool else frozenset[str]()
    groups = of_pool.union(*parse(services.settings.machine_clients).values())
    found: wire.Groups = {"names": sorted(groups), "isComplete": has_pool}
    return json_response(found)
