"""What an import does: start, plan, load a chunk, finish."""
