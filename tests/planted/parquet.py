"""Files of Parquet."""

from __future__ import annotations

from tests.planted.mutant import Mutant

PARQUET = (
    Mutant(
        "parquet-numbers-unchecked",
        "A number that its column of Parquet cannot hold is refused with its field and record.",
        "shared/waybill/exports/formats/parquet.py",
        "            if len(whole) > WHOLE_DIGITS or len(decimals) > DECIMALS:\n",
        "            if len(whole) > WHOLE_DIGITS:\n",
        ("tests/unit/test_parquet_export.py::test_what_a_column_cannot_hold_fails_with_field_and_record",),
    ),
    Mutant(
        "parquet-zones-mixed",
        "Times with and without an offset do not become one column of Parquet.",
        "shared/waybill/exports/formats/parquet.py",
        "if self._has_zone.setdefault(index, has_zone) != has_zone:",
        "if self._has_zone.setdefault(index, has_zone) is None:",
        ("tests/unit/test_parquet_export.py::test_times_have_a_zone_where_all_their_values_do",),
    ),
    Mutant(
        "parquet-rows-of-the-last-group",
        "Rows behind the last whole row group are in the file.",
        "shared/waybill/exports/formats/parquet.py",
        "        self._end_row_group()\n        self._writer.close()\n",
        "        self._writer.close()\n",
        ("tests/unit/test_parquet_export.py::test_each_type_has_its_column_and_its_value",),
    ),
    Mutant(
        "parquet-without-a-memory-limit",
        "A small file of Parquet with a huge value does not take the memory of a step.",
        "shared/waybill/tabular/parquet.py",
        "    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))\n",
        "",
        ("tests/unit/test_parquet_import.py::test_a_small_file_with_a_huge_value_is_refused",),
    ),
    Mutant(
        "parquet-bytes-as-text",
        "Bytes of a column of Parquet are not imported as a text.",
        "shared/waybill/imports/cells.py",
        '            return _without_value(NoValue(f"({value:,}{_BYTES}"), field)\n',
        '            return f"({value:,}{_BYTES}"\n',
        ("tests/unit/test_parquet_import.py::test_each_value_is_what_its_type_says",),
    ),
    Mutant(
        "parquet-nanoseconds-lost",
        "Timestamps of the old kind keep their nanoseconds.",
        "shared/waybill/tabular/parquet.py",
        "    return exact if text and exact and text[:19] == exact[:19] else text\n",
        "    return text\n",
        ("tests/unit/test_parquet_import.py::test_timestamps_of_the_old_kind_keep_their_nanoseconds_and_their_years",),
    ),
    Mutant(
        "parquet-zone-lost-in-a-pattern",
        "A time with a zone is not written in a pattern without one.",
        "shared/waybill/entities/fieldtypes/temporal.py",
        "            return cell if self.parse(cell).identity == self._read_iso(text).identity else text\n",
        "            return cell\n",
        ("tests/unit/test_parquet_import.py::test_times_are_written_in_patterns_only_where_these_say_all_of_them",),
    ),
)
