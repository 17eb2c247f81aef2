"""Files that stay with Waybill until somebody downloads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waybill.exports.destinations.base import DestinationKind


class Download(DestinationKind):
    def address(self, destination: Mapping[str, Any], file_name: str = "") -> None:
        return None
