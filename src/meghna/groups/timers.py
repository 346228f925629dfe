"""Deadlines by key: set, moved and taken away often, due rarely.

A deadline that is moved away (each heartbeat does that) costs one dictionary store. Its old entry
stays in the heap until it comes up, and is then put back at the new place: the heap holds at most
one entry for each key that was ever set and did not come up since.
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

Key = TypeVar("Key")


class Timers(Generic[Key]):
    __slots__ = ("_count", "_deadlines", "_entries", "_heap")

    def __init__(self) -> None:
        self._deadlines: dict[Key, int] = {}
        self._entries: dict[Key, int] = {}
        """Where the key's entry in the heap stands; earlier than or at its deadline."""
        self._heap: list[tuple[int, int, Key]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._deadlines)

    def set(self, key: Key, deadline_ms: int) -> None:
        """Ring at `deadline_ms`, and not when it was to ring before."""
        self._deadlines[key] = deadline_ms
        entry_ms = self._entries.get(key)
        if entry_ms is None or deadline_ms < entry_ms:
            self._push(key, deadline_ms)

    def cancel(self, key: Key) -> None:
        self._deadlines.pop(key, None)

    def next_ms(self) -> int | None:
        """When to look again: no deadline is before it."""
        return self._heap[0][0] if self._heap else None

    def due(self, now_ms: int) -> list[Key]:
        """Take out the keys whose time has come, earliest first."""
        keys = []
        while self._heap and self._heap[0][0] <= now_ms:
            entry_ms, _, key = heapq.heappop(self._heap)
            if self._entries.get(key) != entry_ms:
                continue  # An earlier entry took its place.
            del self._entries[key]
            deadline_ms = self._deadlines.get(key)
            if deadline_ms is None:
                continue
            if deadline_ms <= now_ms:
                del self._deadlines[key]
                keys.append(key)
            else:
                self._push(key, deadline_ms)
        return keys

    def _push(self, key: Key, deadline_ms: int) -> None:
        self._entries[key] = deadline_ms
        self._count += 1
        heapq.heappush(self._heap, (deadline_ms, self._count, key))
