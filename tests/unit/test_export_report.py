"""Whoever gets a report can read it, whatever the export is called, and learns nothing secret from it."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waybill.entities.text_formats import is_plain_email
from waybill.exports.report import Mail, is_relaunchable, mail_of, mail_of_import, report_of
from waybill.jobs.model import Counts, Job, Outcome, Process, Status
from waybill.jobs.recipients import check_addresses
from waybill.validation import Problems

START = datetime(2026, 1, 31, 1, 30, tzinfo=UTC)
SFTP = {
    "kind": "sftp", "host": "files.example.com", "port": 2222, "directory": "/in/", "secretId": "the-secret",
    "hostKey": "ssh-ed25519 AAAA", "password": "hunter2",
}  # fmt: skip


def job(**changes: Any) -> Job:
    """A completed export of 34,033 rows, or what `changes` make of it."""
    values: dict[str, Any] = {
        "job_id": "0198c0de-0000-7000-8000-000000000001",
        "process": Process.EXPORT,
        "status": Status.COMPLETED,
        "outcome": Outcome.SUCCESS,
        "entity": "contacts",
        "entity_uid": "uid",
        "file_name": "contacts_20260131.csv",
        "submitted_at": START,
        "started_at": START,
        "completed_at": START + timedelta(seconds=3723, milliseconds=125),
        "started_by": "schedule",
        "counts": Counts(34033, 34033),
        "export_id": "0198c0de-0000-7000-8000-000000000002",
        "window_from": START - timedelta(days=1),
        "window_to": START,
    }
    return Job(**{**values, **changes})


def failed(code: str = "delivery-failed", message: str = "The connection to the host was refused.") -> Job:
    return job(
        status=Status.FAILED, outcome=Outcome.FAILED, counts=Counts(0), error_code=code, error_message=message,
    )  # fmt: skip


def report(of: Job | None = None, **given: Any) -> dict[str, Any]:
    given = {
        "export_name": "Nightly contacts",
        "destination": SFTP,
        "size_bytes": 1234567,
        "sha256": "ab" * 32,
        **given,
    }
    return report_of(of or job(), **given)


def test_everything_that_a_report_lists() -> None:
    assert report() == {
        "jobId": "0198c0de-0000-7000-8000-000000000001",
        "exportId": "0198c0de-0000-7000-8000-000000000002",
        "name": "Nightly contacts",
        "entity": "contacts",
        "process": "export",
        "status": "COMPLETED",
        "outcome": "SUCCESS",
        "startedAt": "2026-01-31T01:30:00.000Z",
        "completedAt": "2026-01-31T02:32:03.125Z",
        "durationSeconds": 3723.125,
        "startedBy": "schedule",
        "fileName": "contacts_20260131.csv",
        "numberOfItems": 34033,
        "counts": {"total": 34033, "processed": 34033, "imported": 34033, "rejected": 0, "unprocessed": 0},
        "sourceId": None,
        "windowFrom": "2026-01-30T01:30:00.000Z",
        "windowTo": "2026-01-31T01:30:00.000Z",
        "delivered": {"kind": "sftp", "location": "sftp://files.example.com:2222/in/contacts_20260131.csv"},
        "bytes": 1234567,
        "sha256": "ab" * 32,
        "files": None,
        "error": None,
        "encryption": None,
        "relaunchable": False,
    }


def test_a_job_alone_has_a_report() -> None:
    """What the job does not hold is null; so is what a job that has not begun does not have yet."""
    bare = report_of(job(status=Status.WAITING, outcome=None, started_at=None, completed_at=None, counts=Counts()))
    nothing = ("name", "outcome", "startedAt", "completedAt", "durationSeconds", "numberOfItems", "delivered", "bytes")
    assert {bare[member] for member in nothing} == {None}
    assert list(bare) == list(report())


@pytest.mark.parametrize(
    ("destination", "location"),
    [
        ({"kind": "download"}, None),
        ({"kind": "s3", "bucket": "box"}, "s3://box/contacts_20260131.csv"),
        ({"kind": "s3", "bucket": "box", "prefix": "a/b/"}, "s3://box/a/b/contacts_20260131.csv"),
        ({"kind": "ftps", "host": "h.example", "directory": "/", "secretId": "x", "caCertificate": "-----BEGIN"},
         "ftps://h.example/contacts_20260131.csv"),
        (SFTP, "sftp://files.example.com:2222/in/contacts_20260131.csv"),
    ],
)  # fmt: skip
def test_where_it_went_without_secrets(destination: dict[str, Any], location: str | None) -> None:
    found = report(destination=destination)
    assert found["delivered"] == {"kind": destination["kind"], "location": location}
    for secret in ("the-secret", "AAAA", "hunter2", "BEGIN"):
        assert secret not in str(found)


def test_what_failed_was_not_delivered() -> None:
    found = report(failed())
    assert found["delivered"] is None
    assert found["error"] == {"code": "delivery-failed", "message": "The connection to the host was refused."}


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (failed("delivery-failed"), True),
        (failed("internal-error"), True),
        (failed("timed-out"), True),
        (failed("no-permission"), True),
        (failed("window-too-old"), False),
        (failed("unknown-entity"), False),
        (failed("something-new"), False),
        (job(), False),
        (job(status=Status.IN_PROGRESS), False),
        (job(process=Process.IMPORT, has_rejects=True, counts=Counts(3, 2, 1)), True),
        (job(process=Process.IMPORT, status=Status.FAILED, error_code="timed-out", counts=Counts(0)), True),
        (job(process=Process.IMPORT, status=Status.FAILED, error_code="empty-file", counts=Counts(0)), False),
        (job(process=Process.IMPORT), False),
        (job(process=Process.IMPORT, has_rejects=True, status=Status.IN_PROGRESS), False),
    ],
)
def test_relaunchable_where_the_reason_allows_it(of: Job, expected: bool) -> None:
    assert is_relaunchable(of) is report(of)["relaunchable"] is expected
    assert report(of, relaunchable=not expected)["relaunchable"] is not expected


def test_the_mail_of_a_success() -> None:
    mail = mail_of(
        report(),
        console_url="https://waybill.example.com/console/#/jobs/1?a=1&b=2",
        next_run=datetime.fromisoformat("2026-02-01T02:30:00+01:00"),
    )
    assert mail.subject == "Waybill: export of contacts completed, 34,033 rows (0198c0de)"
    assert mail.text == (
        "The export Nightly contacts has completed, 34,033 rows.\n"
        "\n"
        "Entity:          contacts\n"
        "File:            contacts_20260131.csv\n"
        "Rows:            34,033\n"
        "Size:            1,234,567 bytes\n"
        f"SHA-256:         {'ab' * 32}\n"
        "Delivered:       sftp://files.example.com:2222/in/contacts_20260131.csv\n"
        "Records written: from 2026-01-30 01:30:00 UTC to before 2026-01-31 01:30:00 UTC\n"
        "Started:         2026-01-31 01:30:00 UTC\n"
        "Ended:           2026-01-31 02:32:03 UTC\n"
        "Duration:        1 h 2 min 3 s\n"
        "Started by:      schedule\n"
        "Job:             0198c0de-0000-7000-8000-000000000001\n"
        "Next run:        2026-02-01 01:30:00 UTC\n"
        "\n"
        "Report: https://waybill.example.com/console/#/jobs/1?a=1&b=2\n"
    )
    assert 'href="https://waybill.example.com/console/#/jobs/1?a=1&amp;b=2"' in mail.html
    assert "<tr><th>Rows</th><td>34,033</td></tr>" in mail.html
    assert same_words(mail)


def test_the_mail_of_a_failure() -> None:
    mail = mail_of(report(failed(), size_bytes=None, sha256=None))
    assert mail.subject == "Waybill: export of contacts failed (delivery-failed) (0198c0de)"
    assert mail.text.startswith(
        "The export Nightly contacts has failed (delivery-failed).\n"
        "\n"
        "Error:           delivery-failed\n"
        "Message:         The connection to the host was refused.\n"
        "What to do:      Check that the destination can be reached, knows the credentials, and has room; then relaunch"
        " the run.\n"
        "Relaunch:        A relaunch of this run can help.\n"
    )
    assert not re.search("Size|SHA|Delivered|Next run|Report", mail.text)
    assert same_words(mail)
    assert "A relaunch of this run does not help." in mail_of(report(failed("window-too-old"))).text


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"),
        (0.25, "0.2 s"),
        (9.9, "9.9 s"),
        (10, "10 s"),
        (59.7, "1 min"),
        (3600, "1 h"),
        (90061, "25 h 1 min 1 s"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    mail = mail_of(report(job(completed_at=START + timedelta(seconds=seconds))))
    assert re.search(r"^Duration: +(.*)$", mail.text, re.M)[1] == shown  # type: ignore[index]


@pytest.mark.parametrize(("count", "shown"), [(0, "0 rows"), (1, "1 row"), (1000, "1,000 rows")])
def test_numbers_of_rows(count: int, shown: str) -> None:
    assert mail_of(report(job(counts=Counts(count, count)))).subject.endswith(f", {shown} (0198c0de)")


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</td></tr></table><h1>Pay here",
    "{opening} {0} %s ${x}",
    "a\r\nBcc: victim@example.com\r\n\r\nbody",
    "a\u2028b\u2029c\x85d\x0be\x00f\x1bg",
    "\u202eevil\u202c gpj.exe",
    "\u2067right\u2066",
    "לקוחות חדשים",
    "عملاء 2026",
    "=?utf-8?q?fake?=",
    "\ud800",
    "é" * 500,
    "&amp; &lt;",
    "😀" * 300,
]


class Words(HTMLParser):
    """The text of a page, and its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] not in ("style", "title"):
            self.words += data.split()


