"""Dropped files: of several events about one S3 key only a newer one may make an import.

    DROP#{sha256 of the key} / LATEST   sequencer: of the newest event that made an import

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html, `sequencer`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from waybill.aws.expressions import Attr
from waybill.aws.table import Action, Table


@dataclass(frozen=True)
class Drop:
    """One S3 event: the sequencer orders events of a key (hexadecimal, compared after padding on the left)."""

    key: str
    sequencer: str

    def action(self, table: Table) -> Action:
        """Notes the event; its condition is false when a newer one was noted."""
        order = self.sequencer.rjust(64, "0")
        pk = f"DROP#{hashlib.sha256(self.key.encode()).hexdigest()}"
        is_newer = Attr("pk").is_missing() | Attr("sequencer").at_most(order)
        return table.put_action({"pk": pk, "sk": "LATEST", "sequencer": order}, is_newer)
