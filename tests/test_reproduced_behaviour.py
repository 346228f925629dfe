"""Damage after which Apache Kafka's own recovery loses acknowledged records, or dies: we keep them.

Each case was played to Kafka's log classes; what they did is said beside it. Here each is a test of
its own, twice: through the log itself, and through a broker that is started on the directory.

Acknowledged is whatever lies in `written`: every batch in there must be read again, byte for byte,
but for a batch whose own bytes were flipped. Of that, the bytes must still be somewhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from meghna._native.batch import build
from meghna._native.log import Log, LogConfig
from meghna.errors import CorruptDataError
from model.partition import Batch, read_batches, read_segments
from support.broker import BrokerProcess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW_MS = 1_800_000_000_000
CONFIG = LogConfig(segment_size_max=15_000, index_interval_size=512)
BATCHES, RECORDS = 120, 3
END = BATCHES * RECORDS
INDEX_SIZE = 10_485_760  # of Kafka's index files while their segment grows
CLEAN_MARK = ".kafka_cleanshutdown"
TIMEOUT_SECONDS = 30.0


def batch_of(number: int) -> bytes:
    records = [
        (b"key", b"%d-%d-" % (number, i) + b"v" * (150 + number % 7), (), NOW_MS + number)
        for i in range(RECORDS)
    ]
    return build(
        records, producer_id=7, producer_epoch=0, base_sequence=number * RECORDS, leader_epoch=0
    )


def write(path: Path) -> None:
    """Several segments, closed properly."""
    with Log.open(str(path), CONFIG, now_ms=NOW_MS) as log:
        for number in range(BATCHES):
            log.append(batch_of(number), leader_epoch=number // 50, now_ms=NOW_MS)
        assert log.segment_count > 4
        assert log.end_offset == END


def logs(path: Path) -> list[Path]:
    return sorted(path.glob("*.log"))


# ---- The damage ----


@dataclass(frozen=True)
class Damage:
    """What was done to a directory, and what of it nobody can have back."""

    torn: bool = False
    """The last batch is not whole; it was never acknowledged."""
    flipped: int | None = None
    """Base offset of a batch that has one bit changed."""


def nothing_but_the_batches(path: Path) -> Damage:
    """Kafka rebuilds everything, too."""
    for file in path.iterdir():
        if file.suffix != ".log" and file.name != "partition.metadata":
            file.unlink()
    return Damage()


def a_torn_last_batch(path: Path) -> Damage:
    """Kafka cuts it off after a crash. With the mark of a clean end it leaves it there, and the
    next batch is appended behind the garbage: unreadable."""
    last = logs(path)[-1]
    os.truncate(last, last.stat().st_size - 10)
    return Damage(torn=True)


def a_flipped_bit_in_the_middle(path: Path) -> Damage:
    """After a crash Kafka cuts the segment there and deletes every segment after it. Above a
    recovery point, or after a clean end, it does not look, and the batch is served as it is."""
    segment = logs(path)[2]
    batches = read_batches(segment.read_bytes())
    damaged = batches[len(batches) // 2]
    data = bytearray(segment.read_bytes())
    data[damaged.position + 100] ^= 0x10
    segment.write_bytes(data)
    return Damage(flipped=damaged.base_offset)


def a_tail_of_zeros(path: Path) -> Damage:
    """What a crash of some file systems leaves. After a crash Kafka cuts it; with the mark of a
    clean end its start dies of it."""
    last = logs(path)[-1]
    with last.open("ab") as file:
        file.write(bytes(5000))
    return Damage()


def index_files_as_large_as_they_were_made(path: Path) -> Damage:
    """Kafka takes the zeros behind the entries for a million entries."""
    for ending, size in (("index", INDEX_SIZE), ("timeindex", INDEX_SIZE - 4)):
        for file in path.glob(f"*.{ending}"):
            os.truncate(file, size)
    return Damage()


def an_index_entry_into_a_batch(path: Path) -> Damage:
    """Kafka reads on from the last entry, finds no batch there, and takes the log to end before."""
    last = sorted(path.glob("*.index"))[-1]
    data = bytearray(last.read_bytes())
    assert len(data) >= 16
    data[-1] = (data[-1] + 7) % 256
    last.write_bytes(data)
    return Damage()


def no_index_files(path: Path) -> Damage:
    """Kafka makes the offset index again, and leaves the time index empty."""
    for ending in ("index", "timeindex"):
        for file in path.glob(f"*.{ending}"):
            file.unlink()
    return Damage()


def a_corrupt_newest_snapshot(path: Path) -> Damage:
    """Kafka, too, takes the one before."""
    newest = sorted(path.glob("*.snapshot"))[-1]
    data = bytearray(newest.read_bytes())
    data[-1] ^= 1
    newest.write_bytes(data)
    return Damage()


def epochs_ahead_of_the_log(path: Path) -> Damage:
    """Kafka, too, cuts them to the log."""
    file = path / "leader-epoch-checkpoint"
    version, count, *entries = file.read_text().splitlines()
    entries.append(f"9 {END + 500}")
    file.write_text("\n".join([version, str(int(count) + 1), *entries, ""]))
    return Damage()


def malformed_epochs(path: Path) -> Damage:
    """Kafka takes the whole data directory offline."""
    (path / "leader-epoch-checkpoint").write_text("0\nmany\n0 0\n")
    return Damage()


def a_foreign_file_that_ends_like_a_segment(path: Path) -> Damage:
    """Kafka's start dies of a name that is no number."""
    (path / "notes.log").write_text("mine")
    return Damage()


