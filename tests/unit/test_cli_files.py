"""`waybill rejects`, `error-log` and `download`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.cli_service import JOB_ID, Service, offer_file
from waybill_cli.main import main

pytestmark = pytest.mark.usefixtures("home")


def test_rejects_are_saved_to_the_given_output(stack: Service, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = b"_row,_type,_reason,a\r\n2,type-error,x,\xff\r\n"
    offer_file(stack, f"/v1/jobs/{JOB_ID}/rejects", content, 'attachment; filename="contacts.rejects.csv"')
    assert main(["rejects", JOB_ID, "-o", "r.csv", "--json"]) == 0
    assert (home / "r.csv").read_bytes() == content
    digest = hashlib.sha256(content).hexdigest()
    assert json.loads(capsys.readouterr().out) == {"file": "r.csv", "bytes": len(content), "sha256": digest}
    assert "authorization" not in stack.sent("GET", "/signed")[0].headers  # S3 refuses two kinds of credentials


def test_a_download_to_standard_output_prints_only_the_file(
    stack: Service, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    offer_file(stack, f"/v1/jobs/{JOB_ID}/error-log", b"a\xff\n", "attachment")
    assert main(["error-log", JOB_ID, "-o", "-"]) == 0
    assert capfdbinary.readouterr().out == b"a\xff\n"


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("attachment; filename=\"caf_.csv\"; filename*=UTF-8''caf%C3%A9.csv", "café.csv"),
        ('attachment; filename="../../evil.csv"', "evil.csv"),
        ("attachment; filename*=UTF-8''..%2F.bashrc", "bashrc"),
        ("", "download"),
    ],
)
def test_a_file_keeps_its_own_name_without_any_path(stack: Service, home: Path, disposition: str, name: str) -> None:
    offer_file(stack, f"/v1/jobs/{JOB_ID}/download", b"x", disposition)
    assert main(["download", JOB_ID]) == 0
    assert [path.name for path in home.iterdir() if path.is_file()] == [name]


def test_a_template_is_saved_under_its_own_name(stack: Service, home: Path) -> None:
    """The API answers with it, instead of an address."""
    headers = {"Content-Disposition": 'attachment; filename="contacts.xlsx"'}
    stack.routes["GET /v1/entities/contacts/template"] = (200, headers, b"PK\0")
    assert main(["entities", "template", "contacts", "--format", "xlsx"]) == 0
    assert (home / "contacts.xlsx").read_bytes() == b"PK\0"
    assert stack.requests[-1].query == {"format": "xlsx"}
    assert main(["entities", "template", "contacts", "-o", "t.csv"]) == 0
    assert stack.requests[-1].query == {"format": "csv"}
    assert (home / "t.csv").read_bytes() == b"PK\0"


def test_an_existing_file_is_not_overwritten(stack: Service, home: Path) -> None:
    offer_file(stack, f"/v1/jobs/{JOB_ID}/download", b"new", 'attachment; filename="a.csv"')
    (home / "a.csv").write_bytes(b"old")
    assert main(["download", JOB_ID]) == 0
    assert (home / "a.csv").read_bytes() == b"old" and (home / "a-2.csv").read_bytes() == b"new"


def test_a_broken_download_leaves_no_partial_file(
    stack: Service, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offer_file(stack, f"/v1/jobs/{JOB_ID}/download", b"", "")
    stack.routes["GET /signed"] = (200, {"Content-Length": "10", "Connection": "close"}, b"short")
    assert main(["download", JOB_ID, "-o", "a.csv"]) == 1
    assert [path.name for path in home.iterdir()] == [".waybill"]
    assert "Cannot reach" in capsys.readouterr().err


def test_a_missing_rejects_file_gives_one_clear_line(stack: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rejects", JOB_ID]) == 1
    assert capsys.readouterr().err.startswith("waybill: Not found: ")


@pytest.mark.parametrize(
    ("options", "format"),
    [
        (["-o", "kt.xlsx"], "xlsx"),
        (["-o", "KT.XLSX"], "xlsx"),
        (["-o", "kt.csv"], "csv"),
        (["-o", "kt.txt"], "csv"),
        (["-o", "kt", "--format", "xlsx"], "xlsx"),
        ([], "csv"),
    ],
)
def test_a_template_is_what_its_name_says(stack: Service, options: list[str], format: str) -> None:
    headers = {"Content-Disposition": 'attachment; filename="contacts.csv"'}
    stack.routes["GET /v1/entities/contacts/template"] = (200, headers, b"id")
    assert main(["entities", "template", "contacts", *options]) == 0
    [request] = stack.sent("GET", "/v1/entities/contacts/template")
    assert request.query == {"format": format}


@pytest.mark.parametrize(
    "options", [["-o", "kt.xlsx", "--format", "csv"], ["-o", "kt.csv", "--format", "xlsx"], ["-o", "kt.ods"]]
)
def test_a_template_under_a_name_of_another_kind_is_refused(
    stack: Service, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["entities", "template", "contacts", *options]) == 2
    assert "let name and --format say the same" in capsys.readouterr().err
    assert not stack.sent("GET", "/v1/entities/contacts/template")
