"""Who sees and changes which entities and jobs: the last paragraph of the contract's section 6 as tables."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from tests.builders import START
from waybill.entities.model import Entity, Right
from waybill.entities.permissions import Caller, may, require, require_admin, sees_entity
from waybill.errors import Forbidden, NotFound
from waybill.jobs.model import Job, Process, Status
from waybill.jobs.permissions import (
    HIDDEN_REASON,
    as_seen,
    entity_shown,
    has_right_to_download,
    is_hidden,
    knows_definition,
    knows_export,
    may_change_job,
    owns,
    reason_shown,
    sees_job,
)

PERMISSIONS = {Right.VIEW: ("viewers",), Right.IMPORT: ("importers",), Right.EXPORT: ("exporters",)}
VIEWER = Caller("id-vera", "vera", frozenset({"viewers"}))
IMPORTER = Caller("id-ivan", "ivan", frozenset({"importers"}))
EXPORTER = Caller("id-eva", "eva", frozenset({"exporters"}))
ADMIN = Caller("id-ada", "ada", frozenset({"admin"}))
BACKOFFICE = Caller("id-carol", "carol", frozenset({"backoffice"}))
NOBODY = Caller("id-bob", "bob")
STARTER = Caller("id-alice", "alice")
EVERYBODY = (VIEWER, IMPORTER, EXPORTER, ADMIN, BACKOFFICE, NOBODY, STARTER)


def entity(uid: str = "uid", permissions: dict[Right, tuple[str, ...]] = PERMISSIONS) -> Entity:
    return Entity(uid, "contacts", {}, "Contacts", permissions=permissions)


def job(process: Process = Process.IMPORT, **changes: Any) -> Job:
    values: dict[str, Any] = {"entity_uid": "uid", "started_by_id": "id-alice"} | changes
    return Job("job", process, Status.FAILED, "contacts", values.pop("entity_uid"), "a.csv", START, "alice", **values)


def those(question: Any, *about: Any) -> set[str]:
    """The names of the callers for whom the answer is yes."""
    return {caller.name for caller in EVERYBODY if question(caller, *about)}


# Entities


@pytest.mark.parametrize(
    ("right", "callers"),
    [(Right.VIEW, {"vera", "ada"}), (Right.IMPORT, {"ivan", "ada"}), (Right.EXPORT, {"eva", "ada"})],
)
def test_a_right_belongs_to_the_groups_that_the_entity_names_and_to_admins(right: Right, callers: set[str]) -> None:
    assert those(may, entity(), right) == callers
    assert those(may, entity(permissions={}), right) == {"ada"}


def test_an_entity_is_seen_by_whoever_has_any_right_on_it() -> None:
    assert those(sees_entity, entity()) == {"vera", "ivan", "eva", "ada"}


def test_a_right_that_is_missing_is_told_only_to_those_who_see_the_entity() -> None:
    assert require(EXPORTER, entity(), Right.EXPORT) == entity()
    with pytest.raises(Forbidden, match=r"^You may not export contacts\.$"):
        require(VIEWER, entity(), Right.EXPORT)
    with pytest.raises(NotFound, match=r"^There is no entity contacts\.$"):
        require(NOBODY, entity(), Right.EXPORT)


def test_only_the_group_admin_is_admin_and_it_includes_the_backoffice() -> None:
    assert [caller.name for caller in EVERYBODY if caller.is_admin] == ["ada"]
    assert not Caller("id-zoe", "zoe").is_admin, "a token without groups"
    assert [caller.name for caller in EVERYBODY if caller.is_backoffice] == ["ada", "carol"]
    require_admin(ADMIN)
    with pytest.raises(Forbidden, match=r"^Only the group admin may do this\.$"):
        require_admin(BACKOFFICE)


# Jobs


def test_a_job_is_its_starters_but_a_dropped_file_is_nobodys() -> None:
    assert those(owns, job()) == {"alice"}
    assert those(owns, job(started_by_id=None)) == set()


@pytest.mark.parametrize("process", Process)
def test_a_job_is_seen_by_its_starter_and_by_those_who_may_view_the_entity(process: Process) -> None:
    assert those(sees_job, job(process), entity()) == {"alice", "vera", "ada"}
    assert those(sees_job, job(process, started_by_id=None), entity()) == {"vera", "ada"}


def test_a_file_that_was_refused_is_seen_by_those_who_may_import() -> None:
    """Also by people who cannot view the entity: they dropped it, and must learn why nothing happened."""
    assert those(sees_job, job(refused=True, started_by_id=None), entity()) == {"vera", "ivan", "ada"}
    nowhere = job(refused=True, started_by_id=None, entity_uid="")
    assert those(sees_job, nowhere, entity()) == {"ivan", "ada"}, "who may view, did not see it when it came"
    assert those(sees_job, nowhere, None) == {"ada"}
    assert those(sees_job, job(entity_uid="", started_by_id=None), entity()) == {"ada"}


@pytest.mark.parametrize("now", [None, entity("a-later-one")])
def test_jobs_of_a_deleted_entity_are_hidden_from_everybody(now: Entity | None) -> None:
    """Also when a later entity has the name, and whoever may view that one must not see what the old one held."""
    assert is_hidden(job(), now)
    assert those(sees_job, job(), now) == set()
    assert not is_hidden(job(), entity())
    assert not is_hidden(job(entity_uid=""), now)


def test_a_job_is_changed_by_its_starter_and_by_those_who_could_have_started_it() -> None:
    assert those(may_change_job, job(), entity()) == {"alice", "ivan", "ada"}
    assert those(may_change_job, job(Process.EXPORT), entity()) == {"alice", "eva", "ada"}
    assert those(may_change_job, job(entity_uid=""), entity()) == {"alice", "ada"}
    assert those(may_change_job, job(entity_uid="", refused=True), entity()) == {"alice", "ivan", "ada"}
    assert those(may_change_job, job(), None) == {"alice", "ada"}


def test_records_are_downloaded_only_with_the_right_to_export_them() -> None:
    everybody = {caller.name for caller in EVERYBODY}
    assert those(has_right_to_download, job(), entity()) == everybody, "its own file, for whoever sees the job"
    assert those(has_right_to_download, job(Process.EXPORT), entity()) == {"eva", "ada"}, "not even its starter's"
    assert those(has_right_to_download, job(Process.EXPORT), None) == {"ada"}


def test_the_entity_of_a_job_is_named_to_those_with_a_right_that_concerns_it() -> None:
    def is_named(caller: Caller, of: Job, now: Entity | None) -> bool:
        shown = entity_shown(caller, of, now)
        assert shown in ("contacts", "(No permission)")
        return shown == "contacts"

    assert those(is_named, job(), entity()) == {"vera", "ivan", "ada"}
    assert those(is_named, job(Process.EXPORT), entity()) == {"vera", "ivan", "eva", "ada"}
    assert those(is_named, job(), None) == {"ada"}


def test_refused_does_not_open_what_import_rights_do_not() -> None:
    """`refused` counts for the right to import only, whatever the process."""
    for process, right in product(Process, (VIEWER, EXPORTER)):
        assert not sees_job(right, job(process, refused=True, entity_uid="", started_by_id=None), entity())


def test_an_export_is_known_to_those_who_may_export() -> None:
    """Its starter may have lost that right; a custom flow is the back office's."""
    backoffice = replace(BACKOFFICE, groups=frozenset({"backoffice", "exporters"}))
    for kind, knowing in (("INCREMENTAL", {"eva", "ada"}), ("CUSTOM", {"ada"})):
        run = job(Process.EXPORT, export_type=kind)
        assert those(knows_export, run, entity()) == {"eva", "ada"}
        assert those(knows_definition, run, entity()) == knowing
        assert knows_definition(backoffice, run, entity())
        assert those(knows_export, run, None) == those(knows_definition, run, None) == {"ada"}


@pytest.mark.parametrize(
    ("code", "is_told"),
    [
        ("delivery-failed", False),
        ("a code of later versions", False),
        ("internal-error", True),
        ("no-permission", True),
        ("timed-out", True),
        ("unknown-entity", True),
        ("window-not-over", True),
        ("window-too-old", True),
    ],
)
def test_why_a_run_failed_is_told_to_those_who_may_know_where_it_delivers(code: str, is_told: bool) -> None:
    why = "sftp.example.com refused /in/contacts.csv"
    failed = job(Process.EXPORT, export_type="PERIODIC_FULL", error_code=code, error_message=why)
    shown = {caller.name: as_seen(caller, failed, entity()).error_message for caller in EVERYBODY}
    others = why if is_told else HIDDEN_REASON
    assert shown == {caller.name: why if caller in (EXPORTER, ADMIN) else others for caller in EVERYBODY}
    assert as_seen(NOBODY, replace(failed, process=Process.IMPORT), entity()).error_message == why
    assert HIDDEN_REASON == "Who may see the definition of this export sees the reason."


def test_a_run_that_did_not_fail_keeps_its_message() -> None:
    assert (reason_shown(None, "all is well"), reason_shown(None, None)) == ("all is well", None)
