"""moto as a server (our own wire is no boto3 to be patched), and the services of one test on it."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests import builders
from waybill.bootstrap import Services


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def clock() -> builders.Clock:
    return builders.Clock()


@pytest.fixture
def empty_moto_url(moto_url: str) -> str:
    """The server, with nothing on it (moto keeps one state per process)."""
    with urllib.request.urlopen(urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")):
        return moto_url


@pytest.fixture
def services(empty_moto_url: str, clock: builders.Clock) -> Iterator[Services]:
    """Fresh tables, buckets and state machines on the moto server, and services with a clock that stands still."""
    wanted = builders.settings(empty_moto_url)
    builders.create_resources(empty_moto_url, wanted)
    built = Services(wanted, clock)
    yield built
    built.dynamodb.close()


@pytest.fixture
def s3(moto_url: str):  # type: ignore[no-untyped-def]
    return boto3.client("s3", endpoint_url=moto_url, region_name="us-east-1")