CASES: list[tuple[Callable[[Path], Damage], bool, int]] = [
    (nothing_but_the_batches, False, 0),
    (a_torn_last_batch, False, 0),
    (a_torn_last_batch, True, 0),
    (a_flipped_bit_in_the_middle, False, 0),
    (a_flipped_bit_in_the_middle, False, END),
    (a_flipped_bit_in_the_middle, True, END),
    (a_tail_of_zeros, False, 0),
    (a_tail_of_zeros, True, 0),
    (index_files_as_large_as_they_were_made, False, 0),
    (index_files_as_large_as_they_were_made, True, 0),
    (an_index_entry_into_a_batch, True, 0),
    (no_index_files, True, 0),
    (a_corrupt_newest_snapshot, False, 0),
    (a_corrupt_newest_snapshot, True, END),
    (epochs_ahead_of_the_log, True, 0),
    (malformed_epochs, True, 0),
    (a_foreign_file_that_ends_like_a_segment, False, 0),
]
NAMES = [
    f"{damage.__name__}-{'clean' if clean else 'crash'}{'-recovered' * (point > 0)}"
    for damage, clean, point in CASES
]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("written") / "t-0"
    write(path)
    return path


def acknowledged(written: Path) -> list[Batch]:
    return [found for segment in read_segments(written).values() for found in segment]


# ---- Through the log ----


def check(log: Log, batches: list[Batch], damage: Damage, *, scanned: bool) -> None:
    kept = batches[:-1] if damage.torn else batches
    for found in kept:
        if found.base_offset != damage.flipped:
            assert log.read_batch(found.base_offset) == found.data
        elif scanned:
            with pytest.raises(CorruptDataError):
                log.read_batch(found.base_offset)
    assert log.end_offset == kept[-1].last_offset + 1


@pytest.mark.parametrize(("damage_of", "clean", "point"), CASES, ids=NAMES)
def test_the_log_keeps_what_was_acknowledged(
    written: Path,
    tmp_path: Path,
    damage_of: Callable[[Path], Damage],
    clean: bool,
    point: int,
) -> None:
    path = tmp_path / "t-0"
    shutil.copytree(written, path)
    batches = acknowledged(written)
    damage = damage_of(path)
    before = b"".join(file.read_bytes() for file in logs(path) if file.stem.isdigit())
    scanned = not clean and point == 0

    with Log.open(str(path), CONFIG, clean=clean, recovery_point=point, now_ms=NOW_MS) as log:
        check(log, batches, damage, scanned=scanned)
        end = log.end_offset
        assert log.epoch_end(1) == (1, 300)
        [producer] = log.producers()
        assert producer.last_sequence == end - 1
        number = end // RECORDS
        [done] = log.append(batch_of(number), leader_epoch=3, now_ms=NOW_MS)
        assert (done.verdict, done.base_offset) == (0, end)
        if not damage.torn and damage_of is not a_tail_of_zeros:
            assert log.report.cut_size == 0
    if damage.flipped is not None:
        after = b"".join(file.read_bytes() for file in (*logs(path), *path.glob("*.damaged")))
        found = next(one for one in batches if one.base_offset == damage.flipped)
        at = sum(len(one.data) for one in batches if one.base_offset < found.base_offset)
        assert before[at : at + len(found.data)] in after, "what is damaged is kept, too"

    # And it stays so, after a clean end and after a crash.
    for again in (True, False):
        with Log.open(str(path), CONFIG, clean=again, recovery_point=point, now_ms=NOW_MS) as log:
            assert log.end_offset == end + RECORDS
            for one in read_batches(log.read_batch(end)):
                assert one.base_offset == end
            kept = batches[:-1] if damage.torn else batches
            for one in kept:
                if one.base_offset != damage.flipped:
                    assert log.read_batch(one.base_offset) == one.data


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small tmpfs in a namespace of its own")
def test_a_full_disk_during_recovery_changes_nothing(written: Path, tmp_path: Path) -> None:
    """Kafka takes the failure to write a snapshot for damage: it empties a sound segment and
    deletes those after it."""
    place = tmp_path / "full"
    place.mkdir()
    script = f"""
import os, shutil, sys
from meghna._native.log import Log, LogConfig
from meghna.errors import NoSpaceError
path = {str(place)!r} + "/t-0"
shutil.copytree({str(written)!r}, path)
for name in os.listdir(path):
    if not name.endswith(".log"):
        os.unlink(os.path.join(path, name))
def logs():
    return {{n: open(os.path.join(path, n), "rb").read()
            for n in os.listdir(path) if n.endswith(".log")}}
before = logs()
filler = os.open({str(place)!r} + "/filler", os.O_CREAT | os.O_WRONLY)
try:
    while True:
        os.write(filler, b"x" * 4096)
except OSError:
    os.close(filler)
config = LogConfig(segment_size_max={CONFIG.segment_size_max}, index_interval_size=512)
try:
    Log.open(path, config, now_ms={NOW_MS})
    sys.exit("it opened on a full disk")
except NoSpaceError:
    pass
assert logs() == before, "something was changed"
os.unlink({str(place)!r} + "/filler")
with Log.open(path, config, now_ms={NOW_MS}) as log:
    assert log.end_offset == {END}, log.end_offset
assert logs() == before
"""
    command = f'mount -t tmpfs -o size=1m none "{place}" && exec "{sys.executable}" -c "$SCRIPT"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command],
        env=os.environ | {"SCRIPT": script},
        capture_output=True,
        timeout=60,
        check=False,
    )
    errors = done.stderr.decode()
    if "mount" in errors or "unshare" in errors:
        pytest.skip(f"no mounts here: {errors.strip()}")
    assert done.returncode == 0, errors


