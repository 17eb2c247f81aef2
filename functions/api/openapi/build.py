"""The committed files, as they have to be."""

from __future__ import annotations

import json
from pathlib import Path

from app import operations
from openapi.document import document
from openapi.page import page

FOLDER = Path(__file__).parent.parent


def built() -> dict[str, str]:
    """File name → content."""
    described = document(operations())
    return {
        "openapi.json": json.dumps(described, indent=1, ensure_ascii=False) + "\n",
        "docs.html": page(described),
    }
