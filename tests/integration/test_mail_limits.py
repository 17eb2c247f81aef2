"""Nobody makes Waybill a relay of mail: neither to any address, nor in any number, nor with words of one's own before
the mail is opened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests import builders
from tests.api_builders import EXPORT, PERIODIC, Api
from tests.importing import run, start
from tests.integration.test_export_runs import end, export_of
from waybill.aws.events import NotPublished
from waybill.aws.mail import MailDelayed, MailRefused, MailUnreachable
from waybill.bootstrap import Services
from waybill.exports.run import activate, run_now
from waybill.imports.undo import undo_import
from waybill.jobs.model import Job, Status
from waybill.settings import Settings
from waybill.upkeep import announcements
from waybill.upkeep.actions import cancel_job, delete_job
from waybill.upkeep.announcements import publish_late

SENDER = "Waybill <reports@Example.com>"


class Outside:
    """What leaves the service: the mails by recipient and subject, and the metrics of mails that did not leave.

    Attributes:
        fails: what the next mails meet.
        delayed: what the mails to these recipients meet.
    """

    def __init__(self) -> None:
        self.mails: list[tuple[str, str]] = []
        self.withheld = 0
        self.fails: list[Exception] = []
        self.delayed: dict[str, Exception] = {}

    def send(self, recipient: str, subject: str, text: str, html: str) -> None:
        if self.fails:
            raise self.fails.pop(0)
        if recipient in self.delayed:
            raise self.delayed[recipient]
        self.mails.append((recipient, subject))

    def count(self, dimensions: dict[str, str], **metrics: int) -> None:
        self.withheld += metrics.get("MailsWithheld", 0)

    @property
    def recipients(self) -> list[str]:
        return [recipient for recipient, _ in self.mails]


@pytest.fixture
def mailing(services: Services, clock: builders.Clock) -> Services:
    built = Services(replace(services.settings, mail_sender=SENDER, mails_per_day=3), clock)
    built.caller_groups = services.caller_groups
    return built


@pytest.fixture
def outside(mailing: Services, monkeypatch: pytest.MonkeyPatch) -> Outside:
    outside = Outside()
    monkeypatch.setattr(mailing.mailer, "send", outside.send)
    monkeypatch.setattr(announcements, "count", outside.count)
    return outside


def ran(services: Services, *recipients: str, **members: Any) -> Job:
    body = PERIODIC | {"recipients": list(recipients), "destination": {"kind": "s3"}} | members
    body |= {"fileName": f"f{services.ids.random_bytes(8).hex()}.csv"}
    return end(services, run_now(services, activate(services, export_of(services, **body), "alice", "a"), "alice", "a"))


@pytest.mark.parametrize(
    ("sender", "listed", "domains"),
    [
        ("", "", set()),
        ("", "example.com", set()),
        ("waybill@example.com", "", {"example.com"}),
        (SENDER, "", {"example.com"}),
        ("waybill@example.com", " Partner.example , ops.example.com,", {"partner.example", "ops.example.com"}),
    ],
)
def test_the_domains(sender: str, listed: str, domains: set[str]) -> None:
    changes = {"mail_sender": sender, "recipient_domains": listed}
    settings: Settings = builders.settings(None, **changes)
    assert settings.mail_domains == domains


def test_other_domains_are_refused_when_an_export_is_saved_copied_and_activated(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put_contacts()
    foreign = ["a@evil.example", "b@sub.example.com", "c@example.com.evil.example", "d@EXAMPLE.com", "e@example.co"]
    answer = api("POST", "/exports", body=EXPORT | {"recipients": foreign})
    assert (answer.status, answer.pointers) == (422, [f"#/recipients/{number}" for number in (0, 1, 2, 4)])
    detail = answer.json["errors"][0]["detail"]
    assert detail == "must be an address of example.com (parameter RecipientDomains)"
    draft = api("POST", "/exports", body=EXPORT | PERIODIC | {"recipients": ["ops@example.com"]}).json
    path = f"/exports/{draft['exportId']}"
    assert api("PUT", path, body=EXPORT | {"recipients": foreign[:1]}).pointers == ["#/recipients/0"]
    # The operator may change the domains later.
    narrowed = replace(api.services.settings, recipient_domains="partner.example")
    monkeypatch.setattr(api.services, "settings", narrowed)
    for action, body in (("activate", None), ("copy", {"name": "A copy"})):
        assert api("POST", f"{path}/{action}", body=body).pointers == ["#/recipients/0"]


def test_what_was_saved_before_is_mailed_to_the_domains_of_today_only(mailing: Services, outside: Outside) -> None:
    job = ran(mailing, "a@evil.example", "ops@example.com", "b@evil.example")
    assert job.status is Status.COMPLETED
    assert (outside.recipients, outside.withheld) == (["ops@example.com"], 2)


def test_a_day_has_so_many_mails(mailing: Services, outside: Outside, clock: builders.Clock) -> None:
    both = ("a@example.com", "b@example.com")
    assert [ran(mailing, *both).status for _ in range(3)] == [Status.COMPLETED] * 3
    assert outside.recipients == ["a@example.com", "b@example.com", "a@example.com"]
    assert outside.withheld == 3
    clock.forward(days=1)
    assert publish_late(mailing) == 0  # what was withheld is not sent the day after
    ran(mailing, *both)
    assert len(outside.mails) == 5


def test_a_mail_that_is_not_taken_does_not_count(mailing: Services, outside: Outside, clock: builders.Clock) -> None:
    outside.fails = [MailDelayed("Throttling"), MailDelayed("Throttling")]
    ran(mailing, "a@example.com")
    for _ in range(3):
        clock.forward(minutes=20)
        publish_late(mailing)
    assert outside.recipients == ["a@example.com"]
    outside.fails = [MailRefused("MessageRejected")]
    ran(mailing, "gone@example.com", "b@example.com")
    assert (outside.recipients, outside.withheld) == (["a@example.com", "b@example.com"], 0)
    ran(mailing, "c@example.com")
    assert (outside.recipients[2:], outside.withheld) == ([], 1)  # one that was refused counts


@pytest.fixture
def statuses(mailing: Services, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The events that reach the bus."""
    told: list[str] = []
    monkeypatch.setattr(mailing.events, "publish", lambda kind, detail, resources: told.append(detail["status"]))
    return told


