"""Bytes to rows: encodings, dialects, CSV, JSON Lines, workbooks, row-aligned chunks.

Pure: no AWS, no clock, and no I/O but for the process that reads a workbook (`workbooks`).
"""
