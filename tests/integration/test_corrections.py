"""Rejected rows are read page by page, corrected, checked and imported again under their own numbers."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests import builders
from tests.api_builders import ADMIN, ALICE, BOB, CONTACTS, SALES, Api
from tests.importing import BAD_ROWS, counts, live, records, rejected_types, rejects, run
from waybill.imports.error_log import error_page
from waybill.imports.relaunch import relaunch_import
from waybill.jobs import quotas
from waybill.jobs.model import Job, Status
from waybill.upkeep.actions import cancel_job, delete_job
from waybill.upkeep.retention import remove_expired
from waybill_cli.corrections import Reading, read_corrections

LABELS = ["contact_id", "email", "spend", "joined", "vip"]


def imported(api: Api, rows: Any = BAD_ROWS, data: bytes | None = None, count: int = 3, **options: Any) -> Job:
    """An ended import; by default its rows 5 to 8 are bad, and row 3 is replaced by row 9."""
    if api.services.entities.find("contacts") is None:
        api.put_contacts()
    upload = api.upload(data=builders.contacts_csv(rows, count=count) if data is None else data)
    body = {"uploadId": upload, **options}
    job_id = api("POST", "/imports", body=body).json["jobId"]
    return ended(api, job_id)


def ended(api: Api, job_id: str) -> Job:
    return run(api.services, api.services.jobs.get(job_id))


def correction(row: int, **cells: str) -> dict[str, Any]:
    return {"rowNumber": row, "cells": cells}


def relaunch(api: Api, job: Job, corrections: list[dict[str, Any]], **more: Any) -> Any:
    return api("POST", f"/jobs/{job.job_id}/relaunch", body={"corrections": corrections, **more})


def relaunched(api: Api, job: Job, corrections: list[dict[str, Any]], **more: Any) -> Job:
    answer = relaunch(api, job, corrections, **more)
    assert answer.status == 202, answer.json
    return ended(api, answer.json["jobId"])


def pages(api: Api, job: Job, **query: str) -> list[list[Any]]:
    found: list[list[Any]] = []
    token: str | None = ""
    while token is not None:
        answer = api("GET", f"/jobs/{job.job_id}/rejected-rows", query={**query, "nextToken": token})
        assert answer.status == 200, answer.json
        found.append(answer.json["items"])
        token = answer.json["nextToken"]
    return found


# Reading


def test_a_row_comes_with_its_cells_and_all_of_its_errors(api: Api) -> None:
    job = imported(api)
    answer = api("GET", f"/jobs/{job.job_id}/rejected-rows").json
    assert (answer["labels"], answer["fields"], answer["nextToken"]) == (LABELS, LABELS, None)
    by_row = {item["rowNumber"]: item for item in answer["items"]}
    assert list(by_row) == [3, 5, 6, 7, 8]
    assert by_row[8]["cells"] == {
        "contact_id": "two",
        "email": "a@example.com",
        "spend": "x",
        "joined": "31.1.2026",
        "vip": "yes",
    }
    assert [(error["fieldName"], error["type"], error["cell"]) for error in by_row[8]["errors"]] == [
        ("spend", "type-error", "x"),
        ("joined", "type-error", "31.1.2026"),
    ]
    assert by_row[3]["errors"][0]["type"] == "duplicate-key" and by_row[5]["isWhole"]
    log = api("GET", f"/jobs/{job.job_id}/errors", query={"limit": "100"}).json["items"]
    assert [{"rowNumber": row, **error} for row, item in by_row.items() for error in item["errors"]] == log


@pytest.mark.parametrize("limit", ["1", "2", "100"])
def test_pages_hold_every_row_once(api: Api, limit: str) -> None:
    job = imported(api)
    found = pages(api, job, limit=limit)
    assert [item["rowNumber"] for page in found for item in page] == [3, 5, 6, 7, 8]
    assert all(len(page) <= int(limit) for page in found)


def test_rows_are_filtered_by_error_and_field(api: Api) -> None:
    job = imported(api)

    def rows(**query: str) -> list[int]:
        return [item["rowNumber"] for page in pages(api, job, **query) for item in page]

    assert rows(type="type-error") == [5, 8]
    assert rows(fieldName="spend") == [6, 8]
    assert rows(type="type-error", fieldName="spend") == [8]
    assert rows(type="type-error", fieldName="joined") == [8]
    assert rows(type="nothing") == []


def test_a_page_reads_a_bounded_part_of_a_large_file(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("waybill.imports.rejected_rows.PAGE_BYTES", 100_000)
    bad = [{"contact_id": f"b{number}", "email": f"nobody {number} {'x' * 60}"} for number in range(3_000)]
    job = imported(api, [*bad, {"contact_id": "last", "spend": "-1"}], count=0)
    read: list[int] = []
    really = api.services.files.get_range

    def counting(*arguments: Any) -> Any:
        body = really(*arguments)
        read_body = body.read

        def reading(*size: Any) -> bytes:
            data: bytes = read_body(*size)
            read.append(len(data))
            return data

        body.read = reading
        return body

    monkeypatch.setattr(api.services.files, "get_range", counting)
    first = api("GET", f"/jobs/{job.job_id}/rejected-rows", query={"type": "constraint-error"}).json
    assert first["items"] == [] and first["nextToken"] is not None
    assert sum(read) < 600_000
    assert [[item["rowNumber"] for item in page] for page in pages(api, job, type="constraint-error")][-1] == [3_002]
    everything = pages(api, job, limit="100")
    assert [item["rowNumber"] for page in everything for item in page] == list(range(2, 3_003))


@pytest.mark.parametrize("token", ["x", "MTI", "MToy", "OTk5OTk5OjE", "MTAwOjk5OTk5OQ", "NjA6NjA", "MDow"])
def test_a_token_of_another_list_is_refused(api: Api, token: str) -> None:
    job = imported(api)
    assert api("GET", f"/jobs/{job.job_id}/rejected-rows", query={"nextToken": token}).status == 400


def test_a_long_cell_is_shown_shortened_and_says_so(api: Api) -> None:
    job = imported(api, [{"contact_id": "k", "email": "x" * 9_000}], count=0)
    [[item]] = pages(api, job)
    assert not item["isWhole"] and len(item["cells"]["email"]) == 5_000
    child = relaunched(api, job, [correction(2, contact_id="k2")])
    assert rejects(api.services, child)[1][4] == "x" * 9_000, "what is not corrected stays as it was"


def test_a_job_without_rejected_rows_lists_none(api: Api) -> None:
    job = imported(api, [], count=2)
    answer = api("GET", f"/jobs/{job.job_id}/rejected-rows").json
    assert answer == {"items": [], "nextToken": None, "labels": [], "fields": []}


def test_whoever_sees_the_job_reads_its_rows(api: Api) -> None:
    job = imported(api)
    path = f"/jobs/{job.job_id}/rejected-rows"
    assert api("GET", path, SALES).status == 200
    assert api("GET", path, BOB).status == 404
    check = {"rows": [correction(5, contact_id="k")]}
    assert [api("POST", f"{path}/check", who, body=check).status for who in (ALICE, SALES, BOB)] == [
        200, 403, 404,
    ]  # fmt: skip
    api.later(hours=49)
    assert api("GET", path).status == 410


# Correcting


def test_corrected_rows_are_imported_under_their_own_numbers(api: Api) -> None:
    job = imported(api)
    child = relaunched(api, job, [correction(5, email="a@example.com"), correction(8, spend="2", joined="2026-01-31")])
    assert (child.retry_of, counts(child)) == (job.job_id, (4, 2, 2, 0))
    assert {"bad-email", "two"} <= live(api.services)
    assert records(api.services)["bad-email"]["email"] == {"S": "a@example.com"}
    assert rejected_types(api.services, child) == {6: "constraint-error", 7: "missing-key"}
    items, _, _ = error_page(api.services.files, "files-bucket", child, 10, None)
    assert [item["rowNumber"] for item in items] == [6, 7]
    assert [item["rowNumber"] for page in pages(api, child) for item in page] == [6, 7]
    grandchild = relaunched(api, child, [correction(7, contact_id="seven")])
    assert counts(grandchild) == (2, 1, 1, 0) and rejected_types(api.services, grandchild) == {6: "constraint-error"}


def test_only_corrected_rows_can_be_taken_and_the_others_later(api: Api) -> None:
    job = imported(api)
    first = relaunched(api, job, [correction(5, email="a@example.com"), correction(6, spend="x")], only="corrected")
    assert counts(first) == (2, 1, 1, 0) and rejected_types(api.services, first) == {6: "type-error"}
    assert api("GET", f"/jobs/{job.job_id}/report").json["relaunchable"]
    second = relaunched(api, job, [correction(8, spend="2", joined="2026-01-31")], only="corrected")
    assert counts(second) == (1, 1, 0, 0)
    rest = relaunched(api, job, [])
    assert counts(rest) == (1, 0, 1, 0) and rejected_types(api.services, rest) == {7: "missing-key"}
    last = relaunched(api, job, [correction(7, contact_id="seven")])
    assert counts(last) == (1, 1, 0, 0)
    answer = relaunch(api, job, [])
    assert answer.status == 409 and last.job_id in answer.json["detail"]
    assert not api("GET", f"/jobs/{job.job_id}/report").json["relaunchable"]


def test_nothing_is_left_once_all_rows_were_corrected_one_by_one(api: Api) -> None:
    job = imported(api, BAD_ROWS[:2])
    for row, cells in ((5, {"email": "a@example.com"}), (6, {"spend": "1"})):
        assert relaunched(api, job, [correction(row, **cells)], only="corrected").counts.imported == 1
    answer = relaunch(api, job, [])
    assert (answer.status, "were corrected" in answer.json["detail"]) == (409, True)
    assert not api("GET", f"/jobs/{job.job_id}/report").json["relaunchable"]


def test_rows_that_another_relaunch_corrected_are_not_imported_again(api: Api) -> None:
    job = imported(api)
    first = relaunched(api, job, [correction(5, email="a@example.com")], only="corrected")
    again = relaunched(api, job, [correction(5, email="b@example.com")], only="corrected")
    assert (again.status, again.error_code) == (Status.FAILED, "source-error")
    message = f"Row 5 was corrected before, by job {first.job_id}. Leave it out here, and correct there what that job"
    assert str(again.error_message).startswith(message)
    delete_job(api.services, first)
    assert relaunched(api, job, [correction(5, email="b@example.com")], only="corrected").counts.imported == 1


def test_corrections_that_change_nothing_are_told(api: Api) -> None:
    """As of a rejects file that was not edited."""
    job = imported(api)
    row = next(each for each in api("GET", f"/jobs/{job.job_id}/rejected-rows").json["items"] if each["rowNumber"] == 5)
    child = relaunched(api, job, [correction(5, **row["cells"])], only="corrected")
    assert [warning["code"] for warning in child.warnings] == ["unchanged-corrections"]
    edited = relaunched(api, job, [correction(5, email="a@example.com")], only="corrected")
    assert (edited.warnings, edited.counts.imported) == ([], 1)


def parted(api: Api) -> tuple[Job, Job, Job]:
    """An import, a relaunch that corrected one of its rows, and one of the others that has not begun."""
    job = imported(api)
    part = relaunched(api, job, [correction(5, email="a@example.com")], only="corrected")
    rest = relaunch(api, job, []).json["jobId"]
    return job, part, api.services.jobs.get(rest)


@pytest.mark.parametrize("how", ["deleted", "all deleted"])
def test_corrected_rows_stay_left_out_when_their_job_is_deleted_before_the_others_are_taken(
    api: Api, clock: builders.Clock, how: str
) -> None:
    job, part, rest = parted(api)
    delete_job(api.services, part)
    if how == "all deleted":
        delete_job(api.services, job)
    clock.forward(minutes=5)
    remove_expired(api.services)
    assert api("GET", f"/jobs/{part.job_id}").status in (404, 410)
    assert rejected_types(api.services, ended(api, rest.job_id)).keys() == {6, 7, 8}
    clock.forward(minutes=5)
    remove_expired(api.services)
    assert api.services.jobs.find(part.job_id) is None, "nothing keeps it any more"
    assert api.services.jobs.corrections(part.job_id) == {}


def test_corrections_that_are_gone_end_the_relaunch_before_it_takes_old_rows(api: Api) -> None:
    """A job that is deleted in the moment in which the other one is registered."""
    job, part, rest = parted(api)
    entry = api.services.jobs.expire(part)
    api.services.jobs.delete(entry)
    failed = ended(api, rest.job_id)
    assert (failed.status, failed.error_code, counts(failed)) == (Status.FAILED, "source-changed", (0, 0, 0, 0))
    assert part.job_id in str(failed.error_message) and job.job_id in str(failed.error_message)


def test_a_relaunch_that_left_out_rows_of_a_job_deleted_since_is_not_repeated(api: Api) -> None:
    from waybill.imports.finish import finish_import

    job, part, rest = parted(api)
    api.services.jobs.begin(rest.job_id)
    finish_import(api.services, rest.job_id, "timed-out")
    delete_job(api.services, part)
    answer = relaunch(api, rest, [])
    assert (answer.status, f"Relaunch job {job.job_id} instead" in answer.json["detail"]) == (409, True)


def test_a_relaunch_of_a_part_that_imported_nothing_has_its_rows(api: Api) -> None:
    job = imported(api)
    part = relaunched(api, job, [correction(5, email="still wrong")], only="corrected")
    assert counts(part) == (1, 0, 1, 0)
    assert relaunched(api, part, [correction(5, email="a@example.com")]).counts.imported == 1
    rest = relaunched(api, job, [])
    assert rejected_types(api.services, rest).keys() == {6, 7, 8}


def test_a_canceled_relaunch_leaves_its_rows(api: Api) -> None:
    job = imported(api)
    answer = relaunch(api, job, [correction(5, email="a@example.com")], only="corrected")
    cancel_job(api.services, api.services.jobs.get(answer.json["jobId"]))
    assert counts(relaunched(api, job, [correction(5, email="a@example.com")])) == (4, 1, 3, 0)


def test_corrections_never_get_lost_in_a_relaunch_that_is_under_way(api: Api) -> None:
    job = imported(api)
    first = relaunch(api, job, [])
    again = relaunch(api, job, [correction(5, email="a@example.com")])
    assert (first.status, again.status) == (202, 409) and first.json["jobId"] in again.json["detail"]
    assert relaunch(api, job, []).json["jobId"] == first.json["jobId"]
    cancel_job(api.services, api.services.jobs.get(first.json["jobId"]))
    part = relaunch(api, job, [correction(5, email="a@example.com")], only="corrected")
    assert (part.status, relaunch(api, job, []).status) == (202, 409)


def test_a_repeated_request_with_its_key_makes_one_child_with_the_corrections(api: Api) -> None:
    job = imported(api)
    body = {"corrections": [correction(5, email="a@example.com")], "only": "corrected"}
    path, headers = f"/jobs/{job.job_id}/relaunch", {"Idempotency-Key": "k"}
    answers = [api("POST", path, body=body, headers=headers).json["jobId"] for _ in range(2)]
    assert answers[0] == answers[1] and ended(api, answers[0]).counts.imported == 1
    other = {"corrections": [correction(5, email="b@example.com")]}
    assert api("POST", path, body=other, headers=headers).status == 422


def test_corrections_of_rows_that_were_not_rejected_end_the_job_before_it_writes(api: Api) -> None:
    job = imported(api)
    child = relaunched(api, job, [correction(5, email="a@example.com"), correction(99, email="b@example.com")])
    assert (child.status, child.error_code, counts(child)) == (Status.FAILED, "source-error", (0, 0, 0, 0))
    assert "99" in str(child.error_message) and "bad-email" not in live(api.services)
    assert counts(relaunched(api, job, [correction(5, email="a@example.com")])) == (4, 1, 3, 0)


def test_a_row_that_another_one_replaced_is_taken_only_with_another_key(api: Api) -> None:
    job = imported(api)
    child = relaunched(api, job, [correction(3, email="a@example.com")])
    assert (child.error_code, "correct its key" in str(child.error_message)) == ("source-error", True)
    child = relaunched(api, job, [correction(3, contact_id="other")], only="corrected")
    assert counts(child) == (1, 1, 0, 0) and "other" in live(api.services)
    assert counts(relaunched(api, job, [])) == (4, 0, 4, 0), "it did not count as one of those that are left"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"corrections": [correction(5, email="a"), correction(5, email="b")]}, "#/corrections/1/rowNumber"),
        ({"corrections": [correction(0, email="a")]}, "#/corrections/0/rowNumber"),
        ({"corrections": [{"rowNumber": 5, "cells": {}}]}, "#/corrections/0/cells"),
        ({"corrections": [{"rowNumber": 5, "cells": {"email": 1}}]}, "#/corrections/0/cells"),
        ({"corrections": [{"rowNumber": 5, "cells": {"email": None}}]}, "#/corrections/0/cells"),
        ({"corrections": [correction(5, nothing="a")]}, "#/corrections"),
        ({"corrections": [correction(row, email="a") for row in range(1, 5_002)]}, "#/corrections"),
        ({"only": "corrected"}, "#/only"),
        ({"only": "some"}, "#/only"),
        ({"rows": []}, "#/rows"),
    ],
)
def test_what_cannot_be_meant_is_refused(api: Api, body: dict[str, Any], pointer: str) -> None:
    job = imported(api)
    answer = api("POST", f"/jobs/{job.job_id}/relaunch", body=body)
    assert (answer.status, answer.pointers) == (422, [pointer])


def test_five_thousand_corrections_fit(api: Api) -> None:
    bad = [{"contact_id": f"b{number}", "email": "nobody"} for number in range(5_000)]
    job = imported(api, bad, count=0)
    child = relaunched(api, job, [correction(row, email=f"e{row}@example.com") for row in range(2, 5_002)])
    assert counts(child) == (5_000, 5_000, 0, 0)


def test_an_unread_file_has_no_rows_to_correct(api: Api) -> None:
    from waybill.imports.finish import finish_import

    api.put_contacts()
    job_id = api("POST", "/imports", body={"uploadId": api.upload()}).json["jobId"]
    finish_import(api.services, job_id, "timed-out")
    answer = relaunch(api, api.services.jobs.get(job_id), [correction(2, email="a@example.com")])
    assert (answer.status, "Relaunch it as it is" in answer.json["detail"]) == (409, True)


def test_corrections_survive_a_relaunch_that_ended_before_it_took_its_rows(api: Api) -> None:
    from waybill.imports.finish import finish_import

    job = imported(api)
    child_id = relaunch(api, job, [correction(5, email="a@example.com")], only="corrected").json["jobId"]
    api.services.jobs.begin(child_id)
    finish_import(api.services, child_id, "timed-out")
    third = relaunched(api, api.services.jobs.get(child_id), [])
    assert counts(third) == (1, 1, 0, 0)
    assert relaunch(api, api.services.jobs.get(child_id), []).status == 409
    assert counts(relaunched(api, job, [])) == (3, 0, 3, 0)


# Files of every kind


@pytest.mark.parametrize("text", ["é", "a\nb", 'q"q', "a;b", "日本", " x ", "=1+1", "'"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_a_corrected_text_arrives_as_it_was_typed(api: Api, text: str, encoding: str) -> None:
    fields = [{"name": "id", "type": "string"}, {"name": "n", "type": "integer"}, {"name": "s", "type": "string"}]
    declared = {} if encoding != "cp1252" else {"encoding": encoding}
    api.put_contacts(schema={"fields": fields, "primaryKey": "id"}, **declared)
    data = 'id;n;s\n1;x;"é\nü"\n2;2;é\n'.encode(encoding)
    job = imported(api, data=data)
    child = relaunched(api, job, [correction(2, n="1", s=text)])
    assert counts(child) == (1, 1, 0, 0)
    assert records(api.services)["1"]["s"] == {"S": text}


def test_rejected_rows_of_json_lines_and_workbooks_have_their_cells(api: Api) -> None:
    schema = {"fields": [{"name": "id", "type": "integer"}, {"name": "s", "type": "string"}], "primaryKey": "id",
              "missingValues": []}  # fmt: skip
    api.put_contacts(schema=schema)
    job = imported(api, data=b'{"id": "x", "s": null}\n{"id": 2, "s": "b"}\n')
    [[item]] = pages(api, job)
    assert (item["rowNumber"], item["cells"]) == (1, {"id": "x", "s": ""})
    child = relaunched(api, job, [correction(1, id="1")])
    assert counts(child) == (1, 1, 0, 0)
    assert "s" not in records(api.services)["1"], "a null that nobody corrected is a null"


def test_short_and_long_rows_are_corrected(api: Api) -> None:
    header = b"contact_id,email,spend,joined,vip\n"
    job = imported(api, data=header + b"short,a@example.com\nlong,a@example.com,1,2026-01-01,,extra\nok,,,,\n")
    by_row = {item["rowNumber"]: item for page in pages(api, job) for item in page}
    assert by_row[2]["cells"] == {"contact_id": "short", "email": "a@example.com"}
    whole = {"contact_id": "long", "email": "", "spend": "1", "joined": "2026-01-01", "vip": ""}
    child = relaunched(api, job, [correction(2, vip="yes"), correction(3, **whole)])
    assert counts(child) == (2, 2, 0, 0)


def test_a_blank_row_is_filled_up(api: Api) -> None:
    job = imported(api, data=b"contact_id,email,spend,joined,vip\n\nok,,,,\n")
    assert counts(relaunched(api, job, [correction(2, contact_id="k")])) == (1, 1, 0, 0)


def test_a_rejects_file_that_is_sent_again_is_corrected_by_the_original_numbers(api: Api) -> None:
    job = imported(api)
    data = api.services.files.read("files-bucket", f"jobs/{job.job_id}/rejects.csv")
    again = imported(api, data=data)
    assert [item["rowNumber"] for page in pages(api, again) for item in page] == [5, 6, 7, 8]
    assert api("GET", f"/jobs/{again.job_id}/rejected-rows").json["labels"] == LABELS
    child = relaunched(api, again, [correction(8, spend="2", joined="2026-01-31")], only="corrected")
    assert counts(child) == (1, 1, 0, 0)


def test_rows_of_one_number_cannot_be_told_apart(api: Api) -> None:
    job = imported(api)
    data = api.services.files.read("files-bucket", f"jobs/{job.job_id}/rejects.csv")
    twice = imported(api, data=data + data.partition(b"\n")[2].replace(b"bad-", b"worse-"))
    child = relaunched(api, twice, [correction(5, email="a@example.com")])
    assert (child.error_code, "more than once" in str(child.error_message)) == ("source-error", True)


def test_a_text_that_the_dialect_cannot_hold_ends_the_job(api: Api) -> None:
    api.put_contacts()
    dialect = {"delimiter": ";", "quoteChar": None}
    data = b"contact_id;email;spend;joined;vip\nk;nobody;;;\nok;;;;\n"
    job = imported(api, data=data, dialect=dialect)
    assert job.counts.rejected == 1
    child = relaunched(api, job, [correction(2, email="a;b@example.com")])
    assert (child.error_code, "cannot hold" in str(child.error_message)) == ("source-error", True)


# Checking as people type


def test_rows_are_judged_as_the_relaunch_would(api: Api) -> None:
    job = imported(api)
    rows = [
        correction(5, contact_id="k", email="a@example.com"),
        correction(6, contact_id="k", email="nobody", spend="-1"),
        correction(7, email="a@example.com"),
        {"rowNumber": 8, "cells": {"vip": ""}},
    ]
    items = api("POST", f"/jobs/{job.job_id}/rejected-rows/check", body={"rows": rows}).json["items"]
    assert [item["rowNumber"] for item in items] == [5, 6, 7, 8]
    found = [[(error["fieldName"], error["type"]) for error in item["errors"]] for item in items]
    assert found == [
        [],
        [("email", "type-error"), ("spend", "constraint-error")],
        [("contact_id", "missing-key")],
        [(None, "blank-row")],
    ]


def test_only_rows_of_the_file_can_be_checked(api: Api) -> None:
    job = imported(api)
    path = f"/jobs/{job.job_id}/rejected-rows/check"
    assert api("POST", path, body={"rows": [correction(5, nothing="x")]}).status == 422
    assert api("POST", path, body={"rows": []}).status == 422
    whole = imported(api, [], count=2)
    assert (
        api("POST", f"/jobs/{whole.job_id}/rejected-rows/check", body={"rows": [correction(5, vip="x")]}).status == 409
    )


def test_a_minute_has_so_many_checks(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reads a file, and tells whether keys exist; there are more of them than previews, because a person types."""
    monkeypatch.setattr(quotas, "MAX_CHECKS", 2)
    path, body = f"/jobs/{imported(api).job_id}/rejected-rows/check", {"rows": [correction(5, email="a@example.com")]}
    assert [api("POST", path, body=body).status for _ in range(2)] == [200, 200]
    refused = api("POST", path, body=body)
    assert (refused.status, "2 checks of corrected rows in this minute" in refused.text) == (429, True)
    assert api("POST", path, ADMIN, body=body).status == 200, "others have their own"
    api.later(seconds=int(refused.headers["Retry-After"]))
    assert api("POST", path, body=body).status == 200


