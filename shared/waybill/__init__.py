"""Waybill: files in, files out, and at every moment what happened to each row."""
