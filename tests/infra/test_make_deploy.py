"""`make deploy`, against the embedded AWS: the SAM CLI is replaced by the same calls of CloudFormation."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import infra.deploy
from infra.local.claim import LocalStackError, free_port
from infra.local.deploy import Clients, deploy
from infra.local.embedded import EmbeddedAws
from infra.local.stack import LOCAL_PARAMETERS

pytestmark = pytest.mark.slow

EMAIL = "ada@example.com"


class Sam:
    """Deploys as `sam deploy` would, and keeps the parameters that it was given."""

    def __init__(self, clients: Clients) -> None:
        self.clients, self.calls = clients, list[dict[str, str]]()

    def __call__(self, stack: str, region: str, parameters: Mapping[str, str], environment: Mapping[str, str]) -> None:
        given = dict(parameters)
        self.calls.append(given)
        previous = infra.deploy.describe(self.clients("cloudformation"), stack)
        kept = {p["ParameterKey"]: p["ParameterValue"] for p in previous["Parameters"]} if previous else {}
        local = {name: value for name, value in LOCAL_PARAMETERS.items() if name != "DeletionProtection"}
        try:
            deploy(self.clients, local | kept | given)
        except LocalStackError as error:
            raise infra.deploy.DeployError(str(error)) from error


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[Clients]:
    with contextlib.ExitStack() as at_the_end:
        aws = EmbeddedAws(tmp_path, port=free_port(), persist=False)
        at_the_end.callback(aws.stop)
        yield at_the_end.enter_context(contextlib.closing(Clients(aws.endpoint)))


@pytest.fixture
def sam(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> Sam:
    made = Sam(clients)
    monkeypatch.setattr(infra.deploy, "run_sam", made)
    for name in ("STACK", "PARAMETERS", "ADMIN_EMAIL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ENDPOINT_URL": clients.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    return made


def pool_of(clients: Clients) -> dict[str, Any]:
    cognito = clients("cognito-idp")
    [pool] = cognito.list_user_pools(MaxResults=10)["UserPools"]
    found: dict[str, Any] = cognito.describe_user_pool(UserPoolId=pool["Id"])["UserPool"]
    return found


def admins(clients: Clients) -> list[dict[str, Any]]:
    users = clients("cognito-idp").list_users_in_group(UserPoolId=pool_of(clients)["Id"], GroupName="admin")["Users"]
    return [user | {a["Name"]: a["Value"] for a in user["Attributes"]} for user in users]


def tables_are_protected(clients: Clients) -> set[bool]:
    dynamodb = clients("dynamodb")
    names = dynamodb.list_tables()["TableNames"]
    return {dynamodb.describe_table(TableName=name)["Table"]["DeletionProtectionEnabled"] for name in names}


def test_the_first_deployment_protects_data_makes_the_admin_and_says_what_to_do_next(
    sam: Sam, clients: Clients, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADMIN_EMAIL", EMAIL)
    monkeypatch.setenv("PARAMETERS", "WriteConnections=5 LogRetentionDays=90")
    assert infra.deploy.main() == 0
    assert sam.calls == [{"WriteConnections": "5", "LogRetentionDays": "90", "DeletionProtection": "after-creation"}]
    assert tables_are_protected(clients) == {True}
    assert pool_of(clients)["DeletionProtection"] == "ACTIVE"
    [admin] = admins(clients)
    assert (admin["email"], admin["email_verified"], admin["UserStatus"]) == (EMAIL, "true", "FORCE_CHANGE_PASSWORD")
    printed = capsys.readouterr().out
    [stack] = clients("cloudformation").describe_stacks(StackName="waybill")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    for wanted in (outputs["ConsoleUrl"], outputs["ApiUrl"], outputs["DropBucket"], f"as {EMAIL}", "waybill entities"):
        assert wanted in printed

    # again: the parameters, the protection and the admin stay
    monkeypatch.delenv("PARAMETERS")
    assert infra.deploy.main() == 0
    assert sam.calls[1] == {}
    assert tables_are_protected(clients) == {True}
    assert len(admins(clients)) == 1
    assert "is a user already" in capsys.readouterr().out


def test_a_first_deployment_that_fails_leaves_nothing_and_can_be_repeated(
    sam: Sam, clients: Clients, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARAMETERS", "FilesRetentionSeconds=2592000")
    assert infra.deploy.main() == 1
    assert "set LifecycleDays to at least 31" in capsys.readouterr().err
    assert clients("dynamodb").list_tables()["TableNames"] == []
    monkeypatch.setenv("PARAMETERS", "FilesRetentionSeconds=2592000 LifecycleDays=31")
    assert infra.deploy.main() == 0
    assert tables_are_protected(clients) == {True}
    assert "Without an admin, run `make deploy ADMIN_EMAIL=…`" in capsys.readouterr().out
    assert admins(clients) == [], "nobody was there to be asked"


@pytest.mark.parametrize("interrupted", ["run_sam", "switch_protection_on"])
def test_a_run_that_is_interrupted_before_it_protects_the_data_is_completed_by_the_next(
    interrupted: str,
    sam: Sam,
    clients: Clients,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def then_interrupt(*arguments: Any) -> None:
        if interrupted == "run_sam":
            sam(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(infra.deploy, interrupted, then_interrupt)
        assert infra.deploy.main() == 1
    assert tables_are_protected(clients) == {False}
    assert infra.deploy.main() == 0
    assert tables_are_protected(clients) == {True}
    assert pool_of(clients)["DeletionProtection"] == "ACTIVE"
    assert "an earlier run ended before it protected the tables and the user pool" in capsys.readouterr().out
    assert infra.deploy.main() == 0
    assert "protect" not in capsys.readouterr().out


def test_a_next_deployment_that_fails_has_protected_the_data_before(
    sam: Sam, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(infra.deploy, "switch_protection_on", lambda *_: pytest.fail("interrupted"))
        with pytest.raises(pytest.fail.Exception):
            infra.deploy.main()
    monkeypatch.setenv("PARAMETERS", "FilesRetentionSeconds=2592000")
    assert infra.deploy.main() == 1
    assert tables_are_protected(clients) == {True}


def test_a_stack_whose_changes_were_not_wanted_is_created_as_one_that_never_was(
    sam: Sam, clients: Clients, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """CloudFormation keeps a stack in review for the change set, and sam creates it the next time."""
    cloudformation = clients("cloudformation")

    def review_only(*_: Any) -> None:
        cloudformation.create_change_set(
            StackName="waybill",
            ChangeSetName="declined",
            ChangeSetType="CREATE",
            TemplateBody='{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}',
        )

    def create(*arguments: Any) -> None:
        cloudformation.delete_stack(StackName="waybill")  # the stand-in for sam cannot create over it
        sam(*arguments)

    monkeypatch.setattr(infra.deploy, "run_sam", review_only)
    assert infra.deploy.main() == 1
    [stack] = cloudformation.describe_stacks(StackName="waybill")["Stacks"]
    assert stack["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert "not deployed: the changes were not wanted" in capsys.readouterr().err
    monkeypatch.setattr(infra.deploy, "run_sam", create)
    assert infra.deploy.main() == 0
    assert sam.calls == [{"DeletionProtection": "after-creation"}]
    assert tables_are_protected(clients) == {True}


def test_a_name_that_is_too_long_is_refused_for_a_new_stack_only(
    sam: Sam, clients: Clients, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a" * (infra.deploy.LONGEST_STACK_NAME + 1)
    monkeypatch.setenv("STACK", name)
    assert infra.deploy.main() == 1
    assert f"{name} has 23 characters, at most 22 are allowed" in capsys.readouterr().err
    assert sam.calls == []
    template = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    clients("cloudformation").create_stack(StackName=name, TemplateBody=template)
    clients("cloudformation").get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    monkeypatch.setattr(infra.deploy, "run_sam", lambda *_: sam.calls.append({}))
    with pytest.raises(KeyError):  # it has no outputs
        infra.deploy.main()
    assert sam.calls == [{}], "whoever has one can update it"


def test_users_of_an_outside_issuer_are_made_there(
    sam: Sam, clients: Clients, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PARAMETERS", "OidcIssuer=https://login.example.com OidcAudience=waybill DeletionProtection=off")
    assert infra.deploy.main() == 0
    assert tables_are_protected(clients) == {False}, "as was wanted"
    printed = capsys.readouterr().out
    assert "sign in with https://login.example.com; give the first admin the group `admin`" in printed
    assert "not protected against deletion" in printed


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"ADMIN_EMAIL": "ada"}, "ada is not an e-mail address"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_CONFIG_FILE": os.devnull}, "no region"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SHARED_CREDENTIALS_FILE": os.devnull}, "no credentials: set AWS_PROFILE"),
    ],
)
def test_what_is_missing_is_said_in_one_line_before_anything_is_deployed(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_sam(*_: object) -> None:
        pytest.fail("deployed")

    monkeypatch.setattr(infra.deploy, "run_sam", run_sam)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test"} | variables).items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    assert infra.deploy.main() == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"make deploy: {said}")


#: A value for each way in which quotes, spaces, backslashes and dollars could be lost.
VALUES = {
    "OidcScope": "openid email",
    "MachineClients": '{"client-id": ["ops", "two words"]}',
    "ForeignBuckets": '{"bucket":{"owner":"111122223333","externalId":"a=b, c"}}',
    "TargetTables": "one,two",
    "MailSender": "Ж \"x\" 'y' <a@example.com>",
    "RecipientDomains": "",
    "SecretPrefix": "back\\slash\\ \\\" \\' end\\",
    "OidcResource": "$HOME $(HOME) ${HOME} `id` # %",
    "OidcIssuer": "ParameterKey=a,ParameterValue=b",
    "OidcAudience": "file://x",
    "WorkersPerJob": "8",
}


def test_values_of_parameters_come_from_make_to_the_sam_cli_as_they_are(tmp_path: Path) -> None:
    """The recipe of make with another python, then SAM's own parser."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nprintf %s "$PARAMETERS" > {tmp_path}/handed-over\n')
    python.chmod(0o755)
    given = " ".join(f"{name}={value}" for name, value in VALUES.items() if name != "OidcAudience")
    given += ' OidcAudience="file://x"'
    program = tmp_path / "sam"
    parser = "import sys, json; from samcli.cli.types import CfnParameterOverridesType as Parameters; "
    parser += "print(json.dumps(Parameters().convert((sys.argv[1],), None, None)))"
    program.write_text(
        '#!/bin/sh\nwhile [ "$1" != --parameter-overrides ]; do shift; done\n'
        f"exec {infra.deploy.SAM.parent / 'python'} -c '{parser}' \"$2\" > {tmp_path}/parsed\n"
    )
    program.chmod(0o755)
    without = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    make = ("make", "--no-print-directory", "-o", "build", "-o", f"{tmp_path}/.local", "deploy", f"VENV={tmp_path}")
    for command, environment in (
        ((*make, f"PARAMETERS={given}"), without),
        (make, without | {"PARAMETERS": given}),
    ):
        subprocess.run(command, cwd=infra.deploy.ROOT, env=environment, check=True, timeout=60)
        assert (tmp_path / "handed-over").read_text() == given
    parameters = infra.deploy.parse_parameters(given, infra.deploy.load_template()["Parameters"])
    assert parameters == VALUES
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(infra.deploy, "SAM", program)
        infra.deploy.run_sam("crm", "eu-west-1", parameters, {})
    assert json.loads((tmp_path / "parsed").read_text()) == VALUES


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ("", {}),
        ("  A=1\n\tB=2 ", {"A": "1", "B": "2"}),
        ("A='1 B=2' B=\"it's\"", {"A": "1 B=2", "B": "it's"}),
        ("A= B=", {"A": "", "B": ""}),
        ("A=x==y, z B=''", {"A": "x==y, z", "B": ""}),
    ],
)
def test_a_value_reaches_to_the_next_name_or_its_closing_quote(text: str, parameters: dict[str, str]) -> None:
    assert infra.deploy.parse_parameters(text, {"A", "B"}) == parameters


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A=1 C=2", "the template has no parameter C"),
        ("A", "A is not Name=value"),
        ("'A=1 2'", "is not Name=value"),
        ("A=1 A=2", "A is given twice"),
    ],
)
def test_what_is_no_parameter_of_the_template_is_refused(text: str, said: str) -> None:
    with pytest.raises(infra.deploy.DeployError, match=f"PARAMETERS: .*{said}"):
        infra.deploy.parse_parameters(text, {"A", "B"})


def test_sam_is_asked_to_keep_what_is_not_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "sam"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\n')
    program.chmod(0o755)
    monkeypatch.setattr(infra.deploy, "SAM", program)
    infra.deploy.run_sam("crm", "eu-west-1", {"WorkersPerJob": "8"}, {"YES": "1"})
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[:5] == ["deploy", "--stack-name", "crm", "--region", "eu-west-1"]
    assert arguments[-3:-1] == ["--no-confirm-changeset", "--parameter-overrides"]
    assert not Path(arguments[-1].removeprefix("file://")).exists(), "a file of its own, deleted afterwards"
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(infra.deploy.DeployError, match=r"see above; docs/deploy\.md"):
        infra.deploy.run_sam("crm", "eu-west-1", {}, {})
