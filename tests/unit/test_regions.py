"""Waybill works in every region, those that opened lately and those of other partitions included: no address is that of
one region or partition. The expected hosts are botocore's, which has AWS's list of endpoints; nothing is asked."""

from __future__ import annotations

import urllib.parse

import boto3
import botocore.loaders
import pytest
from botocore.config import Config

from waybill.aws.dynamodb import DynamoDB
from waybill.aws.files import Files
from waybill.aws.partitions import url_suffix
from waybill.aws.sigv4 import Credentials

PARTITIONS = {one["id"]: one for one in botocore.loaders.Loader().load_data("partitions")["partitions"]}
REGIONS = {name: one["outputs"]["dnsSuffix"] for one in PARTITIONS.values() for name in one["regions"]}
#: The oldest, opened after March 2019, younger than many copies of botocore, and two of other partitions.
SEVERAL = ("us-east-1", "eu-south-2", "ap-southeast-5", "cn-north-1", "us-gov-west-1")
BUCKET = "stack-files-abc123"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SK")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def addresses(region: str, endpoint_url: str | None = None, bucket: str = BUCKET) -> list[urllib.parse.SplitResult]:
    """Of a download and of an upload."""
    files = Files(region, endpoint_url)
    download = files.presign_get(bucket, "jobs/a b", "ä.csv", 60)
    upload, _ = files.presign_post(bucket, "uploads/a", 10, 60)
    return [urllib.parse.urlsplit(address) for address in (download, upload)]


@pytest.mark.parametrize("region", SEVERAL)
def test_files_are_sent_and_fetched_at_the_buckets_own_host_in_its_region(region: str) -> None:
    for address in addresses(region):
        assert (address.scheme, address.netloc) == ("https", f"{BUCKET}.s3.{region}.{REGIONS[region]}")


@pytest.mark.parametrize("region", SEVERAL)
def test_waybill_itself_asks_there_too(region: str) -> None:
    asked: list[str] = []

    def note(request: object, **_: object) -> None:
        asked.append(urllib.parse.urlsplit(request.url).netloc)  # type: ignore[attr-defined]
        raise ConnectionAbortedError

    files = Files(region)
    files._s3.meta.events.register("before-send.s3", note)
    with pytest.raises(ConnectionAbortedError):
        files.head(BUCKET, "jobs/a")
    assert asked == [f"{BUCKET}.s3.{region}.{REGIONS[region]}"]


def test_a_name_with_dots_fits_no_certificate_and_goes_into_the_path() -> None:
    for address in addresses("eu-south-2", bucket="files.example.com"):
        assert address.netloc == "s3.eu-south-2.amazonaws.com"
        assert address.path.startswith("/files.example.com")


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:4566", "http://localhost:4566", "https://s3.example.com"])
def test_another_endpoint_has_the_bucket_in_the_path(endpoint: str) -> None:
    download, upload = addresses("eu-south-2", endpoint)
    assert f"{download.scheme}://{download.netloc}" == endpoint == f"{upload.scheme}://{upload.netloc}"
    assert (download.path, upload.path) == (f"/{BUCKET}/jobs/a%20b", f"/{BUCKET}")


@pytest.mark.parametrize("region", [*SEVERAL, "eu-west-1", "us-isob-east-1", "eusc-de-east-1"])
def test_dynamodb_is_where_botocore_finds_it(region: str) -> None:
    theirs = boto3.client("dynamodb", region_name=region, config=Config(account_id_endpoint_mode="disabled"))
    assert DynamoDB(region, credentials=lambda: Credentials("AK", "SK")).endpoint_url == theirs.meta.endpoint_url


def test_every_region_has_the_domain_of_its_partition() -> None:
    regions = {name: suffix for name, suffix in REGIONS.items() if not name.endswith("-global")}
    assert len(regions) > 30
    assert {name: url_suffix(name) for name in regions} == regions


@pytest.mark.parametrize(
    ("name", "saved_as"),
    [
        ("ж" * 500 + ".csv.gz", "ж" * 124 + ".csv.gz"),
        ("ж" * 500 + ".rejects.csv", "ж" * 121 + ".rejects.csv"),
        ("ж" * 500, "ж" * 127),
        ("\U0001f600" * 250 + "." + "x" * 20, "\U0001f600" * 63),
        ("ж" * 125 + ".csv", "ж" * 125 + ".csv"),
    ],
    ids=["extensions", "rejects", "no-extension", "long-extension", "short"],
)
def test_an_address_stays_short_whatever_the_files_name(
    monkeypatch: pytest.MonkeyPatch, name: str, saved_as: str
) -> None:
    """The gateway passes 10,240 bytes of headers. A session token has about 1,000 characters, here all of them
    encoded; a key has at most 1,024 bytes."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "+" * 1_004)
    key = "drop/contacts/" + "ж" * 505
    assert len(key.encode()) == 1_024
    address = Files("eu-south-2").presign_get(BUCKET, key, name, 300)
    assert len(address) < 8_000
    disposition = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)["response-content-disposition"][0]
    assert urllib.parse.unquote(disposition.partition("filename*=UTF-8''")[2]) == saved_as
