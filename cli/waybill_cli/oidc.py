"""OpenID Connect with the issuer of tokens: in a browser with PKCE (RFC 7636) that returns to this machine (RFC 8252),
by a code on another device (RFC 8628), for a program (RFC 6749, section 4.4); and renewal and revocation (RFC 7009).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import http.server
import secrets
import time
import urllib.parse
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from waybill_cli.failures import Failure, Unreachable

# The template registers them with the user pool, which takes no other address than localhost without TLS. It also is
# the address of an outside issuer's client.
PORTS = (47811, 47812, 47813)
WAIT_SECONDS = 300.0
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_PAUSE_SECONDS = 5.0  # between two questions whether the person has signed in (RFC 8628, section 3.5)


@dataclass(frozen=True)
class Tokens:
    """`expires_at` is the expiry of `access`, in epoch seconds."""

    access: str
    refresh: str | None
    expires_at: float


class Refused(Failure):
    """The issuer refused; `error` is its code (RFC 6749, section 5.2)."""

    def __init__(self, error: str, reason: str, *next_steps: str) -> None:
        super().__init__(f"Sign-in refused: {reason}", *next_steps)
        self.error = error


class Issuer:
    """
    Args:
        http: sends requests.
        config: the response of `GET /v1/auth-config`.
        say: shows a line to the person.
    """

    def __init__(self, http: httpx.Client, config: Mapping[str, Any], say: Callable[[str], None]) -> None:
        self._http = http
        self._config = config
        self._say = say
        self._metadata = self._get_metadata()

    def sign_in_with_browser(self, open_browser: bool) -> Tokens:
        """Let a person sign in at the issuer's page, which returns to this machine.

        Args:
            open_browser: False only shows the address.

        Raises:
            Failure: the issuer refused, or nobody signed in for five minutes.
        """
        verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        with _Loopback(state, str(self._config["issuer"])) as loopback:
            address = self._address(
                response_type="code",
                client_id=self._config["clientId"],
                redirect_uri=loopback.url,
                scope=self._config["scope"],
                state=state,
                code_challenge=challenge,
                code_challenge_method="S256",
                **self._resource(),
            )
            opened = open_browser and webbrowser.open(address)
            self._say("Sign in in your browser." if opened else "Open this address to sign in:")
            self._say(address)
            code = loopback.wait()
        return self._tokens(
            grant_type="authorization_code", code=code, redirect_uri=loopback.url, code_verifier=verifier
        )

    @property
    def offers_device_flow(self) -> bool:
        return isinstance(self._metadata.get("device_authorization_endpoint"), str)

    def sign_in_with_device(self) -> Tokens:
        """Let a person sign in on another device, with a code that is shown here.

        Raises:
            Failure: the issuer refused, or the code expired.
        """
        url = self._endpoint("device_authorization_endpoint")
        form = {"client_id": self._config["clientId"], "scope": self._config["scope"], **self._resource()}
        answer = self._post(url, form)
        self._say(f"Open {answer['verification_uri']} on any device and enter the code {answer['user_code']}")
        if answer.get("verification_uri_complete"):
            self._say(f"or open {answer['verification_uri_complete']}")
        pause = float(answer.get("interval", _PAUSE_SECONDS))
        deadline = time.monotonic() + float(answer["expires_in"])
        while time.monotonic() < deadline:
            time.sleep(pause)
            try:
                return self._tokens(grant_type=_DEVICE_GRANT, device_code=answer["device_code"])
            except Refused as refusal:
                if refusal.error == "slow_down":
                    pause += _PAUSE_SECONDS
                elif refusal.error != "authorization_pending":
                    raise
        raise Failure("Nobody signed in before the code expired.", "run `waybill login` again")

    def sign_in_as_program(self, client_id: str, secret: str) -> Tokens:
        """A token for a machine client itself.

        Raises:
            Failure: the issuer refused.
        """
        quoted = [urllib.parse.quote(text, safe="") for text in (client_id, secret)]  # RFC 6749, section 2.3.1
        form = {"grant_type": "client_credentials", **self._resource()}
        return _tokens_of(self._post(self._endpoint("token_endpoint"), form, auth=(quoted[0], quoted[1])))

    def renew(self, refresh_token: str) -> Tokens:
        """New tokens. An issuer that rotates refresh tokens takes the old one back.

        Raises:
            Refused: the session has ended.
        """
        renewed = self._tokens(grant_type="refresh_token", refresh_token=refresh_token)
        return Tokens(renewed.access, renewed.refresh or refresh_token, renewed.expires_at)

    def revoke(self, refresh_token: str) -> None:
        """Take a refresh token back, and with it the session, where the issuer can.

        Raises:
            Failure: the issuer refused.
        """
        url = self._metadata.get("revocation_endpoint")
        if isinstance(url, str):
            self._post(url, {"token": refresh_token, "client_id": self._config["clientId"]}, empty=True)

    def _tokens(self, **form: str) -> Tokens:
        whole = {"client_id": self._config["clientId"], **form, **self._resource()}
        return _tokens_of(self._post(self._endpoint("token_endpoint"), whole))

    def _resource(self) -> dict[str, str]:
        resource = self._config.get("resource")
        return {"resource": str(resource)} if resource else {}

    def _address(self, **query: str) -> str:
        parts = urllib.parse.urlsplit(self._endpoint("authorization_endpoint"))
        pairs = [*urllib.parse.parse_qsl(parts.query), *query.items()]
        return urllib.parse.urlunsplit(parts._replace(query=urllib.parse.urlencode(pairs)))

    def _endpoint(self, name: str) -> str:
        url = self._metadata.get(name)
        if not isinstance(url, str):
            raise Failure(f"The issuer {self._config['issuer']} does not say where its {name} is.")
        return url

    def _get_metadata(self) -> Mapping[str, Any]:
        url = str(self._config["metadataUrl"])
        try:
            document = self._http.get(url).raise_for_status().json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            raise Unreachable(f"The identity provider at {url} does not respond", "try again") from None
        if not isinstance(document, dict) or document.get("issuer") != self._config["issuer"]:
            raise Failure(f"The metadata at {url} are not those of the issuer {self._config['issuer']}.")
        return document

    def _post(
        self, url: str, form: Mapping[str, str], auth: tuple[str, str] | None = None, *, empty: bool = False
    ) -> dict[str, Any]:
        try:
            answer = self._http.post(url, data=dict(form), auth=auth or httpx.USE_CLIENT_DEFAULT)
            document = {} if empty and answer.is_success else answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            raise Unreachable(f"The identity provider at {url} does not respond", "try again") from None
        if not answer.is_success or not isinstance(document, dict):
            found = document if isinstance(document, dict) else {}
            error = str(found.get("error") or f"HTTP {answer.status_code}")
            if answer.status_code >= 500:
                raise Unreachable(f"The identity provider at {url} failed: {error}", "try again")
            raise Refused(error, str(found.get("error_description") or error), "sign in with `waybill login`")
        return document


def _tokens_of(answer: Mapping[str, Any]) -> Tokens:
    if not isinstance(answer.get("access_token"), str):
        raise Failure("The identity provider's response holds no access token.")
    refresh = answer.get("refresh_token")
    lifetime_seconds = float(answer.get("expires_in") or 300)
    return Tokens(answer["access_token"], refresh if isinstance(refresh, str) else None, time.time() + lifetime_seconds)


class _Loopback:
    """A server on this machine that waits for the person's browser to return from the issuer.

    Args:
        state: only a return with it counts: a page of somebody else's cannot hand in its own code.
        issuer: a return that names another issuer is refused (RFC 9207).
    """

    def __init__(self, state: str, issuer: str) -> None:
        self._state = state
        self._issuer = issuer
        self._returned: dict[str, str] = {}

    def __enter__(self) -> _Loopback:
        loopback = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, text = loopback._receive(urllib.parse.urlsplit(self.path))
                body = f"<!doctype html><title>Waybill</title><p>{html.escape(text)}</p>".encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        for port in PORTS:
            try:
                self._server = http.server.HTTPServer(("127.0.0.1", port), Handler)
            except OSError:
                continue
            self._server.timeout = 0.5
            self.url = f"http://localhost:{port}/"
            return self
        raise Failure(
            f"The ports {', '.join(map(str, PORTS))} of this machine are all in use.",
            "end the other `waybill login`, or sign in with `waybill login --no-browser` elsewhere",
        )

    def __exit__(self, *_: object) -> None:
        self._server.server_close()

    def wait(self) -> str:
        """The code that the issuer gave out.

        Raises:
            Failure: it refused, or nobody came for five minutes.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._returned:
            if time.monotonic() > deadline:
                raise Failure("Nobody signed in for five minutes.", "run `waybill login` again")
            self._server.handle_request()
        if "code" not in self._returned:
            error = self._returned.get("error", "no code")
            raise Refused(error, self._returned.get("error_description") or error, "run `waybill login` again")
        return self._returned["code"]

    def _receive(self, address: urllib.parse.SplitResult) -> tuple[int, str]:
        query = dict(urllib.parse.parse_qsl(address.query))
        if address.path != "/" or not hmac.compare_digest(query.get("state", "").encode(), self._state.encode()):
            return 404, "This is not the address of a sign-in that waits."
        if query.get("iss", self._issuer) != self._issuer:
            query = {"error": "another issuer", "error_description": "another identity provider answered"}
        self._returned = query
        if "code" in query:
            return 200, "You are signed in. You can close this window and return to the terminal."
        return 400, "You are not signed in. The terminal says why."
