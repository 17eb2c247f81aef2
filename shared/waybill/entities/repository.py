"""The catalogue's entities in DynamoDB.

    ENTITY   / {name}   uid, etag, document (JSON text: a definition comes back exactly as it was given)
    DELETING / {uid}    a deletion that has begun: nothing may be started on the entity
    DELETED  / {uid}    an entity that was deleted; its exports and records are still to be erased
    REVISION / ENTITIES token: another after each change of the catalogue

An operation that starts something on an entity does so in one transaction with `still_there`. A deletion writes its
mark first and then checks what was started. So one of the two always notices the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from waybill.aws.dynamodb import ConditionFailed, TransactionCanceled
from waybill.aws.expressions import Attr, Condition
from waybill.aws.table import Action, Item, Key, Table
from waybill.entities.model import Entity, check_columns
from waybill.entities.permissions import entity_not_found
from waybill.errors import Conflict, InvalidRequest, PreconditionFailed, StillRunning, TooLarge, WaybillError
from waybill.ids import Ids, new_token
from waybill.sizes import MAX_ENTITY_BYTES, MAX_HEADER_CHARS, MAX_REMEMBERED, check_size, json_text
from waybill.telemetry import read_each

_REVISION = ("REVISION", "ENTITIES")
#: How often a transaction that collides is sent, each time with the client's own retries.
CONFLICT_ROUNDS = 5

# Inside the class, `list` is the method.
_Entities = list[Entity]
_Uids = list[str]
_Items = list[Item]
_Actions = list[Action]


def remembering(entity: Entity, columns: Mapping[str, str], may_replace: bool) -> Entity:
    """The entity that knows these header names too, as `EntityRepository.remember_columns` says.

    Raises:
        InvalidRequest, TooLarge
    """
    from waybill.entities.header import visible  # a list of entities reads no headers

    problems: list[tuple[str, str]] = []
    check_columns(dict(columns), entity.field_names, "/columns", problems)
    if any(len(header) > MAX_HEADER_CHARS or "\0" in header for header in columns):
        problems.append(("/columns", f"a name has at most {MAX_HEADER_CHARS:,} characters, without NUL"))
    meant = {**{name: name for name in entity.field_names}, **entity.columns}
    alike = {visible(label): name for label, name in meant.items()}  # a file may spell it so or so
    taken = {
        header: other
        for header, field in columns.items()
        if (other := meant.get(header, alike.get(visible(header), field))) != field
    }
    if taken and not may_replace:
        header, other = next(iter(taken.items()))
        problems.append(("/columns", f"{header!r} means the field {other} already; an admin can change that"))
    if problems:
        raise InvalidRequest("The columns do not fit the entity.", problems)
    # A header name that means the field of its own name need not be known, and is not any more.
    replaced = {visible(header) for header in taken}
    kept = {header: field for header, field in entity.columns.items() if visible(header) not in replaced}
    known = {header: field for header, field in {**kept, **columns}.items() if header != field}
    if len(known) > MAX_REMEMBERED and len(known) > len(entity.columns):
        raise TooLarge(f"An entity remembers {MAX_REMEMBERED:,} header names; these would be {len(known):,}.")
    changed = replace(entity, columns=known)
    check_size("The definition of the entity", changed.to_document(), MAX_ENTITY_BYTES)
    return changed


class EntityRepository:
    """Each method is one request, `list` one for each megabyte of definitions; `put` and `delete` are two."""

    def __init__(self, table: Table, ids: Ids) -> None:
        self._table = table
        self._ids = ids

    def find(self, name: str) -> Entity | None:
        item = self._table.get(_key(name))
        return None if item is None else _from_item(item)

    def find_many(self, names: Iterable[str]) -> dict[str, Entity]:
        """Those of the names that exist, by name; one request for a hundred of them."""
        items = self._table.get_many([_key(name) for name in sorted(set(names))])
        return {entity.name: entity for entity in read_each("entity", items, _from_item)}

    def get(self, name: str) -> Entity:
        """The entity.

        Raises:
            NotFound
        """
        entity = self.find(name)
        if entity is None:
            raise entity_not_found(name)
        return entity

    def page(self, limit: int, after: str | None = None) -> tuple[_Entities, str | None]:
        """Up to `limit` entities by name, after the name `after`, and the last name; None at the end."""
        page = self._table.query("ENTITY", limit=limit, after=None if after is None else {"pk": "ENTITY", "sk": after})
        return list(read_each("entity", page.items, _from_item)), None if page.last is None else page.last["sk"]

    def list(self) -> _Entities:
        """All of them, by name."""
        entities, after = self.page(1000)
        while after is not None:
            more, after = self.page(1000, after)
            entities += more
        return entities

    def put(
        self,
        entity: Entity,
        etag: str | None = None,
        named: Iterable[Entity] = (),
        entry: Sequence[Action] = (),
    ) -> None:
        """Store the entity in place of the one with its uid, or as a new one.

        Args:
            etag: of the definition that it may replace; None for any.
            named: the other entities that its foreign keys name.
            entry: `AuditTrail.entry` of whoever does it; here and in `delete`.

        Raises:
            Conflict: another call created or replaced the name meanwhile, or one of `named` is, or is being, deleted.
            PreconditionFailed: it has another ETag.
        """
        may_replace = _is_unchanged(entity, etag)
        if etag is None:
            may_replace = Attr("pk").is_missing() | may_replace
        item = {
            "pk": "ENTITY",
            "sk": entity.name,
            "uid": entity.uid,
            "etag": entity.etag,
            "document": json_text(entity.to_document()),
        }
        checks = [check for other in named for check in self.still_there(other.name, other.uid)]
        try:
            put = self._table.put_action(item, may_replace)
            self._table.transact([put, *entry, *checks], rounds=CONFLICT_ROUNDS)
        except TransactionCanceled as error:
            if is_gone(error, len(checks)):
                raise Conflict(f"An entity that {entity.name} refers to was deleted in the meantime.") from None
            if not error.failed_conditions:
                raise
            # What is stored may be this very definition: the first reply was lost.
            if self._table.get(_key(entity.name)) != item:
                raise _changed(entity, etag) from None
        self._revise()

    def remember_columns(
        self, entity: Entity, columns: Mapping[str, str], may_replace: bool, entry: Sequence[Action] = ()
    ) -> Entity:
        """Add header names of files to those that the entity knows.

        Args:
            columns: header names → fields.
            may_replace: names that mean another field by now mean their new ones from now on; else they are refused.
            entry: `AuditTrail.entry` of whoever does it.

        Returns:
            The entity as it is now.

        Raises:
            InvalidRequest: the entity has no such field, or a name means another one.
            NotFound: it was deleted in the meantime.
            TooLarge: its definition would be.
            Conflict: others change the entity all the time.
        """
        for _ in range(CONFLICT_ROUNDS):
            changed = remembering(entity, columns, may_replace)
            if changed.columns == entity.columns:
                return entity
            try:
                self.put(changed, entity.etag, entry=entry)
                return changed
            except PreconditionFailed:
                uid, entity = entity.uid, self.get(entity.name)
                if entity.uid != uid:
                    raise entity_not_found(entity.name) from None
        raise Conflict(f"The entity {entity.name} is being changed by others. Try again.")

    def revision(self) -> str:
        """Another text after each `put` and `delete`. One that dies before it has answered may leave the old one."""
        item = self._table.get(_REVISION)
        return "" if item is None else str(item["token"])

    def _revise(self) -> None:
        pk, sk = _REVISION
        self._table.put({"pk": pk, "sk": sk, "token": new_token(self._ids)})

    def still_there(self, name: str, uid: str) -> _Actions:
        """Checks for a transaction that starts something on the entity; see `is_gone`."""
        return still_there(self._table, name, uid)

    def mark(self, entity: Entity, now: datetime) -> str:
        """Begin to delete the entity: nothing is started on it from here on.

        Returns:
            The mark, for `delete` or `unmark`.

        Raises:
            StillRunning: someone else is deleting it, or a deletion has died less than a minute ago.
        """
        mark = new_token(self._ids)
        item = {"pk": "DELETING", "sk": entity.uid, "mark": mark, "since": int(now.timestamp())}
        try:
            self._table.put(item, Attr("pk").is_missing() | Attr("mark").equals(mark))  # the latter after a lost reply
        except ConditionFailed:
            raise StillRunning(f"The entity {entity.name} is being deleted. Try again in a minute.") from None
        return mark

    def unmark(self, uid: str, mark: str) -> None:
        """Give a deletion up."""
        with suppress(ConditionFailed):
            self._table.delete(("DELETING", uid), Attr("mark").equals(mark))

    def marks(self) -> _Items:
        """The deletions that have begun: sk (the entity's uid), mark, since (epoch seconds)."""
        return self._items("DELETING")

    def delete(self, entity: Entity, mark: str, etag: str | None = None, entry: Sequence[Action] = ()) -> None:
        """Take the entity out of the catalogue and note its uid, so that what it had can be erased.

        Raises:
            Conflict: it was meanwhile deleted or created again, or the mark was removed.
            PreconditionFailed: it has another ETag.
        """
        actions = [
            self._table.delete_action(_key(entity.name), _is_unchanged(entity, etag)),
            self._table.delete_action(("DELETING", entity.uid), Attr("mark").equals(mark)),
            self._table.put_action({"pk": "DELETED", "sk": entity.uid, "name": entity.name}),
            *entry,
        ]
        try:
            self._table.transact(actions)
        except TransactionCanceled as error:
            if error.failed_conditions:
                raise _changed(entity, etag) from None
            raise
        self._revise()

    def deleted(self) -> _Uids:
        """The uids of deleted entities that have something left to erase."""
        return [item["sk"] for item in self._items("DELETED")]

    def forget(self, uid: str) -> None:
        """Remove the note of a deleted entity of which nothing is left."""
        self._table.delete(("DELETED", uid))

    def _items(self, pk: str) -> _Items:
        """The items of a small partition: at most a megabyte of them."""
        return self._table.query(pk).items


def still_there(table: Table, name: str, uid: str) -> list[Action]:
    """The last actions of a transaction that starts something on an entity: it exists, and nobody deletes it."""
    return [
        table.check_action(_key(name), Attr("uid").equals(uid)),
        table.check_action(("DELETING", uid), Attr("pk").is_missing()),
    ]


def is_gone(error: TransactionCanceled, checks: int = 2) -> bool:
    """Whether one of its last actions, `still_there`, canceled the transaction."""
    return any(position >= len(error.reasons) - checks for position in error.failed_conditions)


def _key(name: str) -> Key:
    return "ENTITY", name


def _from_item(item: Item) -> Entity:
    return Entity.from_document(json.loads(item["document"]))


def _is_unchanged(entity: Entity, etag: str | None) -> Condition:
    """The stored entity is still the same; with `etag` its definition too."""
    is_same = Attr("uid").equals(entity.uid)
    return is_same if etag is None else is_same & Attr("etag").equals(etag)


def _changed(entity: Entity, etag: str | None) -> WaybillError:
    if etag is not None:
        return PreconditionFailed(f"The entity {entity.name}")
    return Conflict(f"The entity {entity.name} was changed by someone else in the meantime. Read it and try again.")
