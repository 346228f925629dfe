"""An fsync that really fails: a disk that takes writes and loses them when they are to be kept.

ext4 on a loop device on a tmpfs that is smaller than the device says it is. Writing succeeds, into
the page cache; fdatasync fails once, and from the second time on the kernel says that all is well,
although megabytes are gone (this is what made databases lose data that fsync had vouched for). The
partition's directory lies there through a symbolic link, its neighbour's on a good disk.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

import meghna
from meghna.errors import Error, NoSpaceError, StorageError
from meghna.protocol import messages as m
from meghna.protocol import wire
from support import small_memory, volume
from support.broker import EXTERNAL, BrokerProcess
from support.cut_load import read_numbers
from support.frames import Peer, produce_frame
from support.small_memory import SmallMemory
from support.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPIC = "cut"  # as read_numbers has it
SICK, WELL = 0, 1
STORAGE_ERROR = 56
SEEN_SIZE, REAL_SIZE = 96 << 20, 24 << 20
_FILLER = b"x" * 100_000

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(120)]


@pytest.fixture
def sick_disk() -> Iterator[tuple[Volume, SmallMemory]]:
    why = small_memory.missing() or volume.missing("ext4")
    if why or EXTERNAL:
        pytest.skip(why or "needs a broker of its own")
    with (
        SmallMemory(REAL_SIZE) as ground,
        Volume("ext4", size=SEEN_SIZE, backing=ground.path, options="no journal") as disk,
    ):
        yield disk, ground


def produced(peer: Peer, partition: int, number: int, *, acks: int = -1) -> tuple[int, int]:
    """The error code and the offset of one numbered record of 100 kB."""
    peer.send(produce_frame(TOPIC, partition, [b"%d " % number + _FILLER], acks=acks))
    answer: Any = wire.decode_response(0, 9, peer.reply()[4:])
    (part,) = answer.responses[0].partition_responses
    return part.error_code, part.base_offset


def move_partition(data: Path, disk: Path) -> None:
    directory = data / f"{TOPIC}-{SICK}"
    moved = disk / directory.name
    shutil.move(directory, moved)
    directory.symlink_to(moved)


def log_directory(peer: Peer) -> Any:
    answer: Any = peer.call(35, 4, m.DescribeLogDirsRequest(topics=None))
    (found,) = answer.results
    return found


def test_a_partition_whose_fsync_failed_acknowledges_nothing_more(
    sick_disk: tuple[Volume, SmallMemory], tmp_path: Path
) -> None:
    disk, ground = sick_disk
    with BrokerProcess(tmp_path) as broker:
        with Peer(broker.port) as peer:
            peer.create_topic(TOPIC, partitions=2)
            for number in range(3):
                assert produced(peer, SICK, number) == (0, number)
        assert broker.stop() == 0
        move_partition(broker.data, disk.path)
        broker.start()

        acknowledged = 3
        with Peer(broker.port) as peer:
            while True:
                code, offset = produced(peer, SICK, acknowledged)
                if code:
                    break
                assert offset == acknowledged
                acknowledged += 1
                assert acknowledged * len(_FILLER) < SEEN_SIZE, "the disk does not fail"
            assert code == STORAGE_ERROR
            # By now the kernel would say that all is well; nobody believes it.
            for acks in (-1, 1, -1, -1):
                began = time.monotonic()
                assert produced(peer, SICK, acknowledged, acks=acks)[0] == STORAGE_ERROR
                assert time.monotonic() - began < 5
            for number in range(20):
                assert produced(peer, WELL, number) == (0, number)
            assert read_numbers(peer, WELL, 0) == list(range(20))
            found = log_directory(peer)
            # The directory as a whole works; the partition that is not among those in it does not.
            assert found.error_code == 0
            assert [p.partition_index for t in found.topics for p in t.partitions] == [WELL]
            asked = m.MetadataRequest(topics=[m.MetadataRequestTopic(name=TOPIC)])
            told: Any = peer.call(3, 9, asked)
            codes = {p.partition_index: p.error_code for p in told.topics[0].partitions}
            assert codes[WELL] == 0
            assert codes[SICK] != 0
        lines = [line for line in broker.log.splitlines() if f"{TOPIC}-{SICK}" in line]
        assert any("is offline" in line for line in lines), broker.log
        broker.stop()

        # The ground is enlarged, and what is in memory of the failed disk is forgotten.
        disk.unmount()
        ground.resize(SEEN_SIZE * 2)
        disk.mount()
        broker.start()
        with Peer(broker.port) as peer:
            numbers = read_numbers(peer, SICK, 0)
            assert numbers[:acknowledged] == list(range(acknowledged))
            assert produced(peer, SICK, len(numbers)) == (0, len(numbers))
            assert read_numbers(peer, WELL, 0) == list(range(20))
        broker.stop()
    print(f"{acknowledged} records acknowledged before the failure, all there; none after it")


def append_until_it_fails(topic: meghna.Topic) -> tuple[int, StorageError]:
    """How many numbered records were promised, and the failure of the next."""
    for number in range(SEEN_SIZE // len(_FILLER)):
        try:
            topic.append(b"%d " % number + _FILLER)
        except StorageError as failure:
            return number, failure
    raise AssertionError("the disk does not fail")


def numbers_in(log: meghna.Log) -> list[int]:
    return [int(bytes(record.value or b"").split(b" ")[0]) for record in log["sick"]]


def test_the_library_is_told_once_and_for_all(sick_disk: tuple[Volume, SmallMemory]) -> None:
    disk, ground = sick_disk
    with meghna.open(disk.path / "data") as log:
        topic = log.topic("sick", create=True, flush="group")
        count, told = append_until_it_fails(topic)
        assert not isinstance(told, NoSpaceError), (
            "it could be taken for a full disk, and tried again"
        )
        for _ in range(3):
            with pytest.raises(StorageError):
                topic.append(b"more")
            with pytest.raises(StorageError):
                topic.flush()
        with pytest.raises(Error):
            log.close()
    disk.unmount()
    ground.resize(SEEN_SIZE * 2)
    disk.mount()
    with meghna.open(disk.path / "data") as log:
        assert numbers_in(log)[:count] == list(range(count))
    print(f"{count} records promised before the failure, all there")


def test_what_was_left_in_memory_alone_is_written_by_the_next_start(
    sick_disk: tuple[Volume, SmallMemory],
) -> None:
    """The kernel calls the lost pages clean: who reads them sees what was never on the disk."""
    disk, ground = sick_disk
    with meghna.open(disk.path / "data") as log:
        promised, _ = append_until_it_fails(log.topic("sick", create=True, flush="group"))
        with pytest.raises(Error):
            log.close()
    with pytest.raises(Error), meghna.open(disk.path / "data") as log:
        log["sick"].append(b"more")  # the disk is as full as before: nothing is called durable
    ground.resize(SEEN_SIZE * 2)
    with meghna.open(disk.path / "data") as log:
        log["sick"].append(b"%d " % (promised + 1), flush="group")
        seen = numbers_in(log)
    assert seen == list(range(promised + 2))
    disk.unmount()  # with it goes what is in memory
    disk.mount()
    with meghna.open(disk.path / "data") as log:
        assert numbers_in(log) == seen
    print(f"{promised + 1} records promised or seen after the failure, all there")
