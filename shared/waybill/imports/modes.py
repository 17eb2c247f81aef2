"""The import modes: one row each, with everything that depends on the mode.

A mode says what a row of a file does to the record of its key (contract, section 4). The API's enum, the options of a
dropped object, the header check, the precheck and the requests that are written all read this table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from waybill.entities.header import RequiredLabels
    from waybill.entities.row_compiler import Shape
    from waybill.jobs.model import Job

DEFAULT_MODE = "upsert"


class Refusal(NamedTuple):
    """Why a row of this mode is rejected: the error's type and its message."""

    type: str
    message: str


EXISTS = Refusal("exists", "A record with this key exists already.")
NOT_FOUND = Refusal("not-found", "There is no record with this key.")
CHANGED_SINCE = Refusal("changed-since", "The record was changed after the import, so it stays as it is.")


@dataclass(frozen=True)
class Mode:
    """What a row does to the record of its key.

    Attributes:
        effect: what the mode does, after its name, for the API's description.
        shape: of the request that a row becomes; see `waybill.entities.row_compiler.RowCompiler`.
        requires: whether the record must be `present` or `absent` before the import; None when either will do. With a
            requirement the precheck asks the table for every key.
        labels: the labels that a header needs; see `waybill.entities.header.match_header`.
        needs_primary_key: whether only an entity with a primary key can be imported in this mode.
        creates: whether an update makes the record where there is none.
        refusal: why a row is rejected if its record is not as required.
    """

    name: str
    effect: str
    shape: Shape = "put"
    requires: Literal["present", "absent"] | None = None
    labels: RequiredLabels = "schema"
    needs_primary_key: bool = False
    creates: bool = False
    refusal: Refusal = NOT_FOUND

    @property
    def clears_absent(self) -> bool:
        """Whether fields that the file lacks are lost in records that exist: whole records replace them."""
        return self.shape == "put" and self.requires != "absent"

    @property
    def is_batched(self) -> bool:
        """Whether rows are written in batches: whole records, whatever the table holds. Else a row is one request."""
        return self.shape == "put" and self.requires is None

    @property
    def is_update(self) -> bool:
        """Whether a row is an update of some attributes (UpdateItem); its text then brings its own condition, if any.

        Only such a row can leave a field as it stands, so only here does `blanks` have a meaning.
        """
        return self.shape == "update"

    def problem_with(self, primary_key: Sequence[str]) -> str | None:
        """Why the mode cannot be used with an entity that has this primary key; None when it can."""
        if self.needs_primary_key and not primary_key:
            return f"{self.name} needs an entity with a primaryKey"
        return None


MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("upsert", "writes the whole record, new or not"),
        Mode("insert", "writes the whole record where there is none", requires="absent", refusal=EXISTS),
        Mode(
            "merge",
            "changes the file's columns, and creates the record where there is none",
            shape="update",
            labels="required",
            creates=True,
        ),
        Mode(
            "update",
            "changes the file's columns of records that exist",
            shape="update",
            requires="present",
            labels="key",
            needs_primary_key=True,
        ),
        Mode(
            "delete",
            "deletes records that exist, and needs only the key",
            shape="delete",
            requires="present",
            labels="key",
            needs_primary_key=True,
        ),
    )
}

#: What the child job of an undo does with the rows that were imported. No client asks for it: an undo shows the mode of
#: the import that it undoes.
UNDO = Mode("undo", "puts records back as they were", shape="delete", labels="key", refusal=CHANGED_SINCE)

MODES_IN_WORDS = "; ".join(f"`{mode.name}` {mode.effect}" for mode in MODES.values()) + "."


def mode_of(job: Job) -> Mode:
    """What the rows of a job do to the records."""
    return UNDO if job.undo_of is not None else MODES[job.mode]
