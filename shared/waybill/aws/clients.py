"""boto3's session, shared by all clients of the AWS services that are asked seldom.

boto3 is loaded with the first client, not with this module: it costs 0.2 s of start-up.
"""

from __future__ import annotations

import gzip
import json
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config
    from botocore.session import Session as BotocoreSession


@cache
def session() -> Session:
    from boto3.session import Session

    return Session(botocore_session=_core())


def _core() -> BotocoreSession:
    import botocore.session

    core = botocore.session.get_session()
    core.get_component("data_loader").file_loader = ModelFiles()
    return core


def assumed_session(role_arn: str, external_id: str | None, region: str, endpoint_url: str | None) -> Session:
    """A session with the credentials of a role, which it gets with the first request and renews before they expire.

    Requests raise botocore's ClientError of the operation `AssumeRole` where the role may not be assumed.
    """
    from boto3.session import Session
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    core, own = _core(), session()._session
    source = own.get_credentials()
    if source is None:
        raise LookupError("no AWS credentials")
    arguments = {"RoleSessionName": "waybill", **({"ExternalId": external_id} if external_id else {})}
    fetcher = AssumeRoleCredentialFetcher(
        partial(own.create_client, region_name=region, endpoint_url=endpoint_url), source, role_arn, arguments
    )
    core._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")  # type: ignore[attr-defined]
    return Session(botocore_session=core)


def limit_requests(seconds: float, attempts: int) -> None:
    """Let clients that are made from here on wait for an answer so long, and send a request so often."""
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=seconds, retries={"total_max_attempts": attempts})
    session()._session.set_default_client_config(config)


def limits() -> Config | None:
    """What `limit_requests` has set, for clients with a configuration of their own."""
    config: Config | None = session()._session.get_default_client_config()
    return config


class ModelFiles:
    """Reads botocore's models of services into plain dictionaries: its own reader's OrderedDicts take 3.6 MB more for
    S3 (`botocore.loaders.JSONFileLoader`)."""

    def exists(self, file_path: str) -> bool:
        return any(Path(file_path + suffix).is_file() for suffix in (".json", ".json.gz"))

    def load_file(self, file_path: str) -> Any:
        """The model; None when there is no such file.

        Args:
            file_path: without its suffix.
        """
        plain, packed = Path(file_path + ".json"), Path(file_path + ".json.gz")
        if plain.is_file():
            return json.loads(plain.read_bytes())
        return json.loads(gzip.decompress(packed.read_bytes())) if packed.is_file() else None
