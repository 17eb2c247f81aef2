"""`python -m openapi` (with functions/api and shared on the path): regenerates openapi.json and docs.html."""

from __future__ import annotations

from openapi.build import FOLDER, built

for name, text in built().items():
    (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{name}: {len(text):,} characters")
