"""Reads the next while the last is worked on: an iterator that runs in a thread of its own."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

_Item = TypeVar("_Item")

_ITEMS_MAX: Final = 2  # that wait to be taken
_PATIENCE: Final = 0.1  # seconds between two looks at whether anybody still wants them


class ReadAhead(Generic[_Item]):
    """The items of an iterator, made beforehand; what it raises is raised where they are taken.

    After the `with` nothing more is asked of the iterator. An item that it waits for then (of a
    terminal, say) is not waited for: the thread ends with the process.
    """

    __slots__ = ("_items", "_made", "_stopped", "_thread")

    def __init__(self, items: Iterator[_Item]) -> None:
        self._items = items
        # An item, what was raised, or None at the end.
        self._made: queue.Queue[_Item | BaseException | None] = queue.Queue(_ITEMS_MAX)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._make, name="read-ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(_PATIENCE)

    def __iter__(self) -> Iterator[_Item]:
        while (item := self._made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def _make(self) -> None:
        try:
            for item in self._items:
                self._put(item)
                if self._stopped.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - raised in the thread that takes
            self._put(error)
        else:
            self._put(None)

    def _put(self, item: _Item | BaseException | None) -> None:
        while not self._stopped.is_set():
            try:
                self._made.put(item, timeout=_PATIENCE)
            except queue.Full:
                continue
            return
