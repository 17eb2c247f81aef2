"""The planted bugs of `make mutants`: each undoes one safeguard, and names the tests that must notice it.

A mutant replaces a text that its file has exactly once. When the code changes, change `before` and `after` with it, so
that the same safeguard is undone; a mutant goes only with its safeguard. A new safeguard brings its mutant.
"""

from __future__ import annotations

from tests.planted.audit import AUDIT
from tests.planted.canaries import CANARIES
from tests.planted.ends import ENDS
from tests.planted.exporters import EXPORTERS
from tests.planted.exports import EXPORTS
from tests.planted.once import ONCE
from tests.planted.parquet import PARQUET
from tests.planted.permissions import PERMISSIONS
from tests.planted.queue import QUEUE
from tests.planted.quotas import QUOTAS
from tests.planted.references import REFERENCES
from tests.planted.rows import ROWS
from tests.planted.sources import SOURCES
from tests.planted.told import TOLD
from tests.planted.undo import UNDO
from tests.planted.upkeep import UPKEEP

MUTANTS = (
    *QUEUE,
    *ONCE,
    *ROWS,
    *UNDO,
    *ENDS,
    *UPKEEP,
    *EXPORTS,
    *PERMISSIONS,
    *EXPORTERS,
    *REFERENCES,
    *AUDIT,
    *QUOTAS,
    *CANARIES,
    *PARQUET,
    *SOURCES,
    *TOLD,
)
