"""The addresses of the issuer of tokens."""

from __future__ import annotations

from waybill.settings import Settings


def issuer_url(settings: Settings) -> str:
    """Where the issuer answers, without a slash at the end. A pool of an embedded AWS names its tokens' issuer as AWS
    would, and answers itself."""
    issuer = settings.oidc_issuer.rstrip("/")
    if is_user_pool(settings) and settings.aws_endpoint_url:
        return f"{settings.aws_endpoint_url.rstrip('/')}/{issuer.rpartition('/')[2]}"
    return issuer


def metadata_url(settings: Settings) -> str:
    """Where the issuer's metadata are (OpenID Connect Discovery 1.0, section 4)."""
    return f"{issuer_url(settings)}/.well-known/openid-configuration"


def is_user_pool(settings: Settings) -> bool:
    return settings.oidc_issuer.startswith("https://cognito-idp.")
