"""A log that is read beside its writer, another process: each record once and in order, whatever
that process does, and nothing on disk is touched."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from meghna._native.batch import build, check, records, split
from meghna._native.log import Log, LogConfig
from meghna.errors import (
    ClosedError,
    NotFoundError,
    OutOfRangeError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW_MS = 1_800_000_000_000
SOURCE = str(Path(__file__).parents[1] / "src")
WAIT_SECONDS = 60
SMALL = LogConfig(segment_size_max=20_000, index_interval_size=1000)

# Appends records that say their offset, several batches a write, and deletes what the reader has
# behind it: it says how far it is, a line each.
WRITER = """
import sys, threading
from meghna._native.batch import build
from meghna._native.log import Log, LogConfig
now, until = int(sys.argv[2]), int(sys.argv[3])
read_until = 0
def listen():
    global read_until
    for line in sys.stdin:
        read_until = int(line)
threading.Thread(target=listen, daemon=True).start()
config = LogConfig(segment_size_max=20_000, index_interval_size=1000)
with Log.open(sys.argv[1], config, now_ms=now) as log:
    turn = 0
    while log.end_offset < until:
        first, data = log.end_offset, b""
        for size in range(1, 1 + turn % 5):
            values = [str(first + i).encode() for i in range(size)]
            data += build([(None, value * (1 + turn % 30), (), now) for value in values])
            first += size
        log.append(data, now_ms=now)
        if turn % 50 == 0:
            log.flush()
            log.delete_old(retention_ms=-1, retention_size=60_000, limit_offset=read_until,
                           now_ms=now)
        turn += 1
