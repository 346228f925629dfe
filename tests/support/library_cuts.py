"""A program that appends with the library while its power is cut again and again.

    python -m support.library_cuts KIND COUNT SEED

A round: a child process opens the directory, checks that what was promised is there, and appends
with flush="group" from two threads, each to a partition of its own. What each call has promised
stands in memory that the parent shares. As in `cut_load`: what had returned when the power went has
to be there; what is begun after that must not return.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import random
import signal
import struct
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

import meghna
from meghna.errors import StorageError
from support.volume import Cut, Volume

if TYPE_CHECKING:
    from pathlib import Path

    from meghna.engine.topic import Topic

RECYCLED = 60
_THREADS = 2
_LOAD_SECONDS = 0.04
_OPEN_SECONDS = 30.0
_ROUND_SIZE_MAX = 1_000_000
_FILLER = b"x" * 5_000


class Board:
    """What parent and child tell each other, in shared memory."""

    def __init__(self) -> None:
        self._words = mmap.mmap(-1, mmap.PAGESIZE)

    def __getitem__(self, place: int) -> int:
        value: int = struct.unpack_from("q", self._words, place * 8)[0]
        return value

    def __setitem__(self, place: int, value: int) -> None:
        struct.pack_into("q", self._words, place * 8, value)


# GOING: what returns from now on is not promised. GONE: what begins from now on must not return.
GOING, GONE, READY, FAULT = range(4)
PROMISED = 4  # and the thread: rows that are durable


def append(topic: Topic, thread: int, board: Board, rng: random.Random) -> None:
    number = topic.partitions[thread].end
    size = 0
    while size < _ROUND_SIZE_MAX:
        is_late = board[GONE]
        filler = _FILLER[: rng.choice((0, 0, 100, 5_000))]
        count = rng.choice((1, 1, 5, 100))
        rows = [b"%d " % (number + i) + filler for i in range(count)]
        topic.append_many(rows, partition=thread)
        assert not is_late, "an append returned that was begun after the power went"
        number += count
        size += count * len(filler)
        if not board[GOING]:
            board[PROMISED + thread] = number


def check(topic: Topic, board: Board) -> None:
    for thread in range(_THREADS):
        numbers = [int(bytes(r.value or b"").split(b" ")[0]) for r in topic.partitions[thread][:]]
        assert numbers == list(range(len(numbers))), f"partition {thread} is not what was appended"
        promised = board[PROMISED + thread]
        assert len(numbers) >= promised, (
            f"partition {thread}: {promised} records were durable, there are {len(numbers)}"
        )


def child(path: Path, board: Board, seed: int) -> None:
    code = 1
    try:
        log = meghna.open(path)
        topic = log.topic(
            "cut",
            create=True,
            partitions=_THREADS,
            flush="group",
            settings={"segment.ms": 10, "index.interval.bytes": 100},
        )
        check(topic, board)
        board[READY] = 1

        def run(thread: int) -> None:
            try:
                with contextlib.suppress(StorageError, OSError):
                    append(topic, thread, board, random.Random(seed + thread))
            except BaseException:  # noqa: BLE001 - the parent tells it
                traceback.print_exc()
                board[FAULT] = 1

        threads = [threading.Thread(target=run, args=[thread]) for thread in range(_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        signal.pause()  # until the parent ends us: nothing is closed
        code = 0
    except BaseException:  # noqa: BLE001 - as above
        traceback.print_exc()
        board[FAULT] = 1
    finally:
        os._exit(code)


class Rounds:
    """Cuts on one volume."""

    def __init__(self, volume: Volume, rng: random.Random) -> None:
        self._volume = volume
        self._rng = rng
        self._board = Board()
        self._records = 0
        self.cuts = 0
        self.records = 0

    def run(self, count: int) -> None:
        while self.cuts < count:
            self._volume.unmount()
            self._volume.format()
            self._volume.mount()
            for thread in range(_THREADS):
                self._board[PROMISED + thread] = 0
            for _ in range(min(RECYCLED, count - self.cuts)):
                self._round(is_cut=self._rng.random() < 15 / 16)
            self._round(is_cut=False)
            self.records += sum(self._board[PROMISED + thread] for thread in range(_THREADS))

    def _round(self, *, is_cut: bool) -> None:
        board = self._board
        board[GOING] = board[GONE] = board[READY] = 0
        seed = self._rng.randrange(2**31)
        pid = os.fork()
        if not pid:
            child(self._volume.path / "data", board, seed)
        try:
            deadline = time.monotonic() + _OPEN_SECONDS
            while not board[READY] and not board[FAULT]:
                assert time.monotonic() < deadline, "it is not opened"
                time.sleep(0.001)
            time.sleep(self._rng.uniform(0, _LOAD_SECONDS))
            if is_cut:
                board[GOING] = 1
                self._volume.cut(self._rng.choice(list(Cut)))
                board[GONE] = 1
                time.sleep(self._rng.choice((0, 0.002)))
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        assert not board[FAULT], "see above"
        if is_cut:
            self._volume.remount()
            self.cuts += 1


def main(kind: str, count: int, seed: int) -> None:
    began = time.monotonic()
    with Volume(kind) as volume:
        rounds = Rounds(volume, random.Random(seed))
        try:
            rounds.run(count)
        except BaseException:
            print(f"{kind}: seed {seed}, after {rounds.cuts} cuts", file=sys.stderr)
            volume.tell_failure()
            raise
    figures = {
        "kind": kind,
        "cuts": rounds.cuts,
        "records": rounds.records,
        "seconds": round(time.monotonic() - began, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
