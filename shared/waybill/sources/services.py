"""What operations on sources are handed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from waybill.exports.services import ExportServices

if TYPE_CHECKING:
    from waybill.sources.files import SourceFiles
    from waybill.sources.repository import SourceRepository


class SourceServices(ExportServices, Protocol):
    """The services, the sources' definitions, and the files that they have seen."""

    @property
    def sources(self) -> SourceRepository: ...
    @property
    def source_files(self) -> SourceFiles: ...
