"""Bytes that cannot be read: a file cut by somebody else under the running broker, or a disk that
answers EIO. They are an error of that partition; nobody dies and nobody waits for ever.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import meghna
from meghna.protocol import messages as m
from meghna.protocol import wire
from support.broker import EXTERNAL, BrokerProcess
from support.cut_load import TOPIC
from support.frames import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator

CUT, WHOLE = 0, 1
CORRUPT_MESSAGE, STORAGE_ERROR = 2, 56
RECORDS = 40
_FILLER = b"x" * 100_000
_FILE = "00000000000000000000.log"

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(120)]


def fetch(peer: Peer, partition: int, offset: int) -> Any:
    part = m.FetchRequestFetchPartition(
        partition=partition, fetch_offset=offset, partition_max_bytes=8 << 20
    )
    request = m.FetchRequest(
        max_bytes=16 << 20, topics=[m.FetchRequestFetchTopic(TOPIC, partitions=[part])]
    )
    answer: Any = peer.call(1, 12, request)
    return answer.responses[0].partitions[0]


def outcome(port: int, partition: int, offset: int) -> str:
    """What one who reads there comes to, on a connection of their own."""
    with Peer(port, timeout_seconds=10) as peer:
        try:
            found = fetch(peer, partition, offset)
        except TimeoutError:
            return "hangs"
        except OSError:
            return "closed"
    if found.error_code:
        return f"error {found.error_code}"
    return f"{len(found.records or b'')} bytes"


def fill(broker: BrokerProcess) -> None:
    with Peer(broker.port) as peer:
        peer.create_topic(TOPIC, partitions=2)
        for number in range(RECORDS):
            for partition in (CUT, WHOLE):
                peer.produce(TOPIC, partition, [b"%d " % number + _FILLER], acks=1)


def check_goes_on(broker: BrokerProcess, records: int) -> None:
    """The other partition and the broker as a whole are as they were."""
    assert broker.process.poll() is None, broker.log
    with Peer(broker.port) as peer:
        assert peer.produce(TOPIC, WHOLE, [b"more"], acks=-1) == records
        found = fetch(peer, WHOLE, records)
        assert found.error_code == 0
        assert found.records


@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_file_that_somebody_cut_is_an_error_of_its_partition(
    broker: BrokerProcess, *, is_sealed: bool
) -> None:
    fill(broker)
    path = broker.data / f"{TOPIC}-{CUT}" / _FILE
    if is_sealed:  # opened by its readers, and read from the disk
        assert broker.stop() == 0
        broker.start()
    half = path.stat().st_size // 2
    os.truncate(path, half)
    outcomes = {offset: outcome(broker.port, CUT, offset) for offset in range(0, RECORDS, 3)}
    print(outcomes)
    assert "hangs" not in outcomes.values()
    # What is left is read; what is gone is said to be gone, or the connection ends.
    assert outcomes[0] != f"{RECORDS * len(_FILLER)} bytes"
    for offset, result in outcomes.items():
        if offset > RECORDS // 2:
            allowed = {f"error {CORRUPT_MESSAGE}", f"error {STORAGE_ERROR}", "closed"}
            assert result in allowed, f"offset {offset}: {result}"
    check_goes_on(broker, RECORDS)
    os.truncate(path, 0)
    assert outcome(broker.port, CUT, 0) in {
        f"error {CORRUPT_MESSAGE}",
        f"error {STORAGE_ERROR}",
        "closed",
    }
    check_goes_on(broker, RECORDS + 1)


def test_a_file_cut_while_it_is_sent_ends_the_connection(broker: BrokerProcess) -> None:
    fill(broker)
    with Peer(broker.port) as peer:  # more than any socket's buffer holds
        for _ in range(300):
            peer.produce(TOPIC, CUT, [_FILLER], acks=1)
    path = broker.data / f"{TOPIC}-{CUT}" / _FILE
    with Peer(broker.port, timeout_seconds=10) as peer:
        # A reader that reads nothing yet: the broker stops in the middle of the file.
        part = m.FetchRequestFetchPartition(
            partition=CUT, fetch_offset=0, partition_max_bytes=64 << 20
        )
        request = m.FetchRequest(
            max_bytes=64 << 20, topics=[m.FetchRequestFetchTopic(TOPIC, partitions=[part])]
        )
        peer.send(wire.encode_request(1, 12, request, correlation_id=1, client_id="cut"))
        time.sleep(0.3)
        os.truncate(path, 1000)
        assert peer.is_closed(within_seconds=10), "the connection waits for what never comes"
    check_goes_on(broker, RECORDS)


# ---- A disk that answers EIO ----

_FUSE = Path(__file__).parent.parent / "support" / "failing_files.c"


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A directory whose files answer EIO from a byte on that the file beside it says."""
    compiler, config = shutil.which("cc"), shutil.which("pkg-config")
    has_fuse = (
        config is not None
        and subprocess.run([config, "--exists", "fuse3"], check=False).returncode == 0
    )
    if EXTERNAL or not compiler or not config or not has_fuse or not Path("/dev/fuse").exists():
        pytest.skip("needs a C compiler, libfuse3-dev and /dev/fuse")
    flags = subprocess.run(
        [config, "--cflags", "--libs", "fuse3"], capture_output=True, text=True, check=True
    ).stdout.split()
    program = tmp_path / "failing_files"
    subprocess.run([compiler, "-O1", str(_FUSE), *flags, "-o", str(program)], check=True)
    below, mounted, switch = tmp_path / "below", tmp_path / "mounted", tmp_path / "switch"
    below.mkdir()
    mounted.mkdir()
    process = subprocess.Popen(
        [program, "-f", "-o", "allow_other,attr_timeout=0", str(mounted)],
        env=os.environ | {"BELOW": str(below), "SWITCH": str(switch)},
    )
    try:
        deadline = time.monotonic() + 10
        while not os.path.ismount(mounted):
            assert process.poll() is None, "the file system is not mounted"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield mounted, switch
    finally:
        subprocess.run(["umount", "-l", str(mounted)], check=False)
        process.terminate()
        process.wait(10)


