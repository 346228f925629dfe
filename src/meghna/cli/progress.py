"""How far a long command is: a line on standard error, if that is a terminal.

Drawn a few times a second, and taken away at the end, where `Progress.summary` is what remains.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import Final

_INTERVAL: Final = 0.2  # seconds between two drawings
_BAR_WIDTH: Final = 16


class Progress:
    """Rows done and, where it is known, what part of all that is."""

    __slots__ = ("_began", "_drawn", "_is_shown", "_unit", "rows", "what")

    def __init__(self, *, quiet: bool, unit: str = "rows", delay: float = 0.0) -> None:
        self._is_shown = not quiet and sys.stderr.isatty()
        self._unit = unit
        self._began = time.monotonic()
        self._drawn = self._began + delay  # seconds; what is quicker needs no line
        self.rows = 0
        """Done so far."""
        self.what = ""
        """What is being done: a file's name."""

    def draw(self, fraction: float | None) -> None:
        """Show it, if it is time to; `fraction` of the whole is done, from 0 to 1."""
        now = time.monotonic()
        if self._is_shown and now - self._drawn >= _INTERVAL:
            self._drawn = now
            self._write(self._line(fraction, now - self._began))

    def _line(self, fraction: float | None, seconds: float) -> str:
        told = f"{self.rows:,} {self._unit}  {rate(self.rows, seconds, self._unit)}"
        if fraction is not None:
            filled = round(min(fraction, 1) * _BAR_WIDTH)
            left = f"  {span(seconds / fraction - seconds)} left" if 0 < fraction < 1 else ""
            bar = "#" * filled + "-" * (_BAR_WIDTH - filled)
            told = f"[{bar}] {min(fraction, 1):4.0%}  {told}{left}"
        return f"{self.what}  {told}"

    def _write(self, line: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r{line[-width:]}\x1b[K")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def summary(self) -> str:
        """How long it took, and how fast that was."""
        seconds = time.monotonic() - self._began
        return f"{span(seconds)}, {rate(self.rows, seconds, self._unit)}"


def rate(rows: int, seconds: float, unit: str = "rows") -> str:
    """Rows a second, for people."""
    each = rows / max(seconds, 1e-6)
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if each >= size:
            return f"{each / size:.1f} {letter} {unit}/s"
    return f"{each:.0f} {unit}/s"


def span(seconds: float) -> str:
    """A time that passes, for people."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
