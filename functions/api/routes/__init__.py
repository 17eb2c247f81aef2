"""Handlers by resource; each module lists its routes in `ROUTES`."""
