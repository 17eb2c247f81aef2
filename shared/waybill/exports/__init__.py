"""What an export does: definitions, extract, deliver."""
