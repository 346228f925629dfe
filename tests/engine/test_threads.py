"""Many threads at one log, an event loop that follows it, and processes that fork from it."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

import meghna
from meghna.errors import ClosedError
from meghna.storage.directory import DirectoryLockedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WAIT_SECONDS = 30.0


def running(*works: Callable[[], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    return threads


def joined(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


# --- appending, reading, flushing at once -----------------------------------------------------


CALLS, ROWS_A_CALL = 60, 50
FILLING = b"." * 300  # so that the values fill several segments


def values_of(thread: int, call: int) -> list[bytes]:
    return [b"%d %d %d %s" % (thread, call, row, FILLING) for row in range(ROWS_A_CALL)]


class Crowd:
    """Threads at one topic of three partitions; what they appended, and what they followed."""

    def __init__(self, log: meghna.Log) -> None:
        self.log = log
        settings = {"segment.bytes": 1024 * 1024}
        self.topic = log.topic("t", create=True, partitions=3, settings=settings)
        self.stopping = threading.Event()
        self.faults: list[str] = []
        self.spans: dict[tuple[int, int], meghna.Span] = {}
        self.followed: list[tuple[int, int]] = []

    def guarded(self, work: Callable[..., None], *arguments: int) -> Callable[[], None]:
        def run() -> None:
            try:
                work(*arguments)
            except BaseException:  # noqa: BLE001 - told by the test
                self.faults.append(traceback.format_exc())

        return run

    def repeated(self, work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            while not self.stopping.is_set():
                work()

        return self.guarded(run)

    def append(self, thread: int) -> None:
        for call in range(CALLS):
            values = values_of(thread, call)
            rows: object = pa.array(values, pa.binary()) if call % 2 else values
            flush = "group" if call % 10 == 0 else "none"
            done = self.topic.append_many(rows, partition=thread % 3, flush=flush)
            (self.spans[thread, call],) = done.spans

    def read(self) -> None:
        for index in range(3):
            offsets = [record.offset for record in self.topic.read(partition=index)]
            assert offsets == list(range(len(offsets)))

    def scan(self) -> None:
        table = self.topic.scan(columns=["offset", "value"]).to_arrow()
        assert all(value.endswith(FILLING) for value in table["value"].to_pylist())

    def follow(self) -> None:
        for record in self.topic.tail("earliest", timeout=WAIT_SECONDS):
            self.followed.append((record.partition, record.offset))
            if len(self.followed) == 6 * CALLS * ROWS_A_CALL:
                return


def test_nothing_is_lost_or_doubled_among_threads(tmp_path: Path) -> None:
    """Two threads append to each partition, while others read, scan, follow, flush, and look for
    what is old."""
    with meghna.open(tmp_path) as log:
        crowd = Crowd(log)
        topic = crowd.topic
        works = [crowd.guarded(crowd.append, thread) for thread in range(6)]
        others = [crowd.read, crowd.scan, log.flush, log.apply_retention]
        appending = running(*works, crowd.guarded(crowd.follow))
        beside = running(*(crowd.repeated(work) for work in others))
        joined(appending)
        crowd.stopping.set()
        joined(beside)
        assert not crowd.faults, crowd.faults[0]
        assert [len(each) for each in topic.partitions] == [2 * CALLS * ROWS_A_CALL] * 3
        assert sorted(crowd.followed) == [
            (index, offset) for index in range(3) for offset in range(2 * CALLS * ROWS_A_CALL)
        ]
        for (thread, call), span in crowd.spans.items():
            assert span.count == ROWS_A_CALL
            found = topic.partitions[span.partition][span.first_offset : span.last_offset + 1]
            assert [record.value for record in found] == values_of(thread, call)
        assert topic.partitions[0].log.segment_count > 1


def test_closing_under_load_ends_every_thread_with_one_kind_of_error(tmp_path: Path) -> None:
    for _ in range(5):
        log = meghna.open(tmp_path)
        topic = log.topic("t", create=True, partitions=2)
        ends: list[BaseException] = []
        begun = threading.Barrier(7)
        appended = [0, 0]

        def until_closed(
            work: Callable[[], object],
            ends: list[BaseException] = ends,
            begun: threading.Barrier = begun,
        ) -> Callable[[], None]:
            def run() -> None:
                begun.wait()
                try:
                    while True:
                        work()
                except BaseException as error:  # noqa: BLE001 - told by the test
                    ends.append(error)

            return run

        def append(index: int, topic: meghna.Topic = topic, counts: list[int] = appended) -> None:
            counts[index] += topic.append_many([b"v" * 100] * 20, partition=index).count

        before = [len(partition) for partition in topic.partitions]
        threads = running(
            until_closed(lambda append=append: append(0)),  # type: ignore[misc]
            until_closed(lambda append=append: append(1)),  # type: ignore[misc]
            until_closed(lambda topic=topic: list(topic.read(-100))),  # type: ignore[misc]
            until_closed(lambda topic=topic: topic.scan(-1000).to_arrow()),  # type: ignore[misc]
            until_closed(log.flush),
            until_closed(lambda topic=topic: topic.append(b"w").wait()),  # type: ignore[misc]
        )
        begun.wait()
        time.sleep(0.05)
        log.close()
        joined(threads)
        assert [type(end) for end in ends] == [ClosedError] * 6, ends
        with meghna.open(tmp_path) as again:
            counts = [len(partition) for partition in again["t"].partitions]
            values = [record.value for record in again["t"].read()]
        one_by_one = values.count(b"w")
        assert sum(counts) - sum(before) >= sum(appended)
        assert len(values) == sum(counts)
        assert set(values) <= {b"v" * 100, b"w"}
        assert (len(values) - one_by_one) % 20 == 0


def test_after_close_everything_says_so(tmp_path: Path) -> None:
    log = meghna.open(tmp_path)
    topic = log.topic("t", create=True)
    done = topic.append_many([b"one", b"two"])
    scan, reading = topic.scan(), topic.read()
    next(reading)
    log.close()
    log.close()
    works: list[Callable[[], object]] = [
        lambda: topic.append(b"x"),
        lambda: topic.append_many([b"x"]),
        lambda: list(topic.read()),
        topic.scan,
        scan.to_arrow,
        lambda: topic[0],
        lambda: len(topic),
        lambda: 0 in topic,
        topic.flush,
        done.wait,
        topic.tail,
        lambda: topic.position_of("p"),
        log.flush,
        log.topics,
        lambda: log["t"],
        lambda: "t" in log,
        log.apply_retention,
        lambda: log.delete_topic("t"),
        lambda: topic.partitions[0].start,
    ]
    for work in works:
        with pytest.raises(ClosedError):
            work()
    assert "closed" in repr(log)


# --- following --------------------------------------------------------------------------------


def listeners(topic: meghna.Topic) -> int:
    return sum(len(partition._listeners) for partition in topic.partitions)


def test_a_thread_that_follows_wakes_up_at_once(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        topic = log.topic("t", create=True, partitions=2)
        topic.append_many([b"before"])
        arrived: list[tuple[bytes | None, float]] = []

        def follow() -> None:
            arrived.extend(
                (record.value, time.monotonic()) for record in topic.tail(timeout=WAIT_SECONDS)
            )

        threads = running(follow)
        while not listeners(topic):
            time.sleep(0.001)
        sent = []
        for number in range(20):
            sent.append(time.monotonic())
            topic.append(b"%d" % number, partition=number % 2)
            time.sleep(0.01)
        log.close()
        joined(threads)
        assert [value for value, _ in arrived] == [b"%d" % number for number in range(20)]
        delays = sorted(at - begun for (_, at), begun in zip(arrived, sent, strict=True))
        assert delays[len(delays) // 2] < 1.0  # it did not poll; loosely, the machine may be busy


def test_following_ends_after_its_timeout_and_leaves_nothing(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        topic = log.topic("t", create=True)
        topic.append_many([b"one", b"two"])
        begun = time.monotonic()
        assert [record.value for record in topic.tail(0, timeout=0.2)] == [b"one", b"two"]
        assert 0.2 <= time.monotonic() - begun < WAIT_SECONDS
        assert listeners(topic) == 0
        following = iter(topic.tail(0))
        assert next(following).value == b"one"
        assert listeners(topic) == 1
        del following
        gc.collect()
        assert listeners(topic) == 0


def test_who_breaks_off_goes_on_behind_the_last_record(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        topic = log.topic("t", create=True, partitions=2)
        for index in range(2):
            topic.append_many([b"v"] * 100, partition=index)
        tail = topic.tail("earliest", timeout=0)
        found: list[tuple[int, int]] = []
        while len(found) < 200:
            for record in tail:
                found.append((record.partition, record.offset))
                if len(found) % 7 == 0:
                    break
        assert found == [(index, offset) for index in range(2) for offset in range(100)]
        assert list(tail) == []


async def test_a_task_follows_and_is_cancelled(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        topic = log.topic("t", create=True, partitions=2)
        found: list[bytes | None] = []
        arrived = asyncio.Event()

        async def follow() -> None:
            async for record in topic.tail("earliest"):
                found.append(record.value)
                arrived.set()

        async with asyncio.timeout(WAIT_SECONDS):
            task = asyncio.create_task(follow())
            for number in range(5):
                await asyncio.to_thread(topic.append, b"%d" % number, partition=number % 2)
                await arrived.wait()
                arrived.clear()
            assert listeners(topic) == 2
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert listeners(topic) == 0
            assert found == [b"%d" % number for number in range(5)]
            # One that was cancelled before its first step, and one that breaks off.
            early = asyncio.create_task(follow())
            early.cancel()
            with suppress(asyncio.CancelledError):
                await early
            assert [r.value async for r in topic.tail(0, partition=0, timeout=0.05)] == [
                b"0", b"2", b"4",
            ]  # fmt: skip
            assert listeners(topic) == 0
            assert topic.append(b"after").count == 1


async def test_a_task_that_follows_ends_when_the_log_is_closed(tmp_path: Path) -> None:
    log = meghna.open(tmp_path)
    topic = log.topic("t", create=True)

    async def follow() -> list[bytes | None]:
        return [record.value async for record in topic.tail("earliest")]

    async with asyncio.timeout(WAIT_SECONDS):
        task = asyncio.create_task(follow())
        await asyncio.to_thread(topic.append, b"one")
        await asyncio.sleep(0.05)
        await asyncio.to_thread(log.close)
        assert await task == [b"one"]


async def test_awaiting_an_append_holds_up_nothing(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        topic = log.topic("t", create=True)
        done = await asyncio.gather(*(_appended(topic, number) for number in range(50)))
        assert sorted(each.offset for each in done) == list(range(50))
        assert all(each.is_durable for each in done)


async def _appended(topic: meghna.Topic, number: int) -> meghna.Appended:
    return await topic.append(b"%d" % number)


# --- forks ------------------------------------------------------------------------------------


def exit_code(pid: int) -> int:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    raise AssertionError("the child did not end")


def forked(work: Callable[[], None]) -> int:
    """Run `work` in a child, and give its pid."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - a child must not go on in the test
        traceback.print_exc()
    finally:
        os._exit(code)


