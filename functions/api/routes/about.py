"""The service itself, and who is asking."""

from __future__ import annotations

from web import Request, Response, Route, json_response


def get_health(request: Request) -> Response[str]:
    return json_response({"status": "ok"})


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
    Route("GET", "/v1/auth-config", get_auth_config, public=True),
    Route("GET", "/v1/me", get_me),
]