# ---- Through a broker ----


@pytest.fixture(scope="module")
def base(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A broker's data directory with the written log as partition 0 of `t`."""
    root = tmp_path_factory.mktemp("base")
    with BrokerProcess(root) as broker:
        producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        producer.produce("t", b"makes the topic")
        assert producer.flush(TIMEOUT_SECONDS) == 0
        broker.stop()
    path = root / "data" / "t-0"
    for file in path.iterdir():
        if file.name != "partition.metadata":
            file.unlink()
    shutil.copytree(written, path, dirs_exist_ok=True)
    return root / "data"


def consume(bootstrap: str, start: int, end: int) -> dict[int, bytes]:
    """The values at the offsets [start, end)."""
    settings = {"bootstrap.servers": bootstrap, "group.id": "g", "log_level": 0}
    consumer = Consumer(settings | {"auto.offset.reset": "error"})
    consumer.assign([TopicPartition("t", 0, start)])
    values = {}
    try:
        while start < end:
            message = consumer.poll(TIMEOUT_SECONDS)
            assert message is not None, f"nothing comes from offset {start} on"
            assert message.error() is None, str(message.error())
            offset, value = message.offset(), message.value()
            assert offset is not None
            assert value is not None
            if offset < end:
                values[offset] = value
            start = offset + 1
    finally:
        consumer.close()
    return values


def expected_values(start: int, end: int) -> dict[int, bytes]:
    return {
        offset: b"%d-%d-" % divmod(offset, RECORDS) + b"v" * (150 + offset // RECORDS % 7)
        for offset in range(start, end)
    }


@pytest.mark.reliability
@pytest.mark.parametrize(("damage_of", "clean", "point"), CASES, ids=NAMES)
def test_a_broker_keeps_what_was_acknowledged(
    base: Path,
    tmp_path: Path,
    damage_of: Callable[[Path], Damage],
    clean: bool,
    point: int,
) -> None:
    data = tmp_path / "data"
    shutil.copytree(base, data)
    damage = damage_of(data / "t-0")
    if not clean:
        (data / CLEAN_MARK).unlink()
    (data / "recovery-point-offset-checkpoint").write_text(f"0\n1\nt 0 {point}\n")
    end = END - RECORDS if damage.torn else END
    with BrokerProcess(tmp_path, data=data) as broker:
        for _ in range(2):
            gap = damage.flipped if damage.flipped is not None else end
            assert consume(broker.bootstrap, 0, gap) == expected_values(0, gap)
            rest = gap + RECORDS
            assert consume(broker.bootstrap, rest, end) == expected_values(rest, end)
            broker.restart(kill=True)
        producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
        producer.produce("t", b"more", partition=0)
        assert producer.flush(TIMEOUT_SECONDS) == 0
        assert consume(broker.bootstrap, end, end + 1) == {end: b"more"}
