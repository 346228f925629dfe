"""Which partition is compacted next, and that one that fails stands in nobody's way."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from meghna._native import batch
from meghna._native.compact import Cleanable
from meghna.clock import SystemClock
from meghna.config import topic_config
from meghna.storage import checkpoint
from meghna.storage.compaction import (
    Candidate,
    CompactionLimits,
    Compactor,
    Pace,
    StoppedError,
    dirtiest,
)
from meghna.storage.directory import DataDirectory
from meghna.storage.store import Store, log_config

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meghna.config import TopicConfig

LIMITS = CompactionLimits(map_size_max=1 << 20)


def compacted(**settings: str) -> TopicConfig:
    named = {name.replace("_", "."): value for name, value in settings.items()}
    return replace(topic_config({"cleanup.policy": "compact", **named}, {}), segment_bytes=5000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    directory = DataDirectory.take(str(tmp_path), node_id=1, cluster_id=None)
    made = Store(directory, clock=SystemClock())
    yield made
    made.close()
    directory.release()


def fill(store: Store, topic: str, config: TopicConfig, count: int = 100) -> None:
    if (topic, 0) not in store.logs:
        store.create({(topic, 0): log_config(config, producer_expiry_ms=1000)}, bytes(16))
    now_ms = SystemClock().now_ms()
    log = store.logs[topic, 0]
    for number in range(count):
        records = [(b"k%d" % (number % 7), b"v" * 100, (), now_ms)]
        log.append(batch.build(records), now_ms=now_ms)
    log.roll()
    log.flush()


def ends(store: Store) -> dict[tuple[str, int], int]:
    return {key: log.end_offset for key, log in store.logs.items()}


def candidate(name: str, clean: int, dirty: int, *, is_overdue: bool = False) -> Candidate:
    return Candidate((name, 0), Cleanable(0, 0, clean, dirty, -1, False), is_overdue)


def test_the_dirtiest_of_those_above_their_ratio_is_next() -> None:
    ratios = {("a", 0): 0.5, ("b", 0): 0.5, ("c", 0): 0.9}
    a, b, c = candidate("a", 40, 60), candidate("b", 30, 70), candidate("c", 20, 80)
    assert dirtiest([a, b, c], ratios) == b
    assert dirtiest([a, c], ratios) == a
    assert dirtiest([c], ratios) is None
    assert dirtiest([candidate("a", 50, 50)], ratios) is None  # Above it, not at it.
    assert dirtiest([candidate("a", 0, 0)], ratios) is None
    assert dirtiest([], ratios) is None


def test_what_is_overdue_is_compacted_however_little_it_is() -> None:
    late = candidate("a", 99, 1, is_overdue=True)
    assert dirtiest([late], {("a", 0): 0.5}) == late
    assert dirtiest([candidate("a", 99, 0, is_overdue=True)], {("a", 0): 0.5}) is None


def test_each_key_is_left_once_and_the_checkpoint_says_how_far(
    store: Store, tmp_path: Path
) -> None:
    config = compacted()
    fill(store, "t", config)
    compactor = Compactor(store, clock=SystemClock())
    rules = {("t", 0): config}
    assert compactor.run_next(rules, ends(store), LIMITS)
    counters = compactor.counters
    assert counters.max_dirty_ratio == 1.0
    assert not compactor.run_next(rules, ends(store), LIMITS)
    assert (counters.passes, counters.records_read, counters.records_kept) == (1, 100, 7)
    assert counters.max_dirty_ratio == 0.0
    assert counters.read_size > counters.written_size
    file = tmp_path / checkpoint.CLEANER_OFFSETS
    assert checkpoint.read(str(file)) == {("t", 0): 100}

    # The next compactor goes on from there; a topic made anew does not.
    again = Compactor(store, clock=SystemClock())
    assert not again.run_next(rules, ends(store), LIMITS)
    store.erase(store.remove([("t", 0)]))
    fill(store, "t", config, count=200)
    assert checkpoint.read(str(file)) == {}
    assert again.run_next(rules, ends(store), LIMITS)
    assert again.counters.records_kept == 7
    assert checkpoint.read(str(file)) == {("t", 0): 200}


def test_only_what_the_topic_asks_for_is_compacted(store: Store) -> None:
    plain = replace(compacted(), cleanup_policy=("delete",))
    young = compacted(min_compaction_lag_ms="3600000")
    fill(store, "plain", plain)
    fill(store, "young", young)
    fill(store, "limited", compacted())
    rules = {("plain", 0): plain, ("young", 0): young, ("limited", 0): compacted()}
    compactor = Compactor(store, clock=SystemClock())
    assert not compactor.run_next(rules, {**ends(store), ("limited", 0): 0}, LIMITS)


def test_an_old_record_is_overdue(store: Store) -> None:
    config = compacted(min_cleanable_dirty_ratio="1", max_compaction_lag_ms="1")
    fill(store, "t", config)
    compactor = Compactor(store, clock=SystemClock())
    threading.Event().wait(0.01)
    assert compactor.run_next({("t", 0): config}, ends(store), LIMITS)


def test_a_failure_is_told_once_and_the_others_go_on(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = compacted()
    fill(store, "bad", config, count=300)
    fill(store, "good", config)
    path = tmp_path / "bad-0" / f"{0:020}.log"
    data = bytearray(path.read_bytes())
    data[90] ^= 1
    path.write_bytes(data)
    compactor = Compactor(store, clock=SystemClock())
    rules = {("bad", 0): config, ("good", 0): config}
    rounds = 0
    while compactor.run_next(rules, ends(store), LIMITS):
        rounds += 1
    assert rounds == 2
    assert [r.levelname for r in caplog.records].count("ERROR") == 1
    assert "bad-0 cannot be compacted" in caplog.text
    assert (compactor.counters.passes, compactor.counters.failures) == (1, 1)
    assert store.logs["bad", 0].failure is None


def test_a_compactor_that_was_stopped_does_nothing(store: Store) -> None:
    config = compacted()
    fill(store, "t", config)
    compactor = Compactor(store, clock=SystemClock())
    compactor.stop()
    assert not compactor.run_next({("t", 0): config}, ends(store), LIMITS)
    assert compactor.counters.passes == 0


class SteppingClock:
    """Stands still."""

    def now_ms(self) -> int:
        return 0

    def monotonic_ms(self) -> int:
        return 0


def test_bytes_go_by_no_faster_than_they_may() -> None:
    waits: list[float] = []

    class Stopping(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waits.append(timeout)
            return False

    pace = Pace(1000.0, clock=SteppingClock(), stopping=Stopping())
    pace(5)  # Too short to sleep for.
    pace(495)
    pace(500)
    assert waits == [0.5, 1.0]
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(StoppedError):
        Pace(float("inf"), clock=SteppingClock(), stopping=stopping)(1 << 30)
