"""Entities: the kinds of record, their schema compiled to validators, and the catalogue."""
