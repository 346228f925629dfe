"""A file or standard input as bytes: opened once, opened further if compressed, looked at first.

`head` shows how it begins without taking it away: from that, formats are told apart and a file is
known again when it comes a second time (`producer_name`).
"""

from __future__ import annotations

import hashlib
import os
import select
import stat
import sys
from typing import TYPE_CHECKING, Final

from meghna.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Of what is worked on together: some allocations of this size stay in the allocator's hands, and
# in a core's cache. 5 M lines of 100 bytes: 0.9 s; with blocks of 8 MiB 1.25 s and 60 MB more.
BLOCK_SIZE: Final = 2 * 1024 * 1024
HEAD_SIZE: Final = 64 * 1024
LINE_SIZE_MAX: Final = 64 * 1024 * 1024  # the largest record there is; a file may have no newline
# Seconds that more of a pipe's input is waited for, so that what comes in small pieces is appended
# in large ones, and still at once for whoever types it.
_PAUSE: Final = 0.05

_COMPRESSIONS: Final = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}
_FORMATS: Final = {
    ".txt": "lines", ".text": "lines", ".log": "lines", ".lines": "lines",
    ".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson",
    ".csv": "csv", ".tsv": "csv", ".tab": "csv",
    ".parquet": "parquet", ".pq": "parquet",
    ".arrow": "arrow", ".arrows": "arrow", ".ipc": "arrow", ".feather": "arrow",
}  # fmt: skip
FORMATS: Final = ("lines", "ndjson", "csv", "parquet", "arrow")
TABLES: Final = ("parquet", "arrow")
STDIN: Final = "-"


def suffixes(path: str) -> tuple[str, str | None]:
    """A name's suffix, and the compression that one after it names."""
    stem, last = os.path.splitext(path.lower())
    compression = _COMPRESSIONS.get(last)
    return (os.path.splitext(stem)[1] if compression else last), compression


def format_of(path: str) -> str:
    """The format that a file's name tells. Raises CommandError (usage) where it tells none."""
    if path == STDIN:
        return "lines"
    suffix = suffixes(path)[0]
    if suffix not in _FORMATS:
        names = ", ".join(FORMATS)
        raise CommandError(f"{path}: name its format with --format ({names})", Exit.USAGE)
    return _FORMATS[suffix]


class InputFile:
    """A file that is open for reading. One thread at a time reads."""

    __slots__ = ("_end", "_file", "_head", "_opened", "is_regular", "name", "path", "size")

    def __init__(self, path: str) -> None:
        """Open `path`, "-" is standard input. Raises OSError."""
        self.name = "standard input" if path == STDIN else path
        self.path = path
        # Standard input stays open: it is not ours to close.
        self._file = (
            open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115 - see close
            if path == STDIN
            else open(path, "rb", buffering=0)  # noqa: SIM115
        )
        found = os.fstat(self._file.fileno())
        self.is_regular = stat.S_ISREG(found.st_mode)
        self.size = found.st_size if self.is_regular else None
        self._head = b""
        self._end: int | None = None  # of what is read, where that is not all
        self._opened = self._decompressing(None if path == STDIN else suffixes(path)[1])

    def _decompressing(self, compression: str | None) -> object:
        if compression is None:
            return None
        import pyarrow as pa  # noqa: PLC0415 - slow to import

        return pa.CompressedInputStream(pa.PythonFile(self._file, "r"), compression)

    def close(self) -> None:
        self._file.close()

    def fraction(self) -> float | None:
        """How much of it was read, from 0 to 1; None where its size is not known."""
        return self._file.tell() / self.size if self.size else None

    def head(self) -> bytes:
        """How it begins; `read` gives it again. Raises CommandError."""
        if not self._head:
            self._head = self._read(HEAD_SIZE)
        return self._head

    def read(self, size: int = BLOCK_SIZE) -> bytes:
        """The next bytes, as many if there are as many now; empty at the end.

        Raises:
            CommandError: it cannot be read, or is not what its suffix says.
        """
        taken, self._head = self._head[:size], self._head[size:]
        return taken + self._read(size - len(taken)) if len(taken) < size else taken

    def leave_unended(self, is_whole: Callable[[bytes], bool]) -> bool:
        """Read no further than the last line's end as the file is now, unless what follows
        `is_whole` without one. Return whether anything is left. Pipes and what is compressed end
        where they end. Raises OSError."""
        if self.size is None or self._opened is not None:
            return False
        begin = self._file.tell() - len(self._head)
        number, size = self._file.fileno(), os.fstat(self._file.fileno()).st_size
        end, rest = size, b""
        while end > begin and b"\n" not in rest:
            if len(rest) > LINE_SIZE_MAX:
                return False  # reading says that it is too long
            block = os.pread(number, min(BLOCK_SIZE, end - begin), max(end - BLOCK_SIZE, begin))
            rest, end = block + rest, max(end - BLOCK_SIZE, begin)
        end += rest.rfind(b"\n") + 1
        rest = rest[rest.rfind(b"\n") + 1 :]
        if not rest or is_whole(rest):
            end, rest = size, b""
        self._end = end
        self._head = self._head[: end - begin]
        return bool(rest)

    def _read(self, size: int) -> bytes:
        try:
            if self._end is not None:
                size = max(min(size, self._end - self._file.tell()), 0)
            if self._opened is not None:
                opened: bytes = self._opened.read(size)  # type: ignore[attr-defined]
                return opened
            if self.is_regular:
                return self._file.read(size)
            return self._read_what_comes(size)
        except (OSError, ValueError) as error:  # pyarrow's are ValueErrors, too
            raise CommandError(f"{self.name}: {error}") from error

    def _read_what_comes(self, size: int) -> bytes:
        parts = [self._file.read(size)]
        left = size - len(parts[0])
        while parts[-1] and left and select.select([self._file], [], [], _PAUSE)[0]:
            parts.append(self._file.read(left))
            left -= len(parts[-1])
        return b"".join(parts)

    def readable(self) -> bool:
        """For those who take it for a Python file."""
        return True

    @property
    def closed(self) -> bool:
        return self._file.closed


def producer_name(file: InputFile, *, form: Sequence[object], lines: int | None) -> str:
    """The name under which a file's rows are appended: the same again for the same command.

    It holds the path, how rows are made, and how the file begins: its first `lines` lines (a header
    counts), or None: all of it, by both of its ends and its size. So a file that grew is known
    again, one that replaced it (a log that was rotated) is another.
    """
    head = file.head()
    if lines is None:
        with open(file.path, "rb") as whole:
            whole.seek(max((file.size or 0) - HEAD_SIZE, 0))
            head += whole.read() + str(file.size).encode()
    else:
        head = b"\n".join(head.split(b"\n", lines)[:lines])
    made = hashlib.blake2b(repr((*form, head)).encode(), digest_size=8)
    return f"ingest:{os.path.realpath(file.path)}:{made.hexdigest()}"
