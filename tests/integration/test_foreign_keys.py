"""Foreign keys: a row that names a record which is not there is rejected, whatever else happens."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from tests import builders
from tests.api_builders import ADMIN, ALICE, Api
from tests.importing import counts, key_table, live, load_and_finish, prepared, rejected_types, rejects, run, start
from tests.integration.test_import_preview import compare
from tests.unit.test_cli_datapackage import BESIDE, CODES, PORTS, STORE, YEARS
from waybill.aws.dynamodb import DynamoDBError
from waybill.bootstrap import Services
from waybill.entities.model import Entity, Target
from waybill.errors import Conflict
from waybill.imports import chunks, foreign_keys, preview
from waybill.imports.check_rows import check_rows
from waybill.imports.deduplicate import deduplicate_import
from waybill.imports.error_log import error_page
from waybill.imports.finish import finish_import
from waybill.imports.foreign_keys import OwnReferences
from waybill.imports.load import load_chunk
from waybill.imports.plan import plan_import
from waybill.imports.precheck import precheck_chunk
from waybill.jobs.model import Job, Status
from waybill.tabular.records import segments
from waybill.upkeep.actions import stop_job
from waybill.upkeep.entity_deletion import delete_entity
from waybill_cli.datapackage import read_package, replacing, without_others


def table(
    name: str, fields: dict[str, str], key: Any = None, foreign: Sequence[dict[str, Any]] = (), **more: Any
) -> Entity:
    schema = {
        "fields": [{"name": field, "type": type} for field, type in fields.items()],
        **({"primaryKey": key} if key else {}),
        **({"foreignKeys": list(foreign)} if foreign else {}),
    }
    return builders.entity(name, schema=schema | more.pop("schema", {}), **more)


def reference(fields: Any, resource: str, referenced: Any) -> dict[str, Any]:
    return {"fields": fields, "reference": {"resource": resource, "fields": referenced}}


COUNTRIES = table("countries", {"code": "string", "name": "string"}, "code")
CITIES = table(
    "cities",
    {"id": "integer", "name": "string", "country": "string"},
    "id",
    [reference("country", "countries", "code")],
)
STAFF = table(
    "staff",
    {"id": "integer", "boss": "integer"},
    ["id"],
    [reference("boss", "", "id")],
    schema={"missingValues": ["", "-"]},
)


@pytest.fixture
def tables(services: Services, s3: Any) -> None:
    for entity in (COUNTRIES, CITIES, STAFF):
        services.entities.put(entity)
    imported(services, s3, "countries", "code,name\nBE,Belgium\nFR,France\n")


def imported(services: Services, s3: Any, entity: str, text: str, **options: str) -> Job:
    return run(services, dropped(services, s3, entity, text, **options))


_names = itertools.count()


def dropped(services: Services, s3: Any, entity: str, text: str, **options: str) -> Job:
    return start(services, s3, text.encode(), key=f"drop/{entity}/{next(_names)}.csv", **options)


def errors(services: Services, job: Job) -> list[tuple[int, str | None, str, str]]:
    items, _, _ = error_page(services.files, services.settings.files_bucket, job, 1000, None)
    return [(item["rowNumber"], item["fieldName"], item["type"], item["cell"]) for item in items]


def of(services: Services, entity: Entity) -> set[str]:
    """The keys of an entity's records."""
    from tests.importing import records

    return {key for key, item in records(services).items() if item["_pk"]["S"].startswith(entity.uid)}


@pytest.mark.usefixtures("tables")
def test_a_row_that_names_no_record_is_rejected_with_its_cell(services: Services, s3: Any) -> None:
    job = imported(
        services, s3, "cities", "id,name,country\n1,Ghent,BE\n2,Bonn,DE\n3,Atlantis,\nx,Lille,XX\n4,Lyon,FR\n"
    )
    assert (job.status, counts(job)) == (Status.COMPLETED, (5, 3, 2, 0))
    assert rejects(services, job)[1:] == [
        ["3", "foreign-key", "country: countries has no record with this key.", "2", "Bonn", "DE"],
        ["5", "type-error", "id: not an integer", "x", "Lille", "XX"],
    ]
    assert errors(services, job) == [(3, "country", "foreign-key", "DE"), (5, "id", "type-error", "x")]
    assert of(services, CITIES) == {"1", "3", "4"}


