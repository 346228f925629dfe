"""The command line: `meghna <command>`, one module a command."""
