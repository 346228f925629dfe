"""Several data directories: where partitions go, what is told, what one that fails takes along."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest

import meghna
from broker.running import append, ask, create, entries, running
from meghna._native import batch
from meghna.errors import ErrorCode, StorageError
from meghna.storage import checkpoint
from meghna.storage.directory import DataDirectory, DirectoryError, id_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from meghna.broker.broker import Broker


def dirs(tmp_path: Path, names: str = "abc") -> dict[str, str]:
    return {"log.dirs": ",".join(str(tmp_path / name) for name in names)}


def lying(tmp_path: Path, names: str = "abc") -> dict[str, list[str]]:
    return {name: entries(tmp_path / name, "t-") for name in names}


def ends(broker: Broker, count: int) -> list[int]:
    return [broker.store.logs["t", index].end_offset for index in range(count)]


async def told(broker: Broker) -> dict[str, tuple[int, int]]:
    """By directory: the error and how many partitions."""
    answer = await ask(broker, "describe_log_dirs", 4, topics=None)
    return {
        os.path.basename(each.log_dir): (
            each.error_code,
            sum(len(topic.partitions) for topic in each.topics),
        )
        for each in answer.results
    }


async def test_partitions_go_where_the_fewest_are(tmp_path: Path) -> None:
    async with running(tmp_path, dirs(tmp_path)) as broker:
        await create(broker, "t", partitions=4)
        await create(broker, "u", partitions=2)
        assert await told(broker) == {"a": (0, 2), "b": (0, 2), "c": (0, 2)}
        assert sorted(map(len, lying(tmp_path).values())) == [1, 1, 2]
        ids = {id_bytes(each.identity.directory_id) for each in broker.directories}
        named = {p.directories[0] for p in broker.image.topics["t"].partitions}
        assert len(ids) == 3
        assert named == ids
        assert len({each.identity.cluster_id for each in broker.directories}) == 1
        for index in range(4):
            append(broker, "t", batch.build([(None, b"v", (), 5)]), index)
        before = lying(tmp_path)
    for name in "abc":
        assert (tmp_path / name / ".kafka_cleanshutdown").exists()
        points = checkpoint.read(str(tmp_path / name / checkpoint.RECOVERY_POINTS))
        assert {f"{topic}-{index}" for topic, index in points if topic == "t"} == set(before[name])
    async with running(tmp_path, dirs(tmp_path)) as broker:
        assert lying(tmp_path) == before
        assert ends(broker, 4) == [1] * 4


async def test_a_directory_that_fails_takes_its_partitions_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = checkpoint.replace_file

    def failing(path: str, data: bytes) -> None:
        if path.startswith(str(tmp_path / "b")):
            raise OSError(errno.EIO, "Input/output error", path)
        whole(path, data)

    async with running(tmp_path, dirs(tmp_path)) as broker:
        await create(broker, "t", partitions=3)
        (lost,) = lying(tmp_path)["b"]
        index = int(lost[2:])
        monkeypatch.setattr(checkpoint, "replace_file", failing)
        for each in range(3):
            append(broker, "t", batch.build([(None, b"v", (), 5)]), each)
        broker.store.raise_starts({("t", each): 1 for each in range(3)})
        await broker.upkeep.write_checkpoints()
        assert broker.partition("t", index) == (None, ErrorCode.KAFKA_STORAGE_ERROR)
        assert await told(broker) == {"a": (0, 1), "c": (0, 1), "b": (56, 0)}
        await create(broker, "u", partitions=2)
        assert entries(tmp_path / "b", "u-") == []
        for each in {0, 1, 2} - {index}:
            append(broker, "t", batch.build([(None, b"v", (), 5)]), each)
        monkeypatch.undo()
    clean = {n for n in "abc" if (tmp_path / n / ".kafka_cleanshutdown").exists()}
    assert clean == {"a", "c"}
    async with running(tmp_path, dirs(tmp_path)) as broker:  # it is mended: all are back
        assert ends(broker, 3) == [1 if each == index else 2 for each in range(3)]


async def test_a_full_disk_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", path)

    async with running(tmp_path, dirs(tmp_path)) as broker:
        await create(broker, "t", partitions=3)
        monkeypatch.setattr(checkpoint, "replace_file", full)
        append(broker, "t", batch.build([(None, b"v", (), 5)]), 1)
        with pytest.raises(OSError, match="space"):
            broker.store.raise_starts({("t", 1): 1})
        assert await told(broker) == {"a": (0, 1), "b": (0, 1), "c": (0, 1)}
        monkeypatch.undo()


async def test_a_directory_that_is_not_there_is_not_made_up_for(tmp_path: Path) -> None:
    async with running(tmp_path, dirs(tmp_path)) as broker:
        await create(broker, "t", partitions=3)
        there = lying(tmp_path)
    index = int(there["b"][0][2:])
    async with running(tmp_path, dirs(tmp_path, "ac")) as broker:
        assert broker.partition("t", index) == (None, ErrorCode.KAFKA_STORAGE_ERROR)
        assert "which is not in use here" in broker.store.failed["t", index]
        assert lying(tmp_path) == there
    (tmp_path / "b").rename(tmp_path / "kept")
    (tmp_path / "b").write_text("no directory")
    async with running(tmp_path, dirs(tmp_path)) as broker:
        assert await told(broker) == {"a": (0, 1), "c": (0, 1), "b": (56, 0)}
        assert broker.partition("t", index)[1] == ErrorCode.KAFKA_STORAGE_ERROR


async def test_a_set_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path, dirs(tmp_path)) as broker:
        await create(broker, "t", partitions=3)
    (mine,) = lying(tmp_path)["a"]
    shutil.copytree(tmp_path / "a" / mine, tmp_path / "b" / mine)
    with pytest.raises(DirectoryError, match=r"t-\d lies in .*/a and in .*/b"):
        async with running(tmp_path, dirs(tmp_path)):
            pass
    shutil.rmtree(tmp_path / "b" / mine)
    with pytest.raises(DirectoryError, match=r"metadata lies in .*/a, not in .*/b"):
        async with running(tmp_path, dirs(tmp_path, "bac")):
            pass
    held = DataDirectory.take(str(tmp_path / "c"))
    with pytest.raises(DirectoryError, match="in use"):
        async with running(tmp_path, dirs(tmp_path)):
            pass
    held.release()
    DataDirectory.take(str(tmp_path / "d")).release()
    with pytest.raises(DirectoryError, match="belongs to cluster"):
        async with running(tmp_path, dirs(tmp_path, "abcd")):
            pass
    async with running(tmp_path, dirs(tmp_path)):
        pass


async def test_the_library_opens_one_directory_of_a_set(tmp_path: Path) -> None:
    async with running(tmp_path, dirs(tmp_path)) as broker:
        await create(broker, "t", partitions=3)
        there = lying(tmp_path)
    with (
        meghna.open(tmp_path / "a") as log,
        pytest.raises(StorageError, match=r"lies in the data directory .* not in use here"),
    ):
        log.topic("t")
    assert lying(tmp_path) == there
