"""How a command ends: exit codes, and one sentence on stderr in place of a traceback.

Standard output carries data, standard error carries notes. A command raises CommandError where it
cannot go on; `concluded` turns that or an interrupt into the exit code that the conventions of the
command line give it. `printing` holds whatever is printed, help texts too, against a reader that
went away, a disk that is full and a terminal that knows ASCII only.
"""

from __future__ import annotations

import io
import os
import sys
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO


class Exit(IntEnum):
    OK = 0
    FAILED = 1  # the broker refused, or the operation could not be done
    USAGE = 2
    UNREACHABLE = 3  # no broker answers, or not in time
    NOT_FOUND = 4
    PARTIAL = 5  # some items were done and some were not
    DEADLINE = 124
    INTERRUPTED = 130


class CommandError(Exception):
    """A command cannot go on: what to tell, and the exit code."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code


def note(text: str) -> None:
    """Tell the person at the terminal something that is not data."""
    try:
        print(f"meghna: {text}", file=sys.stderr, flush=True)
    except OSError:
        _abandon(sys.stderr)  # nobody is there to be told


def concluded(command: Callable[[], Exit]) -> int:
    """Run a command and return its exit code; whatever the world does ends without a traceback."""
    try:
        code = command()
        sys.stdout.flush()
    except CommandError as error:
        note(str(error))
        return error.code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        _abandon(sys.stdout)  # its reader has what it wanted
        return Exit.OK
    except OSError as error:
        note(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        return Exit.FAILED
    return code


def printing(command: Callable[[], int]) -> int:
    """Run what prints, `concluded` or not, and see that all of it was printed."""
    for stream, name in ((sys.stdout, "stdout"), (sys.stderr, "stderr")):
        if stream is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            return command()
        finally:
            sys.stdout.flush()  # argparse leaves by SystemExit
    except BrokenPipeError:
        _abandon(sys.stdout)
        return Exit.OK
    except OSError as error:
        _abandon(sys.stdout)
        note(f"standard output: {error.strerror or error}")
        return Exit.FAILED


def _abandon(stream: TextIO) -> None:
    """Give a stream that cannot be written to a place to flush to: the interpreter complains once
    more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
