"""Rows that name records."""

from __future__ import annotations

from tests.planted.mutant import Mutant

REFERENCES = (
    Mutant(
        "references-are-asked-for-before-the-load",
        "A row that names a record which is not there is rejected.",
        "shared/waybill/imports/policy.py",
        'bool(job.options.get("unique") or job.options.get("foreignKeys"))',
        'bool(job.options.get("unique"))',
        ("tests/integration/test_foreign_keys.py::test_a_row_that_names_no_record_is_rejected_with_its_cell",),
    ),
    Mutant(
        "rejected-rows-are-named",
        "A row that names a rejected row of its file is not imported.",
        "shared/waybill/imports/foreign_keys.py",
        "        self._drop_dangling(providers, open_rows)\n",
        "",
        ("tests/integration/test_foreign_keys.py::test_the_rows_that_are_left_are_the_most_that_can_be",),
    ),
    Mutant(
        "a-replaced-row-is-relaunched",
        "No relaunch imports a row that a later row of its file has replaced, also when its record is there by then.",
        "shared/waybill/imports/duplicates.py",
        "    *earlier, winner = rows[: last + 1]\n",
        "    *earlier, winner = [found for found in rows[: last + 1] if found.row not in dangling] or rows[:1]\n",
        (
            "tests/integration/test_foreign_keys.py"
            "::test_a_row_that_names_nothing_yet_and_is_replaced_is_imported_by_no_relaunch",
        ),
    ),
    Mutant(
        "an-entity-that-others-name-goes",
        "An entity is not deleted while another one refers to it.",
        "shared/waybill/upkeep/entity_deletion.py",
        " if entity.name in other.references]\n",
        " if entity.uid in other.references]\n",
        ("tests/integration/test_foreign_keys.py::test_an_entity_that_others_name_stays_and_keeps_its_key",),
    ),
    Mutant(
        "an-entity-is-named-while-it-goes",
        "No entity refers to one that is deleted in the same moment.",
        "shared/waybill/entities/repository.py",
        "        checks = [check for other in named for check in self.still_there(other.name, other.uid)]\n",
        "        checks: list[Action] = []\n",
        ("tests/integration/test_foreign_keys.py::test_an_entity_that_is_deleted_meanwhile_is_not_named",),
    ),
)