def same_words(mail: Mail) -> bool:
    """The two bodies say the same, in the same order (labels have a colon in one of them)."""
    page = Words()
    page.feed(mail.html[mail.html.index("<body>") :])
    return [word.rstrip(":") for word in page.words] == [word.rstrip(":") for word in mail.text.split()]


def check_harmless(mail: Mail, plain: Mail) -> None:
    assert mail.subject == plain.subject, "a name is not in the subject"
    assert len(mail.text.splitlines()) == len(plain.text.splitlines()), "a name adds no line"
    found, expected = Words(), Words()
    found.feed(mail.html)
    expected.feed(plain.html)
    assert found.tags == expected.tags, "nor an element"
    assert found.attributes == expected.attributes
    for part in mail:
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066\u2067\ud800-\udfff]", part)
        assert part.count("\u2068") == part.count("\u2069")
    sent = EmailMessage(policy=policy.SMTP)
    sent["Subject"] = mail.subject
    sent.set_content(mail.text)
    sent.add_alternative(mail.html, subtype="html")
    received = message_from_bytes(sent.as_bytes(), policy=policy.default)
    # without spaces: Python folds between encoded words, and loses some
    assert "".join(received["Subject"].split()) == "".join(mail.subject.split())
    assert "Bcc" not in received
    body = received.get_body(("html",))
    assert body is not None and body.get_content().replace("\r\n", "\n") == mail.html