def late(services: Services, clock: builders.Clock, hours: int) -> None:
    for _ in range(hours):
        clock.forward(hours=1, minutes=1)
        publish_late(services)


def test_a_delayed_mail_delays_no_other_and_repeats_none(
    mailing: Services, outside: Outside, statuses: list[str], clock: builders.Clock
) -> None:
    """Nor is the event published again, nor what was withheld counted again."""
    mailing.daily_mails._limit = 1_000
    outside.delayed = dict.fromkeys(("b@example.com", "e@example.com"), MailDelayed("TooManyRequestsException"))
    ran(mailing, "a@example.com", "b@example.com", "c@evil.example", "d@example.com", "e@example.com")
    assert outside.recipients == ["a@example.com", "d@example.com"]
    for delayed in ("b@example.com", "e@example.com"):
        late(mailing, clock, hours=10)
        assert outside.withheld == 1
        del outside.delayed[delayed]
    late(mailing, clock, hours=2)
    assert outside.recipients == ["a@example.com", "d@example.com", "b@example.com", "e@example.com"]
    assert statuses == ["WAITING", "IN_PROGRESS", "COMPLETED"]


def test_an_event_that_is_delayed_repeats_no_mail(
    mailing: Services, outside: Outside, clock: builders.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise NotPublished("the bus is down")

    monkeypatch.setattr(mailing.events, "publish", fail)
    ran(mailing, "a@example.com", "b@example.com")
    late(mailing, clock, hours=3)
    assert outside.recipients == ["a@example.com", "b@example.com"]


def test_mails_beyond_the_limit_of_a_day_are_withheld_once_although_one_before_is_delayed(
    mailing: Services, outside: Outside, clock: builders.Clock
) -> None:
    mailing.daily_mails._limit = 1
    outside.delayed = {"a@example.com": MailDelayed("TooManyRequestsException")}
    ran(mailing, "a@example.com", "b@example.com", "c@example.com")
    assert (outside.recipients, outside.withheld) == (["b@example.com"], 1)
    clock.forward(hours=1)
    publish_late(mailing)
    assert (outside.recipients, outside.withheld) == (["b@example.com"], 2)
    late(mailing, clock, hours=30)
    assert (outside.recipients, outside.withheld) == (["b@example.com"], 2)


def test_while_ses_does_not_respond_each_attempt_asks_it_once(
    mailing: Services, outside: Outside, clock: builders.Clock
) -> None:
    """Fifty recipients must not keep the minute for as many timeouts."""
    outside.fails = [MailUnreachable("ConnectTimeoutError"), MailUnreachable("ConnectTimeoutError")]
    ran(mailing, "a@example.com", "b@example.com")
    assert (outside.recipients, len(outside.fails)) == ([], 1)
    late(mailing, clock, hours=1)
    assert (outside.recipients, len(outside.fails)) == ([], 0)
    late(mailing, clock, hours=1)
    assert outside.recipients == ["a@example.com", "b@example.com"]


def test_a_deployment_may_send_none(mailing: Services, outside: Outside) -> None:
    mailing.daily_mails._limit = 0
    ran(mailing, "a@example.com")
    assert (outside.mails, outside.withheld) == ([], 1)


def test_a_subject_holds_no_words_of_an_exporter(mailing: Services, outside: Outside) -> None:
    job = ran(mailing, "a@example.com", name="URGENT: reset your password\r\nBcc: everybody@example.com")
    assert outside.mails == [("a@example.com", f"Waybill: export of contacts completed, 0 rows ({job.job_id[:8]})")]


GOOD = builders.contacts_csv(count=1)


def dropped(services: Services, s3: Any, data: bytes = GOOD, **metadata: str) -> Job:
    job = start(services, s3, data, **({"recipients": "ops@example.com, b@example.com"} | metadata))
    return job if job.is_terminal else run(services, job)


def test_whoever_an_import_names_gets_its_report_once(
    mailing: Services, outside: Outside, s3: Any, clock: builders.Clock
) -> None:
    mailing.entities.put(builders.entity())
    job = dropped(mailing, s3)
    subject = f"Waybill: import into contacts completed ({job.job_id[:8]})"
    assert outside.mails == [("ops@example.com", subject), ("b@example.com", subject)]
    late(mailing, clock, hours=2)
    dropped(mailing, s3, GOOD + GOOD, recipients="")
    assert len(outside.mails) == 2


def test_imports_are_held_to_the_domains_and_the_limit_of_a_day(mailing: Services, outside: Outside, s3: Any) -> None:
    mailing.entities.put(builders.entity())
    job = dropped(mailing, s3, recipients="ops@evil.example")
    assert (job.status, job.error_code, outside.mails) == (Status.FAILED, "source-error", [])
    assert job.error_message is not None and "recipients/0 must be an address of example.com" in job.error_message
    waiting = start(mailing, s3, GOOD, recipients="ops@example.com, a@example.com")
    object.__setattr__(mailing.settings, "recipient_domains", "partner.example")
    run(mailing, waiting)
    assert (outside.mails, outside.withheld) == ([], 2)
    object.__setattr__(mailing.settings, "recipient_domains", "")
    mailing.daily_mails._limit = 1
    dropped(mailing, s3)
    assert (outside.recipients, outside.withheld) == (["ops@example.com"], 3)


def test_a_file_that_is_refused_is_told_and_one_that_is_canceled(mailing: Services, outside: Outside, s3: Any) -> None:
    dropped(mailing, s3)
    assert ["failed (unknown-entity)" in subject for _, subject in outside.mails] == [True, True]
    mailing.entities.put(builders.entity())
    dropped(mailing, s3, mode="wipe", recipients="ops@example.com")
    assert "failed (source-error)" in outside.mails[-1][1]
    mailing.daily_mails._limit = 100
    cancel_job(mailing, start(mailing, s3, GOOD, recipients="ops@example.com"))
    assert "import into contacts canceled" in outside.mails[-1][1]


def test_the_undo_of_an_import_is_told_to_the_same(mailing: Services, outside: Outside, s3: Any) -> None:
    mailing.daily_mails._limit = 100
    mailing.entities.put(builders.entity())
    job = dropped(mailing, s3, keep_previous="true", recipients="ops@example.com")
    run(mailing, undo_import(mailing, job, "alice", "a"))
    assert "undo of an import into contacts completed" in outside.mails[-1][1]


def test_the_report_of_a_deleted_import_is_not_sent(
    mailing: Services, outside: Outside, s3: Any, clock: builders.Clock
) -> None:
    mailing.entities.put(builders.entity())
    outside.delayed = {"ops@example.com": MailDelayed("Throttling")}
    delete_job(mailing, dropped(mailing, s3, recipients="ops@example.com"))
    outside.delayed = {}
    late(mailing, clock, hours=2)
    assert outside.mails == []


def test_the_recipients_of_an_import_are_checked_when_it_is_asked_for(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put_contacts()
    body = {"uploadId": api.upload(), "recipients": ["ops@example.com", "a@evil.example", "ops@example.com", 1]}
    answer = api("POST", "/imports", body=body)
    assert (answer.status, answer.pointers) == (422, [f"#/recipients/{number}" for number in (2, 3, 1)])
    job = api("POST", "/imports", body=body | {"recipients": ["ops@example.com"]})
    assert job.status == 202 and "ops@example.com" not in str(job.json)
    assert api.services.jobs.get(job.json["jobId"]).recipients == ["ops@example.com"]
    monkeypatch.setattr(api.services, "settings", replace(api.services.settings, mail_sender=""))
    answer = api("POST", "/imports", body={"uploadId": api.upload(), "recipients": ["ops@example.com"]})
    assert answer.pointers == ["#/recipients"]
