"""How a command ends: exit codes, and one sentence on stderr in place of a traceback.

Standard output carries data, standard error carries notes. A command raises CommandError where it
cannot go on; `concluded` turns that, an interrupt or a reader that went away into the exit code
that the conventions of the command line give it.
"""

from __future__ import annotations

import os
import sys
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


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
    print(f"meghna: {text}", file=sys.stderr)


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
        # The reader of our output has what it wanted. The interpreter would complain once more
        # when it flushes at exit, so it gets a place to flush to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    except OSError as error:
        note(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        return Exit.FAILED
    return code