def mails(name: str) -> list[tuple[Mail, Mail]]:
    """Mails with a hostile text in every place, and the same ones with a harmless text."""
    pairs = []
    for of in (job(), failed()):
        texts: list[Mail] = []
        for text in (name, "x"):
            changes = {"file_name": text, "started_by": text}
            if of.error_code:
                changes["error_message"] = text
            found = report_of(Job(**{**vars(of), **changes}), export_name=text, destination={**SFTP, "directory": text})
            texts.append(mail_of(found, console_url="https://waybill.example.com/", next_run=START))
        pairs.append((texts[0], texts[1]))
    return pairs


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_words(name: str) -> None:
    for mail, plain in mails(name):
        check_harmless(mail, plain)
        assert same_words(mail)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=250).filter(str.strip))
def test_any_name_stays_words(name: str) -> None:
    for mail, plain in mails(name):
        check_harmless(mail, plain)


def test_names_are_shown_as_they_are() -> None:
    name = '<b>"R&D" exports</b>'
    mail = mail_of(report(export_name=name))
    assert f"The export {name} has" in mail.text
    assert html.escape(name) in mail.html
    hebrew = "לקוחות חדשים"
    assert f"The export \u2068{hebrew}\u2069 has" in mail_of(report(export_name=hebrew)).text


def test_a_long_message_is_cut() -> None:
    text = mail_of(report(failed(message="é" * 5_000))).text
    assert "é" * 999 + "…\n" in text and "é" * 1000 not in text


LONG = "a" * 63