@pytest.mark.usefixtures("tables")
def test_what_is_deleted_is_not_there_and_what_a_relaunch_finds_is(services: Services, s3: Any) -> None:
    from waybill.imports.relaunch import relaunch_import

    imported(services, s3, "countries", "code\nFR\n", mode="delete")
    job = imported(services, s3, "cities", "id,name,country\n1,Ghent,BE\n4,Lyon,FR\n")
    assert rejected_types(services, job) == {3: "foreign-key"}
    imported(services, s3, "countries", "code,name\nFR,France\n")
    again = relaunch_import(services, job, "admin", "admin")
    assert counts(run(services, again)) == (1, 1, 0, 0)


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("chunk_bytes", [1, 20, 1 << 20])
def test_rows_of_a_file_may_name_each_other_in_any_order(services: Services, s3: Any, chunk_bytes: int) -> None:
    object.__setattr__(services.settings, "chunk_bytes", chunk_bytes)
    text = "id,boss\n1,2\n2,3\n3,\n4,4\n5,6\n6,5\n7,8\n8,9\n10,7\n11,-\n"
    job = imported(services, s3, "staff", text)
    # 9 is not there, so 8 is not imported, so neither are 7, who names it, and 10.
    assert rejected_types(services, job) == {8: "foreign-key", 9: "foreign-key", 10: "foreign-key"}
    assert of(services, STAFF) == {"1", "2", "3", "4", "5", "6", "11"}
    job = imported(services, s3, "staff", "id,boss\n9,11\n8,9\n7,8\n")
    assert counts(job) == (3, 3, 0, 0)


@pytest.mark.usefixtures("tables")
def test_a_row_that_names_nothing_does_not_replace_an_earlier_one_of_its_key(services: Services, s3: Any) -> None:
    job = imported(services, s3, "staff", "id,boss\n1,\n1,99\n2,1\n3,1\n3,2\n")
    assert rejected_types(services, job) == {3: "foreign-key", 5: "duplicate-key"}
    job = imported(services, s3, "cities", "id,name,country\n1,a,BE\n1,b,DE\n2,c,DE\n2,d,DE\n")
    assert rejected_types(services, job) == {3: "foreign-key", 4: "foreign-key", 5: "foreign-key"}


@pytest.mark.usefixtures("tables")
def test_a_row_that_names_nothing_yet_and_is_replaced_is_imported_by_no_relaunch(services: Services, s3: Any) -> None:
    job = imported(services, s3, "cities", "id,name,country\n1,a,DE\n1,b,BE\n1,c,DE\n")
    assert rejected_types(services, job) == {2: "duplicate-key", 4: "foreign-key"}
    job = imported(services, s3, "staff", "id,boss\n1,99\n1,\n1,98\n")
    assert rejected_types(services, job) == {2: "duplicate-key", 4: "foreign-key"}


def test_whoever_names_a_row_that_another_one_has_beaten_names_nothing(services: Services, s3: Any) -> None:
    fields = {"id": "string", "mail": "string", "boss": "string"}
    staff = table("staff", fields, "id", [reference("boss", "staff", "id")], schema={"uniqueKeys": [["mail"]]})
    services.entities.put(staff)
    job = imported(services, s3, "staff", "id,mail,boss\na,m,\nb,m,a\nc,n,b\nd,o,c\ne,p,a\n")
    assert rejected_types(services, job) == {3: "unique-error", 4: "foreign-key", 5: "foreign-key"}


@pytest.mark.usefixtures("tables")
def test_update_counts_no_row_as_a_record(services: Services, s3: Any) -> None:
    imported(services, s3, "staff", "id,boss\n1,\n2,\n")
    job = imported(services, s3, "staff", "id,boss\n1,2\n2,3\n3,\n", mode="update")
    assert rejected_types(services, job) == {3: "foreign-key", 4: "not-found"}
    job = imported(services, s3, "staff", "id,boss\n3,1\n1,\n4,3\n", mode="insert")
    assert rejected_types(services, job) == {3: "exists"}
    job = imported(services, s3, "staff", "id,boss\n4,5\n2,4\n", mode="merge")
    assert rejected_types(services, job) == {2: "foreign-key"}


