"""The commands, one module per group. Each declares its command line in `add_commands`."""