def test_the_corrections_are_removed_with_their_job(api: Api) -> None:
    job = imported(api)
    child = relaunched(api, job, [correction(5, email="a@example.com")])
    assert api.services.jobs.corrections(child.job_id) == {5: {"email": "a@example.com"}}
    delete_job(api.services, child)
    delete_job(api.services, api.services.jobs.get(job.job_id))
    left = json.dumps(api.services.dynamodb.call("Scan", {"TableName": api.services.settings.jobs_table})["Items"])
    assert "CORRECTIONS#" not in left and "TAKER#" not in left


def test_relaunch_import_needs_no_corrections(api: Api) -> None:
    job = imported(api)
    assert relaunch_import(api.services, job, "alice", "alice-subject").takes is not None


# As `waybill fix` sends them

SPECIAL = 'Zoë, l\'été; "oui" | non\t^ \\ fin'


@pytest.mark.parametrize(
    ("writing", "encoding", "options"),
    [
        ({"quotechar": "'", "lineterminator": "\r\n"}, "utf-8-sig", {}),
        ({"delimiter": ";"}, "cp1252", {"encoding": "windows-1252"}),
        ({"delimiter": "\t"}, "utf-16", {}),
        ({"delimiter": "^", "lineterminator": "\r\n"}, "utf-8", {}),
        ({"delimiter": "|", "doublequote": False, "escapechar": "\\"}, "utf-8", {"dialect": {"escapeChar": "\\"}}),
        ({"quoting": csv.QUOTE_NONE, "quotechar": None}, "utf-8", {"dialect": {"quoteChar": None}}),
        (
            {"quoting": csv.QUOTE_NONE, "escapechar": "\\"},
            "cp1252",
            {"encoding": "cp1252", "dialect": {"quoteChar": None, "escapeChar": "\\"}},
        ),
    ],
    ids=["single-quotes", "windows-1252", "utf-16", "caret", "escapes", "no-quotes", "escapes-without-quotes"],
)
def test_a_rejects_file_is_fixed_in_the_dialect_of_its_source(
    api: Api, tmp_path: Path, writing: dict[str, Any], encoding: str, options: dict[str, Any]
) -> None:
    fields = [{"name": "id", "type": "string"}, {"name": "n", "type": "integer"}, {"name": "t", "type": "string"}]
    schema = {"fields": fields, "primaryKey": ["id"]}
    assert api("PUT", "/entities/contacts", ADMIN, body=CONTACTS | {"schema": schema}).status == 201
    is_plain = writing.get("quoting") == csv.QUOTE_NONE and "escapechar" not in writing
    text = "Zoë \"oui\" 'non'" if is_plain else SPECIAL + ("" if "quoting" in writing else "\nla suite")
    table = [["id", "n", "t"], ["k1", "wrong", text], ["k2", "2", "deux"], ["k3", "3", "y" * 150_000]]
    out = io.StringIO()
    csv.writer(out, **{"quoting": csv.QUOTE_ALL, **writing}).writerows(table)
    job = imported(api, data=out.getvalue().encode(encoding), **options)
    assert (job.counts.imported, job.counts.rejected) == (2, 1)

    key = f"jobs/{job.job_id}/rejects.csv"
    file = tmp_path / "rejects.csv"
    rejected = api.services.files.read(api.services.settings.files_bucket, key).decode(encoding)
    file.write_bytes(rejected.replace("wrong", "7").encode(encoding))
    detected = api("GET", f"/jobs/{job.job_id}").json["detected"]
    corrections = read_corrections(str(file), Reading.of(detected))
    assert corrections == [correction(2, id="k1", n="7", t=text)]
    child = relaunched(api, job, corrections)
    assert (child.outcome, child.counts.imported) == ("SUCCESS", 1)
    stored = api("GET", "/entities/contacts/records").json["items"]
    assert [item for item in stored if item["id"] == "k1"] == [{"id": "k1", "n": 7, "t": text}]
