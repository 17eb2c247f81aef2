"""Sources: imports on a schedule. Files are fetched from a place, and each becomes a job (contract, section 8)."""
