"""Jobs: the status record of one import or export, its moves, its counts and where it is kept."""
