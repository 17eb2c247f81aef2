"""Clients of the AWS services that are asked seldom: botocore, loaded on first use, one session for all.

boto3 would add nothing here but 2.5 MB of memory and start-up time.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.session import Session


def client(service: str, region: str, endpoint_url: str | None, **config: Any) -> Any:
    """A client; the callers say of which type.

    Args:
        service: as botocore names it.
        endpoint_url: another address than AWS's own.
        config: of `botocore.config.Config`.
    """
    from botocore.config import Config

    return _session().create_client(service, region_name=region, endpoint_url=endpoint_url, config=Config(**config))


@cache
def _session() -> Session:
    from botocore.session import get_session

    return get_session()
