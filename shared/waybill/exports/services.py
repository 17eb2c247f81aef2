"""What operations on exports are handed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from waybill.jobs.services import Services

if TYPE_CHECKING:
    from waybill.exports.repository import ExportRepository


class ExportServices(Services, Protocol):
    """The services, and the exports' definitions."""

    @property
    def exports(self) -> ExportRepository: ...