"""


def batch(count: int = 1, size: int = 20, timestamp: int = NOW_MS) -> bytes:
    return build([(b"key", b"v" * size, (), timestamp + i) for i in range(count)])


def look(path: Path, config: LogConfig = SMALL, *, clean: bool = False) -> Log:
    return Log.open(str(path), config, clean=clean, read_only=True, now_ms=NOW_MS)


def listing(path: Path) -> dict[str, tuple[int, ...]]:
    """Every name below, with all that tells of a change but the time of the last access."""
    found: dict[str, tuple[int, ...]] = {}
    for entry in [path, *path.rglob("*")]:
        facts = entry.stat()
        found[str(entry)] = (
            facts.st_ino, facts.st_mode, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns,
            facts.st_blocks,
        )  # fmt: skip
    return found


def read_on(log: Log, offset: int) -> Iterator[tuple[int, bytes]]:
    """The records from `offset` to the end, with their offsets."""
    while data := log.read(offset, size_max=50_000):
        for part in split(data):
            header = check(part)
            assert header.base_offset == offset
            for record in records(part):
                yield record.offset, bytes(record.value or b"")
            offset = header.last_offset + 1


class Writer:
    """The other process."""

    def __init__(self, path: Path, until: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(NOW_MS), str(until)],
            env={**os.environ, "PYTHONPATH": SOURCE},
            stdin=subprocess.PIPE,
        )

    @property
    def is_done(self) -> bool:
        return self._process.poll() is not None

    def tell(self, offset: int) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is done
            os.write(self._process.stdin.fileno(), b"%d\n" % offset)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        status = self._process.wait(WAIT_SECONDS)
        assert self._process.stdin is not None
        self._process.stdin.close()
        return status


def test_each_record_is_seen_once_and_in_order_beside_a_writer_that_dies(tmp_path: Path) -> None:
    path = tmp_path / "t-0"
    until, lives = 60_000, 4
    writer = Writer(path, until)
    give_up = time.monotonic() + WAIT_SECONDS
    while not path.exists():
        assert time.monotonic() < give_up
    deaths = 0
    seen = 0
    segments = set()
    with look(path) as log:
        while seen < until:
            assert time.monotonic() < give_up
            end_offset = log.refresh()
            for offset, value in read_on(log, seen):
                text = str(seen).encode()
                assert offset == seen
                assert value == text * (len(value) // len(text))
                seen += 1
            assert seen >= end_offset
            writer.tell(seen)
            segments.add(log.segment_count)
            if deaths + 1 < lives and seen > until * (deaths + 1) // lives:
                writer.kill()
                deaths += 1
                writer = Writer(path, until)
        assert writer.wait() == 0
        assert log.refresh() == seen
        assert deaths == lives - 1
        assert 0 < log.start_offset < seen
        with pytest.raises(OutOfRangeError):
            log.read(log.start_offset - 1)
        assert len(segments) > 1
        # What is left is also what one sees who comes late, however the log is taken up.
        left = list(read_on(log, log.start_offset))
        for clean in (False, True):
            with look(path, clean=clean) as late:
                assert (late.start_offset, late.end_offset) == (log.start_offset, seen)
                assert late.size == log.size
                assert list(read_on(late, late.start_offset)) == left


def test_threads_read_and_refresh_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t-0"
    until = 20_000
    writer = Writer(path, until)
    give_up = time.monotonic() + WAIT_SECONDS
    while not path.exists():
        assert time.monotonic() < give_up
    with look(path) as log:

        def follow() -> None:
            seen = 0
            while seen < until and time.monotonic() < give_up:
                log.refresh()
                for offset, _ in read_on(log, seen):
                    assert offset == seen
                    seen += 1
            assert seen == until

        with ThreadPoolExecutor(3) as pool:
            for thread in [pool.submit(follow) for _ in range(3)]:
                thread.result()
    assert writer.wait() == 0


def fill(path: Path) -> Log:
    log = Log.open(str(path), SMALL, now_ms=NOW_MS)
    for i in range(300):
        log.append(batch(2, 100, NOW_MS + 10 * i), now_ms=NOW_MS)
    log.flush()
    return log


def use(log: Log) -> None:
    assert log.refresh() == log.end_offset == 600
    assert sum(1 for _ in read_on(log, 0)) == 600
    assert log.find_timestamp(NOW_MS + 1500) == log.read_batch(300)
    assert log.find_max_timestamp() == log.read_batch(599)
    assert log.epoch_end(0) == (0, 600)
    assert log.producers() == []
    assert log.segment_count > 3
    assert log.failure is None
    log.configure(LogConfig())
    log.refresh(start_offset=17)
    assert log.start_offset == 17


@pytest.mark.parametrize("clean", [False, True])
def test_nothing_on_disk_changes(tmp_path: Path, *, clean: bool) -> None:
    writer = fill(tmp_path / "t-0")
    if clean:
        writer.close()
    before = listing(tmp_path)
    with look(tmp_path / "t-0", clean=clean) as log:
        use(log)
    look(tmp_path / "t-0", clean=clean).abandon()
    assert listing(tmp_path) == before
    if not clean:
        writer.append(batch(), now_ms=NOW_MS)  # what was reserved is still its own
        writer.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_who_may_only_read_is_refused_nothing() -> None:
    """The kernel is the judge: another user, who cannot write to the directory."""
    with tempfile.TemporaryDirectory() as base:
        path = Path(base) / "t-0"
        writer = fill(path)
        Path(base).chmod(0o755)
        child = os.fork()
        if child == 0:
            try:
                os.setgid(65534)
                os.setuid(65534)
                assert not os.access(path, os.W_OK)
                with look(path) as log:
                    use(log)
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        writer.close()


def test_whoever_writes_is_told_why_not(tmp_path: Path) -> None:
    writer = fill(tmp_path / "t-0")
    with look(tmp_path / "t-0") as log:
        assert log.read_only
        assert not writer.read_only
        assert writer.refresh() == 600
        assert not log.wants_room()
        why = r"t-0 was opened read-only"
        with pytest.raises(UnsupportedError, match=why):
            log.append(batch(), now_ms=NOW_MS)
        for write in (log.roll, log.flush, log.reserve_ahead):
            with pytest.raises(UnsupportedError, match=why):
                write()
        with pytest.raises(UnsupportedError, match=why):
            log.truncate(10)
        with pytest.raises(UnsupportedError, match=why):
            log.raise_start(10)
        with pytest.raises(UnsupportedError, match=why):
            log.delete_old(retention_ms=0, retention_size=0, limit_offset=600, now_ms=NOW_MS)
        use(log)
    with pytest.raises(ClosedError):
        log.refresh()
    writer.close()


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        look(tmp_path / "t-0")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "t-0").mkdir()
    with look(tmp_path / "t-0") as log:
        assert (log.end_offset, log.read(0), log.find_max_timestamp()) == (0, b"", None)
        assert list((tmp_path / "t-0").iterdir()) == []
        fill(tmp_path / "t-0").close()
        use(log)
        (tmp_path / "t-0").rename(tmp_path / "gone")
        with pytest.raises(NotFoundError):
            log.refresh()