@pytest.mark.usefixtures("tables")
def test_a_file_without_the_field_and_a_deletion_name_nothing(services: Services, s3: Any) -> None:
    services.entities.put(replace(CITIES, schema=CITIES.schema | {"fieldsMatch": "partial"}))
    assert counts(imported(services, s3, "cities", "id,name\n1,Bonn\n")) == (1, 1, 0, 0)
    assert counts(imported(services, s3, "cities", "id,name\n1,Bonn\n", mode="merge")) == (1, 1, 0, 0)
    assert counts(imported(services, s3, "cities", "id,country\n1,DE\n", mode="delete")) == (1, 1, 0, 0)


def test_keys_of_several_fields_are_compared_by_value(services: Services, s3: Any) -> None:
    services.entities.put(table("rates", {"region": "string", "day": "date"}, ["region", "day"]))
    orders = table(
        "orders",
        {"id": "string", "on": "date", "place": "string", "other": "date"},
        "id",
        [
            reference(["on", "place"], "rates", ["day", "region"]),
            reference(["place", "other"], "rates", ["region", "day"]),
        ],
    )
    orders.schema["fields"][1]["format"] = "%d/%m/%Y"
    services.entities.put(orders)
    imported(services, s3, "rates", "region,day\nn|s,2026-01-31\nw,2026-02-01\n")
    job = imported(
        services,
        s3,
        "orders",
        "id,on,place,other\n1,31/01/2026,n|s,2026-01-31\n2,01/02/2026,w,\n3,,,\n4,01/02/2026,,\n5,31/01/2026,w,2026-02-02\n",
    )
    assert errors(services, job) == [
        (3, None, "foreign-key", "w|"),
        (5, None, "foreign-key", "01/02/2026|"),
        (6, None, "foreign-key", "31/01/2026|w"),
        (6, None, "foreign-key", "w|2026-02-02"),
    ]
    assert [row[2] for row in rejects(services, job)[1:]] == [
        "A part of the key is missing that names a record of rates.",
        "A part of the key is missing that names a record of rates.",
        "rates has no record with this key. (and 1 more)",
    ]


def test_cleaned_cells_and_defaults_name_records(services: Services, s3: Any) -> None:
    services.entities.put(COUNTRIES)
    cities = table("cities", {"id": "integer", "country": "string"}, "id", [reference("country", "countries", "code")])
    cities.schema["fields"][1] |= {"clean": ["trim", "upper"], "values": {"GERMANY": "DE"}, "default": "BE"}
    services.entities.put(cities)
    imported(services, s3, "countries", "code,name\nBE,\nDE,\n")
    job = imported(services, s3, "cities", "id,country\n1, be\n2,Germany\n3,\n4,fr\n")
    assert errors(services, job) == [(5, "country", "foreign-key", "fr")]


def test_records_in_target_tables(services: Services, s3: Any) -> None:
    key_table("theirs", "code", services)
    object.__setattr__(services.settings, "target_tables", "theirs")
    services.entities.put(replace(COUNTRIES, target=Target("theirs")))
    services.entities.put(CITIES)
    imported(services, s3, "countries", "code,name\nBE,Belgium\n")
    job = imported(services, s3, "cities", f"id,name,country\n1,Ghent,BE\n2,Bonn,DE\n3,Long,{'x' * 2000}\n")
    assert rejected_types(services, job) == {3: "foreign-key", 4: "foreign-key"}
    staff = table("staff", {"code": "string", "boss": "string"}, "code", [reference("boss", "", "code")])
    services.entities.put(replace(staff, target=Target("theirs")))
    job = imported(services, s3, "staff", "code,boss\na,b\nb,BE\nc,d\n")
    assert rejected_types(services, job) == {4: "foreign-key"}


@pytest.mark.usefixtures("tables")
def test_a_dry_run_and_a_preview_judge_rows_as_the_import(services: Services, s3: Any) -> None:
    text = "id,name,country\n1,Ghent,BE\n2,Bonn,DE\n"
    dry = imported(services, s3, "cities", text, **{"dry-run": "true"})
    assert (counts(dry), rejected_types(services, dry)) == ((2, 1, 1, 0), {3: "foreign-key"})
    services.entities.put(replace(CITIES, name="contacts", uid="uid-contacts"))
    compare(services, "cities.csv", text.encode())


