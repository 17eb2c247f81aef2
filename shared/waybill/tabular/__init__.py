"""Bytes to rows: encodings, dialects, CSV, JSON Lines, workbooks, row-aligned chunks. Pure: no AWS, no clock."""
