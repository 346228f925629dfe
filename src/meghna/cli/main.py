"""meghna: the entry point. Finds the command and imports that one alone."""

from __future__ import annotations

import importlib
import sys
from typing import Protocol, cast

import meghna
from meghna.cli.outcome import printing

# Command, and what `meghna --help` says of it. Its module is meghna.cli.<command>.
COMMANDS = {
    "serve": "run a broker",
    "topic": "create, list, describe and delete topics",
    "produce": "write records to a topic",
    "consume": "read records from topics",
    "ingest": "take rows of files into a data directory, without a broker",
    "export": "write a topic of a data directory to a file",
    "group": "list and describe consumer groups",
    "log": "verify, repair, dump and measure the files of a log, without a broker",
}
_USAGE_EXIT = 2


class Command(Protocol):
    def run(self, args: list[str]) -> int: ...


def main(argv: list[str] | None = None) -> int:
    """Run a command line; returns the exit code."""
    args = sys.argv[1:] if argv is None else argv
    return printing(lambda: _run(args))


def _run(args: list[str]) -> int:
    if not args or args[0] in ("-h", "--help", "help"):
        sys.stdout.write(help_text())
        return 0 if args else _USAGE_EXIT
    if args[0] in ("-V", "--version", "version"):
        sys.stdout.write(f"meghna {meghna.__version__}\n")
        return 0
    name, rest = args[0], args[1:]
    if name not in COMMANDS:
        from meghna.config_keys import nearest  # noqa: PLC0415 - only a mistake pays for it

        guess = nearest(name, list(COMMANDS))
        hint = f"; did you mean {guess}?" if guess else "; meghna --help lists the commands"
        sys.stderr.write(f"meghna: unknown command {name}{hint}\n")
        return _USAGE_EXIT
    command = cast("Command", importlib.import_module(f"meghna.cli.{name}"))
    return command.run(rest)


def help_text() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {meaning}\n" for name, meaning in COMMANDS.items()]
    return (
        "usage: meghna COMMAND [OPTION...]\n\n"
        "A log storage engine and a Kafka-compatible broker.\n\n"
        f"{''.join(lines)}\n"
        "meghna COMMAND --help tells a command's options; meghna --version the version.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
