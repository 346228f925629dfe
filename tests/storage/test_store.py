"""The logs of a data directory: made, opened, removed, closed."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from meghna._native import batch
from meghna.clock import SystemClock
from meghna.config import topic_config
from meghna.errors import ClosedError, Error, OutOfRangeError
from meghna.storage import checkpoint
from meghna.storage.directory import DataDirectory, id_text
from meghna.storage.store import Store, log_config, topic_id_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from meghna._native.log import Log

ID = bytes(range(16))
CONFIG = log_config(topic_config({}, {}), producer_expiry_ms=1000)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[DataDirectory]:
    taken = DataDirectory.take(str(tmp_path), node_id=1, cluster_id=None)
    yield taken
    taken.release()


def append(store: Store, topic: str, index: int, count: int = 1) -> None:
    now_ms = SystemClock().now_ms()
    records = [(None, b"v", (), now_ms)] * count
    store.logs[topic, index].append(batch.build(records), now_ms=now_ms)


def test_settings_of_a_topic_become_the_logs() -> None:
    config = topic_config(
        {"segment.bytes": "2000000", "segment.ms": "5", "message.timestamp.type": "LogAppendTime"},
        {},
    )
    made = log_config(config, producer_expiry_ms=7)
    assert (made.segment_size_max, made.segment_age_max_ms) == (2_000_000, 5)
    assert (made.append_time, made.producer_expiry_ms) == (True, 7)


def test_a_new_partition_has_its_topics_id(directory: DataDirectory, tmp_path: Path) -> None:
    store = Store(directory, clock=SystemClock())
    store.create({("t", 0): CONFIG, ("t", 1): CONFIG}, ID)
    text = (tmp_path / "t-0" / "partition.metadata").read_text()
    assert text == f"version: 0\ntopic_id: {id_text(ID)}"
    assert topic_id_in(str(tmp_path / "t-1")) == ID
    (tmp_path / "u-0").mkdir()
    assert topic_id_in(str(tmp_path / "u-0")) is None
    assert set(store.logs) == {("t", 0), ("t", 1)}
    assert store.close()


def test_a_clean_close_and_a_start_keep_every_record(
    directory: DataDirectory, tmp_path: Path
) -> None:
    store = Store(directory, clock=SystemClock())
    store.create({("t", index): CONFIG for index in range(6)}, ID)
    append(store, "t", 3, count=5)
    assert store.close()
    points = checkpoint.read(str(tmp_path / checkpoint.RECOVERY_POINTS))
    assert points["t", 3] == 5
    assert checkpoint.read(str(tmp_path / checkpoint.HIGH_WATERMARKS)) == points

    again = Store(directory, clock=SystemClock())
    again.open_all({("t", index): CONFIG for index in range(6)}, threads=2)
    assert again.logs["t", 3].end_offset == 5
    assert not again.failed
    assert again.close()


def test_a_partition_that_cannot_be_opened_is_offline_and_the_stop_not_clean(
    directory: DataDirectory, tmp_path: Path
) -> None:
    store = Store(directory, clock=SystemClock())
    (tmp_path / "t-0").write_text("a file in the way")
    store.open_all({("t", 0): CONFIG}, threads=1)
    assert ("t", 0) in store.failed
    assert not store.close()


def test_removed_partitions_go_aside_and_then_away(
    directory: DataDirectory, tmp_path: Path
) -> None:
    store = Store(directory, clock=SystemClock())
    store.create({("t" * 249, 0): CONFIG}, ID)
    (aside,) = store.remove([("t" * 249, 0)])
    assert not (tmp_path / f"{'t' * 249}-0").exists()
    assert directory.leftovers() == [aside]
    store.erase([aside])
    assert directory.leftovers() == []
    assert store.remove([("t" * 249, 0)]) == []
    assert store.close()


def test_the_checkpoints_forget_before_a_partition_is_made_again(
    directory: DataDirectory, tmp_path: Path
) -> None:
    store = Store(directory, clock=SystemClock())
    store.create({("t", 0): CONFIG, ("u", 0): CONFIG}, ID)
    for topic in "tu":
        append(store, topic, 0, count=30)
        store.logs[topic, 0].flush()
        assert store.raise_starts({(topic, 0): 20}) == {(topic, 0): 20}
    store.write_checkpoints({})
    store.remove([("t", 0)])
    store.create({("t", 0): CONFIG}, bytes(16))
    for name in (checkpoint.RECOVERY_POINTS, checkpoint.START_OFFSETS):
        assert set(checkpoint.read(str(tmp_path / name))) == {("u", 0)}
    assert store.close()


def test_starts_are_raised_together_and_written_once(
    directory: DataDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(directory, clock=SystemClock())
    store.create({("t", index): CONFIG for index in range(5)}, ID)
    for index in range(5):
        append(store, "t", index, count=3)
    written = []
    replace = checkpoint.replace_file

    def replaced(path: str, data: bytes) -> None:
        written.append(path)
        replace(path, data)

    monkeypatch.setattr(checkpoint, "replace_file", replaced)
    asked = {("t", index): index for index in range(6)}
    told = store.raise_starts(asked)
    assert [told["t", index] for index in range(4)] == [0, 1, 2, 3]
    assert isinstance(told["t", 4], OutOfRangeError)
    assert isinstance(told["t", 5], ClosedError)
    assert len(written) == 1
    assert store.close()


def test_a_directory_in_the_way_is_no_part_of_a_new_partition(
    directory: DataDirectory, tmp_path: Path
) -> None:
    store = Store(directory, clock=SystemClock())
    store.create({("t", 0): CONFIG}, ID)
    append(store, "t", 0)
    shutil.copytree(tmp_path / "t-0", tmp_path / "u-0")
    store.create({("u", 0): CONFIG}, ID)
    assert store.logs["u", 0].end_offset == 0
    assert len(list(tmp_path.glob("u-0.*-stray"))) == 1
    assert store.close()


def test_partitions_are_made_together_or_not_at_all(
    directory: DataDirectory, tmp_path: Path
) -> None:
    store = Store(directory, clock=SystemClock())
    (tmp_path / "t-1").write_text("in the way")
    wanted = {("t", index): CONFIG for index in range(3)}
    with pytest.raises(Error):
        store.create(wanted, ID)
    assert not store.logs
    assert [entry.name for entry in tmp_path.glob("t-*")] == ["t-1"]
    (tmp_path / "t-1").unlink()
    store.create(wanted, ID)
    assert store.logs.keys() == wanted.keys()
    assert store.close()


def test_what_cannot_be_renamed_keeps_nothing_else_from_going(
    directory: DataDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(directory, clock=SystemClock())
    store.create({("t", index): CONFIG for index in range(3)}, ID)
    renamed = os.rename

    def rename(path: str, target: str) -> None:
        if path.endswith("t-1"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        renamed(path, target)

    monkeypatch.setattr(os, "rename", rename)
    assert len(store.remove(("t", index) for index in range(3))) == 2
    assert not store.logs
    assert store.close()


def test_a_directory_that_never_held_a_record_is_known(
    directory: DataDirectory, tmp_path: Path
) -> None:
    store = Store(directory, clock=SystemClock())
    store.create({("t", 0): CONFIG, ("t", 1): CONFIG}, ID)
    append(store, "t", 1)
    for name in ("t-2", "pictures-3"):
        (tmp_path / name).mkdir()
    (tmp_path / "pictures-3" / "cat.png").write_text("")
    names = ("t-0", "t-1", "t-2", "pictures-3")
    unused = [store.is_unused(str(tmp_path / name)) for name in names]
    assert unused == [True, False, True, False]
    assert store.close()


def test_a_log_is_closed_when_nobody_uses_it_any_more(directory: DataDirectory) -> None:
    store = Store(directory, clock=SystemClock())
    store.create({("t", 0): CONFIG}, ID)
    inside, leave = threading.Event(), threading.Event()

    def work(log: Log) -> bool:
        inside.set()
        leave.wait(10)
        return log.closed

    with ThreadPoolExecutor(2) as pool:
        working = pool.submit(store.use, ("t", 0), work)
        inside.wait(10)
        closing = pool.submit(store.close)
        with pytest.raises(TimeoutError):
            closing.result(0.05)
        with pytest.raises(ClosedError):
            store.use(("t", 0), work)
        leave.set()
        assert not working.result(10)
        assert closing.result(10)


def test_checkpoints_that_cannot_be_written_make_the_stop_unclean(
    directory: DataDirectory, tmp_path: Path
) -> None:
    store = Store(directory, clock=SystemClock())
    store.create({("t", 0): CONFIG}, ID)
    (tmp_path / f"{checkpoint.RECOVERY_POINTS}.tmp").mkdir()
    assert not store.close()


def test_an_older_look_never_comes_after_a_newer_one(tmp_path: Path) -> None:
    written = checkpoint.CheckpointFiles(str(tmp_path))
    looking, go_on = threading.Event(), threading.Event()

    def slow() -> dict[tuple[str, int], int]:
        looking.set()
        go_on.wait(10)
        return {("t", 0): 1}

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(written.write, checkpoint.START_OFFSETS, slow)
        looking.wait(10)
        second = pool.submit(written.write, checkpoint.START_OFFSETS, lambda: {("t", 0): 2})
        with pytest.raises(TimeoutError):
            second.result(0.05)
        go_on.set()
        first.result(10)
        second.result(10)
    assert checkpoint.read(str(tmp_path / checkpoint.START_OFFSETS)) == {("t", 0): 2}


def test_checkpoints_are_written_when_they_changed(
    directory: DataDirectory, tmp_path: Path
) -> None:
    store = Store(directory, clock=SystemClock())
    store.create({("t", 0): CONFIG}, ID)
    append(store, "t", 0, count=3)
    store.logs["t", 0].flush()
    store.logs["t", 0].raise_start(2)
    store.write_checkpoints({("t", 0): 3})
    assert checkpoint.read(str(tmp_path / checkpoint.RECOVERY_POINTS)) == {("t", 0): 3}
    assert checkpoint.read(str(tmp_path / checkpoint.START_OFFSETS)) == {("t", 0): 2}
    assert checkpoint.read(str(tmp_path / checkpoint.HIGH_WATERMARKS)) == {("t", 0): 3}
    written = (tmp_path / checkpoint.RECOVERY_POINTS).stat().st_mtime_ns
    store.write_checkpoints({("t", 0): 3})
    assert (tmp_path / checkpoint.RECOVERY_POINTS).stat().st_mtime_ns == written
    assert store.close()


def test_a_malformed_checkpoint_counts_as_none(directory: DataDirectory, tmp_path: Path) -> None:
    (tmp_path / checkpoint.RECOVERY_POINTS).write_text("0\n7\n")
    store = Store(directory, clock=SystemClock())
    store.open_all({}, threads=1)
    assert store.close()


def test_retention_asks_only_logs_that_it_concerns(directory: DataDirectory) -> None:
    store = Store(directory, clock=SystemClock())
    names = {"old": {}, "kept": {"retention.ms": "-1"}, "compacted": {"cleanup.policy": "compact"}}
    for name in names:
        store.create({(name, 0): CONFIG}, ID)
        append(store, name, 0)
    rules = {(name, 0): topic_config(settings, {}) for name, settings in names.items()}
    # Nothing is a week old, and an active segment stays.
    assert store.delete_old(rules, {(name, 0): 1 for name in names}) == 0
    assert store.close()


def test_strays_get_kafkas_name(directory: DataDirectory, tmp_path: Path) -> None:
    (tmp_path / "lost-0").mkdir()
    Store(directory, clock=SystemClock()).set_stray(str(tmp_path / "lost-0"))
    (found,) = [entry.name for entry in tmp_path.iterdir() if entry.name.startswith("lost")]
    assert found.endswith("-stray")
