"""The function that serves the console's files, and nothing else."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api_builders import load_function

Get = Callable[..., dict[str, Any]]
SIGN_IN = "https://waybill-1a2b.auth.eu-west-1.amazoncognito.com"
METADATA = {"token_endpoint": f"{SIGN_IN}/oauth2/token", "revocation_endpoint": f"{SIGN_IN}/oauth2/revoke"}


@pytest.fixture
def get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Get:
    """GET a path of a console that was built to these files."""
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<head>\n</head>")
    for name in ("a-1.js", "a-1.js.br", "a-1.js.gz"):
        (static / "assets" / name).write_text(name)
    (tmp_path / "docs" / "assets").mkdir(parents=True)
    for name in ("index.html", "operate.html", "operate.html.gz", "assets/main.css", "assets/search.js"):
        (tmp_path / "docs" / name).write_text(f"docs {name}")
    (tmp_path / "app.py").write_text("secret")
    module = load_function("console")
    policy = vars(module)["page_policy"].__globals__
    monkeypatch.setattr(module, "STATIC", static)
    monkeypatch.setattr(module, "DOCS", tmp_path / "docs")
    monkeypatch.setenv("OIDC_ISSUER", "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc")
    monkeypatch.setitem(policy, "_metadata", lambda issuer: METADATA)
    monkeypatch.setenv("FILES_HOST", "files.s3.eu-west-1.amazonaws.com")

    def call(path: str, **headers: str) -> dict[str, Any]:
        event = {"rawPath": path, "headers": headers, "requestContext": {"apiId": "abc"}}
        answer: dict[str, Any] = module.handler(event, None)
        answer["body"] = base64.b64decode(answer["body"]).decode()
        return answer

    call.policy = policy  # type: ignore[attr-defined]
    return call


@pytest.mark.parametrize(
    ("path", "base"), [("/console/", "./"), ("/console/imports", "./"), ("/console/entities/a/schema", "../../")]
)
def test_every_screen_is_the_page_with_its_addresses_counted_from_the_root(get: Get, path: str, base: str) -> None:
    answer = get(path)
    assert answer["statusCode"] == 200
    assert f'<base href="{base}" />' in answer["body"]
    assert answer["headers"]["cache-control"] == "no-cache"


def test_the_address_without_its_slash_leads_to_the_one_with_it(get: Get) -> None:
    answer = get("/console")
    assert (answer["statusCode"], answer["headers"]["location"]) == (308, "console/")


def test_the_embedded_aws_takes_the_slash_off(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert '<base href="/_aws/execute-api/abc/console/" />' in get("/console")["body"]


@pytest.mark.parametrize(
    ("accepted", "body"),
    [("gzip, deflate, br", "a-1.js.br"), ("gzip;q=1.0", "a-1.js.gz"), ("identity", "a-1.js"), ("", "a-1.js")],
)
def test_hashed_files_are_compressed_and_kept_for_good(get: Get, accepted: str, body: str) -> None:
    answer = get("/console/assets/a-1.js", **{"accept-encoding": accepted})
    assert answer["body"] == body
    assert answer["headers"]["content-type"] == "text/javascript"
    assert "immutable" in answer["headers"]["cache-control"]


@pytest.mark.parametrize("path", ["../app.py", "assets/../../app.py", "/etc/passwd", "..%2fapp.py", "assets/..", "//"])
def test_no_path_leads_out_of_the_files(get: Get, path: str) -> None:
    assert "secret" not in get(f"/console/{path}")["body"]
    assert "secret" not in get(f"/docs/{path}")["body"]


def test_a_file_of_an_older_build_is_missing_rather_than_the_page(get: Get) -> None:
    assert get("/console/assets/a-0.js")["statusCode"] == 404


def test_a_console_that_was_not_built_says_so(get: Get, tmp_path: Path) -> None:
    (tmp_path / "static" / "index.html").unlink()
    answer = get("/console/imports")
    assert answer["statusCode"] == 404
    assert "make console" in answer["body"]


def test_nothing_from_elsewhere_runs_in_the_page(get: Get) -> None:
    headers = get("/console/")["headers"]
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"].split() == [
        "'self'",
        "https://cognito-idp.eu-west-1.amazonaws.com",
        "https://files.s3.eu-west-1.amazonaws.com",
        SIGN_IN,
    ]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def connects(answer: dict[str, Any]) -> list[str]:
    policy = answer["headers"]["content-security-policy"]
    return next(part for part in policy.split("; ") if part.startswith("connect-src")).split()[2:]


@pytest.mark.parametrize(
    ("document", "origins"),
    [
        ({"token_endpoint": "https://tokens.example.com:8443/t"}, ["https://tokens.example.com:8443"]),
        ({"token_endpoint": "https://a.example; script-src *", "revocation_endpoint": "javascript:alert(1)"}, []),
        (None, []),
    ],
    ids=["elsewhere", "no address", "an outage"],
)
def test_the_page_may_call_where_the_issuer_says_that_it_gives_out_tokens(
    get: Get, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any] | None, origins: list[str]
) -> None:
    def metadata(issuer: str) -> dict[str, Any]:
        if document is None:
            raise OSError
        return document

    monkeypatch.setenv("OIDC_ISSUER", "https://login.example.com/tenant")
    monkeypatch.setitem(get.policy, "_metadata", metadata)  # type: ignore[attr-defined]
    expected = ["https://login.example.com", "https://files.s3.eu-west-1.amazonaws.com", *origins]
    assert sorted(connects(get("/console/"))) == sorted(expected)


def test_the_embedded_aws_is_the_issuer_too(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert connects(get("/console/")) == ["http://127.0.0.1:1"]


def test_the_root_of_the_service_leads_to_the_console(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = get("/")
    assert (answer["statusCode"], answer["headers"]["location"]) == (307, "console/")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert get("/")["headers"]["location"] == "/_aws/execute-api/abc/console/"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/docs/", "docs index.html"),
        ("/docs/operate.html", "docs operate.html"),
        ("/docs/operate.md", "docs operate.html"),  # as alarms name it
        ("/docs/operate", "docs operate.html"),
        ("/anything/docs/index.html", "docs index.html"),
    ],
)
def test_pages_of_the_documentation_run_nothing_from_elsewhere(get: Get, path: str, body: str) -> None:
    answer = get(path)
    assert (answer["statusCode"], answer["body"]) == (200, body)
    headers = answer["headers"]
    assert headers["content-type"] == "text/html; charset=utf-8" and headers["cache-control"] == "no-cache"
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers.keys() == get("/console/")["headers"].keys() | {"vary"}


def test_files_of_the_documentation_are_compressed_and_kept_where_their_names_change(get: Get) -> None:
    assert get("/docs/operate.html", **{"accept-encoding": "gzip, br"})["body"] == "docs operate.html.gz"
    assert "immutable" in get("/docs/assets/main.css")["headers"]["cache-control"]
    assert "script-src" not in get("/docs/assets/search.js")["headers"]["content-security-policy"]
    assert get("/docs/gone.html")["statusCode"] == get("/docs/assets/gone.js")["statusCode"] == 404


def test_the_documentation_without_its_slash_leads_to_its_first_page(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = get("/docs")
    assert (answer["statusCode"], answer["headers"]["location"]) == (307, "docs/index.html")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert get("/docs")["headers"]["location"] == "/_aws/execute-api/abc/docs/index.html"


def test_documentation_that_was_not_built_says_so(get: Get, tmp_path: Path) -> None:
    (tmp_path / "docs" / "index.html").unlink()
    answer = get("/docs/operate.html")
    assert answer["statusCode"] == 404 and "make docs" in answer["body"]
