"""A file that appears when it is whole, or not at all."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

from meghna.cli.outcome import CommandError
from meghna.storage.checkpoint import sync_directory

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def whole_file(path: str, *, force: bool) -> Iterator[IO[bytes]]:
    """A file to write, under another name until the block is left without an error.

    What is no regular file (/dev/null, a pipe) is written as it is.

    Raises:
        CommandError: it is there, and not `force`.
        OSError: the disk's.
    """
    found = _mode(path)
    if found is not None and not stat.S_ISREG(found):
        with open(path, "wb") as file:
            yield file
        return
    if found is not None and not force:
        raise CommandError(f"{path} is there already; --force replaces it")
    path = os.path.realpath(path)
    directory, name = os.path.split(path)
    unfinished = os.path.join(directory, f".{name}.{os.getpid()}.unfinished")
    try:
        with open(unfinished, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if not force and _mode(path) is not None:
            raise CommandError(f"{path} appeared meanwhile; --force replaces it")
        os.rename(unfinished, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(unfinished)
        raise
    sync_directory(directory)


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None