def every_use_raises(log: meghna.Log, topic: meghna.Topic) -> None:
    works: list[Callable[[], object]] = [
        lambda: topic.append(b"child"),
        lambda: topic.append_many([b"child"] * 100),
        lambda: list(topic.read()),
        lambda: topic.scan().to_arrow(),
        lambda: len(topic),
        topic.flush,
        log.flush,
        lambda: log.topic("new", create=True),
        lambda: log.delete_topic("t"),
    ]
    for work in works:
        with pytest.raises(ClosedError, match="fork"):
            work()
    assert log.closed
    log.close()  # which is nothing, and no error


def test_a_child_of_a_fork_can_use_nothing_and_disturbs_nothing(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        topic = log.topic("t", create=True, partitions=2)
        topic.append_many([b"before"] * 1000)
        table = topic.scan().to_arrow()

        def work() -> None:
            every_use_raises(log, topic)
            assert table["value"].to_pylist() == [b"before"] * 1000
            # What a child may do: read beside its parent.
            with meghna.open(tmp_path, read_only=True) as beside:
                assert len(beside["t"]) == 1000
            gc.collect()

        assert exit_code(forked(work)) == 0
        topic.append_many([b"after"] * 1000, flush="group")
    with meghna.open(tmp_path) as log:
        assert len(log["t"]) == 2000


def test_a_fork_under_load_disturbs_neither(tmp_path: Path) -> None:
    """Threads of the parent hold its turns at the moment of the fork; the child asks for none."""
    stopping = threading.Event()
    with meghna.open(tmp_path) as log:
        topic = log.topic("t", create=True)
        counts = [0, 0]

        def append(index: int) -> None:
            while not stopping.is_set():
                counts[index] += topic.append_many([b"v" * 50] * 20, flush="group").count

        threads = running(lambda: append(0), lambda: append(1))
        try:
            for _ in range(10):
                assert exit_code(forked(lambda: every_use_raises(log, topic))) == 0
        finally:
            stopping.set()
            joined(threads)
        assert len(topic) == sum(counts)
    with meghna.open(tmp_path) as log:
        assert len(log["t"]) == sum(counts)


def test_a_living_child_holds_no_lock(tmp_path: Path) -> None:
    log = meghna.open(tmp_path)
    log.topic("t", create=True).append(b"one")
    listening, telling = os.pipe()

    def work() -> None:
        os.close(telling)
        os.read(listening, 1)  # until the parent has finished

    pid = forked(work)
    os.close(listening)
    try:
        log.close()
        with meghna.open(tmp_path) as again:
            assert len(again["t"]) == 1
            again["t"].append(b"two")
    finally:
        os.close(telling)
    assert exit_code(pid) == 0


def _in_a_process(path: str, results: multiprocessing.SimpleQueue[str]) -> None:
    """As multiprocessing's workers see it: what their parent had open is closed."""
    try:
        topic = _shared[0]
        try:
            topic.append(b"child")
        except ClosedError:
            with meghna.open(path, read_only=True) as beside:
                results.put(f"closed, and reads {len(beside['t'])}")
    except BaseException:  # noqa: BLE001 - told by the test
        results.put(traceback.format_exc())


_shared: list[meghna.Topic] = []


def test_workers_of_multiprocessing_that_fork(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    with meghna.open(tmp_path) as log:
        topic = log.topic("t", create=True)
        topic.append_many([b"v"] * 10)
        _shared[:] = [topic]
        results = context.SimpleQueue()
        workers = [
            context.Process(target=_in_a_process, args=(str(tmp_path), results)) for _ in range(3)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(WAIT_SECONDS)
            assert worker.exitcode == 0
        assert [results.get() for _ in workers] == ["closed, and reads 10"] * 3
        assert topic.append(b"after").offset == 10
    _shared.clear()


CHILD = """
import meghna, os, sys
with meghna.open(sys.argv[1]) as log:
    topic = log.topic("t", create=True)
    topic.append(b"one")
    if not (pid := os.fork()):
        sys.exit(7)  # through all `with` and destructors
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert topic.append(b"two").offset == 1
with meghna.open(sys.argv[1]) as log:
    assert len(log["t"]) == 2
"""


def test_a_child_that_ends_as_usual_leaves_the_parent_its_log(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHILD, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_log_that_was_forgotten_warns_and_lets_go(tmp_path: Path) -> None:
    log = meghna.open(tmp_path)
    log.topic("t", create=True).append(b"one")
    with pytest.raises(DirectoryLockedError, match="this one; use what was opened before"):
        meghna.open(tmp_path)
    gc.collect()
    with pytest.warns(ResourceWarning, match="unclosed"):
        del log
    with meghna.open(tmp_path) as log:
        assert len(log["t"]) == 1
