"""A deployment whose parameters contradict each other is refused with words, not found out by the files it loses."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from infra.local.package import load_template
from tests.api_builders import load_function

app = load_function("parameters")
PROPERTIES = load_template()["Resources"]["Parameters"]["Properties"]
DEFAULTS = {name: str(parameter.get("Default")) for name, parameter in load_template()["Parameters"].items()}


def properties(**changed: object) -> dict[str, Any]:
    """The resource's properties as CloudFormation sends them: every value is text, and lists are lists."""
    values: dict[str, Any] = DEFAULTS | {name: str(value) for name, value in changed.items()}
    for name, parameter in load_template()["Parameters"].items():
        if parameter["Type"] == "CommaDelimitedList":
            values[name] = values[name].split(",")
    groups = {group: {name: values[name] for name in PROPERTIES[group]} for group in ("Read", "Other")}
    for name, value in PROPERTIES["Other"].items():
        if "Fn::Join" in value:
            groups["Other"][name] = ",".join(values[name])
    return {"ServiceToken": "arn", "ServiceTimeout": "60", **groups}


@pytest.fixture
def cloudformation() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(the address for answers, the answers)."""
    answers: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            assert self.headers["content-type"] == ""
            answers.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/answer", answers
        server.shutdown()
        thread.join()


def answer(cloudformation: tuple[str, list[dict[str, Any]]], kind: str, resource: dict[str, Any]) -> dict[str, Any]:
    address, answers = cloudformation
    ids = {"StackId": "stack", "RequestId": "request", "LogicalResourceId": "Parameters"}
    app.handler({**ids, "RequestType": kind, "ResponseURL": address, "ResourceProperties": resource}, None)
    assert answers[-1].items() >= ids.items()
    return answers[-1]


def test_the_defaults_fit_together(cloudformation: tuple[str, list[dict[str, Any]]]) -> None:
    assert answer(cloudformation, "Create", properties())["Status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("seconds", "days", "needed"),
    [(6 * 86_400, 7, None), (6 * 86_400 + 1, 7, 8), (7 * 86_400, 7, 8), (30 * 86_400, 7, 31), (1, 1, 2), (1, 2, None)],
)
def test_files_are_not_deleted_before_their_retention_is_over(
    cloudformation: tuple[str, list[dict[str, Any]]], seconds: int, days: int, needed: int | None
) -> None:
    """A file exists for up to a day before its job ends, from when its retention counts."""
    resource = properties(FilesRetentionSeconds=seconds, LifecycleDays=days)
    said = answer(cloudformation, "Update", resource)
    assert said["Status"] == ("FAILED" if needed else "SUCCESS")
    if needed:
        assert f"FilesRetentionSeconds={seconds}" in said["Reason"]
        assert f"set LifecycleDays to at least {needed}" in said["Reason"]


NUMBERS = {name for name, parameter in load_template()["Parameters"].items() if parameter["Type"] == "Number"}


@pytest.mark.parametrize("value", ["2.5", "1e3", "1E3", "+1", "1.0", " 1"])
def test_numbers_that_functions_read_are_whole(value: str) -> None:
    """CloudFormation's Number takes all of these; the functions' settings are integers."""
    read = sorted(name for name in NUMBERS if name in PROPERTIES["Read"] or name in PROPERTIES["Other"])
    assert len(read) > 8
    for name in read:
        resource = properties(**{name: value})
        assert f"{name}={value} is no whole number" in app.contradiction(resource["Read"] | resource["Other"])


ROLE = "arn:aws:iam::111122223333:role/waybill"


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ({"OidcIssuer": "https://login.example.com"}, "OidcAudience"),
        ({"OidcAudience": "waybill"}, "OidcIssuer"),
        ({"DeliverySubnetIds": "subnet-1,subnet-2"}, "DeliverySecurityGroupIds"),
        ({"DeliverySecurityGroupIds": "sg-1"}, "DeliverySubnetIds"),
        ({"DomainName": "waybill.example.com"}, "DomainCertificateArn"),
        ({"DomainCertificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/1"}, "DomainName"),
        ({"HostedZoneId": "Z1"}, "DomainName"),
        ({"RecipientDomains": "example.com"}, "MailSender"),
        ({"ForeignBuckets": json.dumps({"partner-in": {"roleArn": ROLE}})}, "ForeignBucketRoles"),
    ],
)
def test_a_parameter_that_does_nothing_or_harm_without_another_is_refused(given: dict[str, str], needed: str) -> None:
    other = {"OidcIssuer": "https://login.example.com", "ForeignBucketRoles": f"arn:aws:iam::1:role/x,{ROLE}"}
    other["DomainCertificateArn"] = "arn:aws:acm:us-east-1:111122223333:certificate/1"
    if given.get("HostedZoneId") or given.get("DomainCertificateArn"):
        given = given | {"DomainCertificateArn": other["DomainCertificateArn"]}
    alone = properties(**given)
    said = app.contradiction(alone["Read"] | alone["Other"])
    assert needed in said
    assert set(given) & set(said.replace(",", " ").split())
    together = properties(**given | {needed: other.get(needed, "a.example.com")})
    assert app.contradiction(together["Read"] | together["Other"]) == ""


def test_a_stack_with_any_parameters_can_be_deleted(cloudformation: tuple[str, list[dict[str, Any]]]) -> None:
    resource = properties(FilesRetentionSeconds=30 * 86_400, LifecycleDays=1)
    assert answer(cloudformation, "Delete", resource)["Status"] == "SUCCESS"


def test_an_unexpected_request_is_answered_so_that_the_deployment_does_not_wait(
    cloudformation: tuple[str, list[dict[str, Any]]],
) -> None:
    resource = properties(FilesRetentionSeconds="many")
    said = answer(cloudformation, "Create", resource)
    assert (said["Status"], "many" in said["Reason"]) == ("FAILED", True)


def test_the_revision_changes_with_what_functions_read_and_with_nothing_else() -> None:
    def revision(**changed: object) -> str:
        return str(app.revisions(properties(**changed)["Read"], {})["Revision"])

    assert revision() == revision(LifecycleDays=30)
    assert len({revision(), revision(WorkersPerJob=5), revision(MailSender="a@example.com")}) == 3
    assert len(revision()) <= 256  # the longest description of a version
