"""The time, as a parameter: whoever needs it is given a clock."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """What a clock answers; the tests have one that stands still until told."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, as records are stamped."""

    def monotonic_ms(self) -> int:
        """Milliseconds since some moment; never steps back. For deadlines."""


class SystemClock:
    """The machine's clock."""

    __slots__ = ()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000