def move_partition(broker: BrokerProcess, to: Path) -> None:
    directory = broker.data / f"{TOPIC}-{CUT}"
    shutil.move(directory, to / directory.name)
    directory.symlink_to(to / directory.name)


def test_bytes_that_cannot_be_read_are_an_error_of_their_partition(
    failing: tuple[Path, Path], tmp_path: Path
) -> None:
    disk, switch = failing
    with BrokerProcess(tmp_path) as broker:
        fill(broker)
        assert broker.stop() == 0
        move_partition(broker, disk)
        broker.start()
        switch.write_text(f"read {RECORDS * len(_FILLER) // 2}")
        outcomes = {o: outcome(broker.port, CUT, o) for o in (0, 5, RECORDS - 10, RECORDS - 1)}
        print(outcomes)
        assert "hangs" not in outcomes.values()
        # What can be read is; the rest is told as an error, beside what other partitions have.
        assert outcomes[0].endswith("bytes")
        assert outcomes[RECORDS - 10] == f"error {STORAGE_ERROR}"
        assert outcomes[RECORDS - 1] == f"error {STORAGE_ERROR}"
        check_goes_on(broker, RECORDS)
        # An error is no damage: when the disk reads again, all is there.
        switch.unlink()
        assert int(outcome(broker.port, CUT, RECORDS - 10).split()[0]) >= 10 * len(_FILLER)
        switch.write_text("read 0")
        broker.kill()
        broker.start()
        check_goes_on(broker, RECORDS + 1)
        assert "is offline" in broker.log
        switch.unlink()
        broker.kill()
        broker.start()
        assert int(outcome(broker.port, CUT, 0).split()[0]) >= RECORDS * len(_FILLER)
        assert broker.stop() == 0


def test_bytes_that_cannot_be_written_poison_their_partition_alone(
    failing: tuple[Path, Path], tmp_path: Path
) -> None:
    disk, switch = failing
    with BrokerProcess(tmp_path) as broker:
        fill(broker)
        assert broker.stop() == 0
        move_partition(broker, disk)
        broker.start()
        switch.write_text("write 0")
        with Peer(broker.port) as peer, pytest.raises(AssertionError, match="error_code=56"):
            peer.produce(TOPIC, CUT, [b"more"], acks=-1)
        switch.unlink()
        with Peer(broker.port) as peer, pytest.raises(AssertionError, match="error_code=56"):
            peer.produce(TOPIC, CUT, [b"more"], acks=-1)
        check_goes_on(broker, RECORDS)
        broker.kill()
        broker.start()
        with Peer(broker.port) as peer:
            assert peer.produce(TOPIC, CUT, [b"more"], acks=-1) == RECORDS
        assert broker.stop() == 0


# ---- The library ----

_READER = """
import sys, os, meghna
from meghna.errors import Error
log = meghna.open(sys.argv[1])
topic = log["cut"]
os.truncate(sys.argv[2], int(sys.argv[3]))
try:
    count = sum(1 for _ in topic)
    print("read", count)
except Error as error:
    print("error", type(error).__name__, error)
"""


def test_a_scan_of_a_file_that_was_cut_raises(tmp_path: Path) -> None:
    with meghna.open(tmp_path / "data") as log:
        log.topic(TOPIC, create=True).append_many([_FILLER] * RECORDS)
    path = tmp_path / "data" / f"{TOPIC}-0" / _FILE
    for size in (path.stat().st_size // 2, 100, 0):
        done = subprocess.run(
            [sys.executable, "-c", _READER, str(tmp_path / "data"), str(path), str(size)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.returncode} (SIGBUS is -7): {done.stderr[-2000:]}"
        assert done.stdout.startswith("error"), done.stdout
