"""Telling the log of something that clients can bring about as often as they like."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meghna.clock import Clock

_AGAIN_MS = 60_000
_TOLD_MAX = 100


class Sparing:
    """Lets a thing be told once a minute, and only so many different ones in that time."""

    __slots__ = ("_clock", "_told")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[str, int] = {}
        """When each was told, the oldest first."""

    def may_tell(self, what: str) -> bool:
        """Whether `what` is to be told now; whoever asks then tells it."""
        now_ms = self._clock.monotonic_ms()
        while self._told:
            oldest = next(iter(self._told))
            if now_ms - self._told[oldest] < _AGAIN_MS:
                break
            del self._told[oldest]
        if what in self._told or len(self._told) >= _TOLD_MAX:
            return False
        self._told[what] = now_ms
        return True
