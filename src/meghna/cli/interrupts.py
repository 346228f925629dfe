"""Ctrl-C and SIGTERM, held back while something must be done whole."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Interrupts:
    """While it is entered both signals raise KeyboardInterrupt: at once, or after what is `held`.

    Elsewhere than in the main thread it does nothing: signals do not come there.
    """

    __slots__ = ("_before", "_holds", "_is_pending")

    def __init__(self) -> None:
        self._holds = False
        self._is_pending = False
        self._before: dict[int, signal._HANDLER] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._came)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _came(self, _number: int, _frame: FrameType | None) -> None:
        if not self._holds:
            raise KeyboardInterrupt
        self._is_pending = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing in this block is interrupted; who wanted to is served after it."""
        self._holds = True
        try:
            yield
        finally:
            self._holds = False
        if self._is_pending:
            self._is_pending = False
            raise KeyboardInterrupt
