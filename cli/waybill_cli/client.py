"""The client library as the commands use it: signed in, with failures that say what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from waybill_cli.downloads import Downloaded, copy, final_path, save
from waybill_cli.failures import Failure, Refusal, Unreachable
from waybill_cli.output import safe
from waybill_cli.profile import Connection
from waybill_cli.signin import SignIn
from waybill_client.client import Client, Progressed, decoded, path_of, problem_of, retry_after_seconds

__all__ = ["Api", "decode", "path_of"]

TOLD_FROM_SECONDS = 5.0


class Api(Client):
    """One connection to the API. Refusals are raised as `Refusal`."""

    user_agent = "waybill-cli"

    def __init__(self, connection: Connection, user: str | None) -> None:
        super().__init__(connection.api_url, lambda: self.sign_in.token())
        self.connection = connection
        self.sign_in = SignIn(self._http, connection, user, self._auth_config)

    def renew(self) -> bool:
        return self.sign_in.renew()

    def refused(self, response: httpx.Response) -> Refusal:
        return Refusal(response.status_code, problem_of(response), retry_after_seconds(response))

    def unreachable(self, request: httpx.Request, reason: str) -> Unreachable:
        if str(request.url).startswith(self.api_url):
            where = f"{self.api_url} ({self.connection.source})"
        else:
            where = f"{request.url.scheme}://{request.url.netloc.decode()}"
        return Unreachable(f"Cannot reach {where}: {reason}", "check the address and the network, then try again")

    def foreign(self) -> Failure:
        return _not_waybill()

    def waits(self, error: Exception, seconds: float) -> None:
        if seconds >= TOLD_FROM_SECONDS:
            print(safe(f"{error} Trying again in {seconds:.0f} s."), file=sys.stderr)

    def fetch(
        self, path: str, target: Path | BinaryIO | None, progressed: Progressed, **query: str | int | None
    ) -> Downloaded:
        """Download the file that a route redirects to (303), or answers with.

        Args:
            target: a file, a folder, an open stream, or None for the file's own name in the current folder, where
                an existing file is not overwritten. A file appears under its name once it is complete.

        Raises:
            Refusal, Unreachable, UsageFailure
        """
        with self.opened(path, progressed, **query) as (headers, chunks):
            if target is None or isinstance(target, Path):
                return save(chunks, final_path(target, headers.get("Content-Disposition")))
            return copy(chunks, target.write, None)

    def _auth_config(self) -> dict[str, Any]:
        url = f"{self.api_url}/v1/auth-config"
        response = self._send(lambda: self._http.build_request("GET", url), repeatable=True)
        if not response.is_success:
            raise self.refused(response)
        config = decode(response)
        if not {"issuer", "clientId", "metadataUrl", "scope"} <= config.keys():
            raise _not_waybill()
        return config


def decode(response: httpx.Response) -> dict[str, Any]:
    """The JSON object in a response."""
    document = decoded(response)
    if document is None:
        raise _not_waybill()
    return document


def _not_waybill() -> Failure:
    return Failure("The response does not come from Waybill.", "check the address: use the API's, without /v1")