@pytest.mark.usefixtures("tables")
def test_a_preview_of_a_whole_file_knows_its_own_rows(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    services.entities.put(replace(STAFF, name="contacts", uid="uid-contacts"))
    seen, _ = compare(services, "staff.csv", b"id,boss\n1,2\n2,\n3,4\n5,3\n")
    assert [row.number for row in seen.rows if row.errors] == [4, 5]
    monkeypatch.setattr(preview, "SHOWN_ROWS", 2)
    from tests.integration.test_import_preview import preview as previewed
    from tests.integration.test_import_preview import uploaded

    # The rest of the file was not read: the record may be there.
    cut = previewed(services, uploaded(services, "staff.csv", b"id,boss\n6,7\n7,8\n8,\n"))
    assert [(row.number, row.errors) for row in cut.rows] == [(2, []), (3, [])]


@pytest.mark.usefixtures("tables")
def test_corrected_cells_are_checked_again(services: Services, s3: Any) -> None:
    job = imported(services, s3, "cities", "id,name,country\n2,Bonn,DE\n3,Ulm,DE\n")
    cells = {"id": "2", "name": "Bonn"}
    checked = check_rows(services, job, {2: cells | {"country": "BE"}, 3: cells | {"country": "XX"}})
    assert [[error["type"] for error in row["errors"]] for row in checked] == [[], ["foreign-key"]]


@pytest.mark.usefixtures("tables")
def test_all_or_nothing_and_the_limit_of_errors_count_such_rows(services: Services, s3: Any) -> None:
    text = "id,name,country\n1,Ghent,BE\n2,Bonn,DE\n3,Lyon,FR\n"
    job = imported(services, s3, "cities", text, **{"on-error": "all-or-nothing"})
    assert (job.error_code, counts(job)) == ("rejected-rows", (3, 0, 1, 2))
    job = imported(services, s3, "cities", text, **{"on-error": "abort"})
    assert (job.stop_reason, counts(job)) == ("MAX_ERRORS", (3, 1, 1, 1))
    job = imported(services, s3, "staff", "id,boss\n1,9\n2,\n", **{"on-error": "all-or-nothing"})
    assert (job.error_code, counts(job)) == ("rejected-rows", (2, 0, 1, 1))


@pytest.mark.usefixtures("tables")
def test_what_was_answered_once_is_what_is_told_after_a_crash(services: Services, s3: Any) -> None:
    """A record that appears, or goes, after the precheck changes nothing: each row is written, or told, once."""
    object.__setattr__(services.settings, "chunk_bytes", 1)
    job = prepared(services, dropped(services, s3, "cities", "id,name,country\n1,Ghent,BE\n2,Bonn,DE\n"))
    imported(services, s3, "countries", "code,name\nDE,\n")
    imported(services, s3, "countries", "code\nBE\n", mode="delete")
    for chunk in range(2):
        precheck_chunk(services, job.job_id, chunk)  # a late repetition
    deduplicate_import(services, job.job_id)
    job = load_and_finish(services, job)
    assert (counts(job), rejected_types(services, job)) == ((2, 1, 1, 0), {3: "foreign-key"})
    assert of(services, CITIES) == {"1"}


@pytest.mark.usefixtures("tables")
def test_a_slow_table_is_asked_in_several_invocations(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "segments", partial(segments, block_bytes=300))
    rows = [f"{number},{number + 1 if number % 30 else ''}" for number in range(1, 300)]
    job = dropped(services, s3, "staff", "\n".join(["id,boss", *rows, "5000,5001", ""]))
    plan_import(services, job.job_id)
    invocations = 1
    while not precheck_chunk(services, job.job_id, 0, lambda: 0.0):
        invocations += 1
    assert 5 < invocations < 30
    assert deduplicate_import(services, job.job_id)
    job = load_and_finish(services, job)
    # 300 is not there, so nobody of the last chain is.
    assert set(rejected_types(services, job)) == {*range(272, 301), 301}


@pytest.mark.usefixtures("tables")
def test_a_stopped_import_lists_what_it_did_not_reach(services: Services, s3: Any) -> None:
    job = prepared(services, dropped(services, s3, "cities", "id,name,country\n1,Ghent,BE\n2,Bonn,DE\n"))
    stop_job(services, job)
    job = load_and_finish(services, job)
    assert (counts(job), rejected_types(services, job)) == ((2, 0, 0, 2), {2: "stopped", 3: "stopped"})


@pytest.mark.usefixtures("tables")
def test_a_file_that_names_too_much_of_itself_is_refused(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_keys, "MAX_OPEN_KEYS", 2)
    job = dropped(services, s3, "staff", "id,boss\n1,5\n2,6\n3,7\n")
    plan_import(services, job.job_id)
    precheck_chunk(services, job.job_id, 0)
    with pytest.raises(foreign_keys.TooManyOpenKeys):
        deduplicate_import(services, job.job_id)
    finish_import(services, job.job_id, "internal-error")
    job = services.jobs.get(job.job_id)
    assert (job.status, job.error_code, counts(job)) == (Status.FAILED, "too-large", (3, 0, 0, 3))


def test_the_rows_that_are_left_are_the_most_that_can_be() -> None:
    """Against a plain search: take out rows that name nothing until there are none."""
    for seed in range(300):
        draw = random.Random(seed)
        rows = [(row, draw.randrange(8), draw.randrange(10)) for row in range(draw.randrange(12))]
        lost = {row for row, _, _ in rows if draw.random() < 0.2}
        free = {row for row, _, _ in rows if draw.random() < 0.2}

        def pieces(name: str, _: int, rows: Any = rows, free: Any = free) -> Iterable[bytes]:
            if name == "provided":
                return [foreign_keys._PROVIDED.pack(row, bytes([key])) for row, key, _ in rows]
            return [foreign_keys._OPEN.pack(row, 1, bytes([named])) for row, _, named in rows if row not in free]

        left, size = list(rows), -1
        while len(left) != size:
            size, keys = len(left), {key for row, key, _ in left if row not in lost}
            left = [one for one in left if one[0] in free or one[2] in keys]
        expected = {row: 2 for row, _, _ in rows} if rows else {}
        for row, _, _ in left:
            del expected[row]
        assert OwnReferences(pieces, has_new=True).dangling(lost) == expected  # type: ignore[arg-type]


WRONG_REFERENCES: list[tuple[Any, str]] = [
    (reference("country", "nowhere", "code"), "#/schema/foreignKeys/0/reference/resource"),
    (reference("country", "countries", "name"), "#/schema/foreignKeys/0/reference/fields"),
    (reference(["country", "name"], "countries", ["code", "name"]), "#/schema/foreignKeys/0/reference/fields"),
    (reference("id", "countries", "code"), "#/schema/foreignKeys/0/fields/0"),
    (reference("name", "", "id"), "#/schema/foreignKeys/0/fields/0"),
    (reference("nobody", "countries", "code"), "#/schema/foreignKeys/0/fields"),
    (reference(["id", "name"], "countries", "code"), "#/schema/foreignKeys/0/reference/fields"),
    (reference("country", 3, "code"), "#/schema/foreignKeys/0/reference/resource"),
    ({"fields": "country"}, "#/schema/foreignKeys/0"),
    (reference("country", "plain", "id"), "#/schema/foreignKeys/0/reference/fields"),
]


def put(api: Api, entity: Entity) -> Any:
    body = {"schema": entity.schema, "permissions": {"view": ["ops"], "import": ["ops"], "export": []}}
    return api("PUT", f"/entities/{entity.name}", ADMIN, body=body)


def test_a_foreign_key_that_names_no_primary_key_is_refused(api: Api) -> None:
    put(api, COUNTRIES)
    put(api, table("plain", {"id": "string"}))
    for key, pointer in WRONG_REFERENCES:
        answer = put(api, replace(CITIES, schema=CITIES.schema | {"foreignKeys": [key]}))
        assert (answer.status, answer.pointers) == (422, [pointer])
    assert put(api, CITIES).status == 201
    assert put(api, STAFF).status == 201
    assert api("GET", "/entities/cities", ADMIN).json["schema"] == CITIES.schema


def test_the_entities_of_data_packages_are_accepted(api: Api) -> None:
    """As `waybill entities import` sends them: in a circle, the first without the foreign keys of what is not there."""
    for package in (CODES, YEARS, PORTS, STORE):
        made = [plan for plan in read_package(package, BESIDE.__getitem__) if plan.entity is not None]
        there: set[str] = set()
        for plan in made:
            answer = api("PUT", f"/entities/{plan.entity}", ADMIN, body=without_others(plan, there))
            assert answer.status == 201, answer.json
            there.add(str(plan.entity))
        for plan in made:
            known = api("GET", f"/entities/{plan.entity}", ADMIN).json
            answer = api("PUT", f"/entities/{plan.entity}", ADMIN, body=replacing(plan.definition, known))
            assert (answer.status, answer.json["schema"]) == (200, plan.definition["schema"])


def test_an_entity_that_others_name_stays_and_keeps_its_key(api: Api) -> None:
    for entity in (COUNTRIES, CITIES, STAFF):
        put(api, entity)
    answer = api("DELETE", "/entities/countries", ADMIN)
    assert (answer.status, answer.json["detail"]) == (
        409,
        "countries cannot be deleted. Entities with a foreign key that names it: cities. Take that foreign key out of "
        "them.",
    )
    for change in ({"primaryKey": "name"}, {"fields": [{"name": "code", "type": "integer"}, {"name": "name"}]}):
        assert put(api, replace(COUNTRIES, schema=COUNTRIES.schema | change)).status == 409
    assert put(api, replace(COUNTRIES, schema=COUNTRIES.schema | {"missingValues": ["x"]})).status == 200
    assert api("DELETE", "/entities/staff", ADMIN).status == 204  # its own foreign key keeps it from nothing
    assert put(api, replace(CITIES, schema=CITIES.schema | {"foreignKeys": []})).status == 200
    assert api("DELETE", "/entities/countries", ADMIN).status == 204


def test_an_entity_that_is_deleted_meanwhile_is_not_named(services: Services) -> None:
    services.entities.put(COUNTRIES)
    mark = services.entities.mark(COUNTRIES, services.clock.now())
    with pytest.raises(Conflict, match="refers to was deleted"):
        services.entities.put(CITIES, named=[COUNTRIES])
    services.entities.unmark(COUNTRIES.uid, mark)
    services.entities.put(CITIES, named=[COUNTRIES])
    services.entities.put(CITIES, named=[COUNTRIES])  # a repetition after a lost reply
    with pytest.raises(Conflict, match="changed by someone else"):
        services.entities.put(replace(CITIES, uid="another"), named=[COUNTRIES])
    with pytest.raises(Conflict, match="a foreign key that names it: cities"):
        delete_entity(services, COUNTRIES)  # type: ignore[arg-type]


def test_who_imports_learns_only_whether_a_key_is_there(api: Api, s3: Any) -> None:
    """Alice may import cities, and may not see countries: the answer shows her own cells and the entity's name."""
    services = api.services
    services.entities.put(COUNTRIES)
    put(api, CITIES)
    assert api("GET", "/entities/countries", ALICE).status == 404
    cities = services.entities.get("cities")
    job = run(services, start(services, s3, b"id,name,country\n2,Bonn,DE\n", key="drop/cities/x.csv"))
    found = api("GET", f"/jobs/{job.job_id}/errors", ALICE).json["items"]
    assert [(item["cell"], item["message"]) for item in found] == [("DE", "countries has no record with this key.")]
    assert cities.references == {"countries"}


@pytest.mark.usefixtures("tables")
def test_an_entity_that_is_gone_has_no_records(services: Services, s3: Any) -> None:
    """Only a job that started with an older definition can meet it."""
    job = dropped(services, s3, "cities", "id,name,country\n1,Ghent,BE\n2,,\n")
    services.entities.put(replace(CITIES, schema={**CITIES.schema, "foreignKeys": []}))
    mark = services.entities.mark(COUNTRIES, services.clock.now())
    services.entities.delete(COUNTRIES, mark)
    assert rejected_types(services, run(services, job)) == {2: "foreign-key"}


@pytest.mark.usefixtures("tables")
def test_a_table_that_does_not_answer_is_asked_again(
    services: Services, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = dropped(services, s3, "cities", "id,name,country\n1,Ghent,BE\n")
    plan_import(services, job.job_id)
    with monkeypatch.context() as patch:
        patch.setattr(
            foreign_keys,
            "existing",
            lambda *_: (_ for _ in ()).throw(DynamoDBError("InternalServerError", "", 500, True)),
        )
        with pytest.raises(DynamoDBError):
            precheck_chunk(services, job.job_id, 0)
    precheck_chunk(services, job.job_id, 0)
    deduplicate_import(services, job.job_id)
    load_chunk(services, job.job_id, 0)
    finish_import(services, job.job_id)
    assert counts(services.jobs.get(job.job_id)) == (1, 1, 0, 0)
    assert "1" in live(services)
