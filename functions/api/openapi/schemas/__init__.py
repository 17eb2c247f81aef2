"""JSON Schemas (2020-12) of what requests and answers hold, a module for each resource.

A request's schema never refuses what the API takes; the API may refuse more, since some rules need the entity. Members
that are null count as left out, so optional ones may be null.
"""

from __future__ import annotations

from openapi.schemas import about, entities, exports, imports, jobs, zilliant
from openapi.schemas.blocks import Schema, given, uri


def components() -> dict[str, Schema]:
    """The named schemas."""
    return {
        **about.schemas(),
        **entities.schemas(),
        **imports.schemas(),
        **jobs.schemas(),
        **exports.schemas(),
        "Link": given({"url": uri()}),
        **zilliant.schemas(),
    }
