"""Bytes to rows: dialects, CSV, row-aligned splitting. Pure: no AWS, no clock."""