@pytest.mark.parametrize(
    "text",
    [
        "ops@example.com", "a@b.co", "first.last+tag@sub.example.co.uk", "!#$%&'*+/=?^_`{|}~-@example.com",
        "0@0.example", "a@xn--bcher-kva.example", "A@EXAMPLE.COM", "a@1.2.3.example",
        f"{'a' * 64}@example.com",
        f"a@{LONG}.example", f"{'a' * 58}@{LONG}.{LONG}.{LONG}.abc",
    ],
)  # fmt: skip
def test_addresses(text: str) -> None:
    assert is_plain_email(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "a", "a@", "@example.com", "a@b", "a@localhost", "a@@example.com", "a@b@example.com",
        "a b@example.com",
        ".a@example.com", "a.@example.com", "a..b@example.com", '"a b"@example.com', "a@.example.com", "a@example.com.",
        "a@example..com", "a@-example.com", "a@example-.com", "a@exa_mple.com", "a@[192.0.2.1]", "a@192.0.2.1", "a@b.1",
        "a@b.c1", "a@b.c",
        "Ops <ops@example.com>", "<ops@example.com>", "ops@example.com,b@example.com", "ops@example.com;", "a(c)@b.co",
        "a@example.com\n", "\na@example.com", "a@example.com\r\nBcc: b@example.com", "a@exam\nple.com",
        "a\0@example.com",
        " a@example.com", "a@example.com ", "é@example.com", "a@bücher.example", "a@example.c\u043em",
        "a\uff20example.com",
        "\ud800@example.com", f"{'a' * 65}@example.com", f"a@{LONG}a.example", f"{'a' * 59}@{LONG}.{LONG}.{LONG}.abc",
        "mailto:ops@example.com", "a@" + "a." * 50_000 + "com", "a." * 50_000 + "@example.com",
    ],
)  # fmt: skip
def test_no_addresses(text: str) -> None:
    assert not is_plain_email(text)


@settings(deadline=None)
@given(st.text(max_size=20).map(lambda text: text + "@example.com") | st.emails())
def test_an_address_is_safe_in_a_header(text: str) -> None:
    if is_plain_email(text):
        message = EmailMessage()
        message["To"] = text
        assert [address.addr_spec for address in message["To"].addresses] == [text]


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (None, []),
        ([], []),
        (["ops@example.com", "b@example.com"], []),
        ([f"a{number}@example.com" for number in range(50)], []),
        ([f"a{number}@example.com" for number in range(51)], ["/recipients"]),
        ("ops@example.com", ["/recipients"]),
        ({"ops@example.com": True}, ["/recipients"]),
        (["ops", 1, None, ["a@example.com"], "ok@example.com"], [f"/recipients/{number}" for number in range(4)]),
        (
            ["ops@example.com", "b@example.com", "OPS@Example.com", "ops@example.com"],
            ["/recipients/2", "/recipients/3"],
        ),
    ],
)
def test_recipients(value: object, where: list[str]) -> None:
    problems: Problems = []
    found = check_addresses(value, problems)
    assert [path for path, _ in problems] == where
    if not where:
        assert list(found) == (value or [])


IMPORT: dict[str, Any] = {
    "process": Process.IMPORT,
    "entity": "contacts",
    "file_name": "march\r\nBcc: x.csv",
    "counts": Counts(100, 90, 8, 2),
    "outcome": Outcome.PARTIAL_SUCCESS,
    "has_rejects": True,
    "export_id": None,
    "window_from": None,
    "window_to": None,
}


@pytest.mark.parametrize(
    ("changes", "subject", "lines"),
    [
        ({}, "import into contacts completed", ["90 rows imported, 8 rejected because of errors", "Not processed"]),
        ({"dry_run": True}, "dry run of an import into contacts completed", ["Would be imported:"]),
        ({"undo_of": "another"}, "undo of an import into contacts completed", ["Undone:"]),
        ({"status": Status.CANCELED, "counts": Counts(0)}, "import into contacts canceled", ["before it started"]),
        (
            {"status": Status.FAILED, "counts": Counts(0), "error_code": "empty-file", "error_message": "No rows."},
            "import into contacts failed (empty-file)",
            ["Message:", "No rows.", "Correct the file"],
        ),
        (
            {"status": Status.FAILED, "error_code": "timed-out", "error_message": "An outage."},
            "import into contacts failed (timed-out)",
            ["relaunch the import", "A relaunch of this import can help."],
        ),
        ({"warnings": [{"code": "fields-cleared", "message": "They were emptied."}]}, "import", ["They were emptied."]),
    ],
)
def test_the_mail_of_an_import_says_how_it_ended(changes: dict[str, Any], subject: str, lines: list[str]) -> None:
    mail = mail_of_import(job(**{**IMPORT, **changes}), console_url="https://console")
    assert mail.subject.startswith(f"Waybill: {subject}") and mail.subject.endswith("(0198c0de)")
    assert not set("\r\n") & set(mail.subject) and "march" not in mail.subject
    for line in [*lines, "march Bcc: x.csv", "https://console"]:
        assert line in mail.text and html.escape(line).rstrip(":") in mail.html
