"""Whole data directories with random damage: what is read is what was written, or it is said.

Bits flip, bytes become zeros or garbage, blocks are swapped, repeated, put in and taken out, files
are cut and removed: segments, indexes, snapshots, checkpoints, topic ids, the metadata log,
meta.properties. `meghna log verify` looks first; then the directory is opened as after a clean
stop or a crash, and read to the end. What must hold for every seed:

    no crash, and no error but our own
    a record that is read is the one that was written at its offset, unless verify named a fault
    a record that is not read was named: by verify, by the opening or by the read

`native/tests/log/damage_test.c` does the same to one partition, hundreds of times as often.
MEGHNA_DAMAGE_COUNT cases from MEGHNA_DAMAGE_SEED on; a failure names the seed.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import meghna
from meghna.cli.log_paths import find
from meghna.cli.log_verify import survey
from meghna.cli.outcome import CommandError
from meghna.errors import Error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COUNT = int(os.environ.get("MEGHNA_DAMAGE_COUNT", "300"))
SEED = int(os.environ.get("MEGHNA_DAMAGE_SEED", "1"))
CODECS = ("none", "gzip", "zstd")
RECORDS = 60
BLOCK_SIZES = (1, 8, 61, 64, 300, 512, 4096)
CLEAN_MARK = ".kafka_cleanshutdown"

pytestmark = [pytest.mark.reliability, pytest.mark.timeout(1800)]

Files = dict[str, bytes]
Records = dict[tuple[str, int], tuple[bytes | None, bytes | None]]


def key_of(number: int) -> bytes | None:
    return None if number % 3 == 0 else b"key %d" % number


def value_of(topic: str, number: int) -> bytes:
    return f"{topic} {number} ".encode() * (1 + number % 15)


@pytest.fixture(scope="module")
def workplace() -> Iterator[Path]:
    """A directory in memory, where there is one."""
    memory = Path("/dev/shm")
    where = str(memory) if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="meghna-damage-", dir=where) as path:
        yield Path(path)


@pytest.fixture(scope="module")
def written(workplace: Path) -> Files:
    path = workplace / "written"
    with meghna.open(str(path)) as log:
        for codec in CODECS:
            topic = log.topic(
                codec, create=True, compression=codec, settings={"index.interval.bytes": 300}
            )
            for begin in range(0, RECORDS, 5):
                rows = [(key_of(n), value_of(codec, n)) for n in range(begin, begin + 5)]
                topic.append_many(rows, producer="writer", position=begin)
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.name != ".lock"
    }


# ---- Damage ----


def block(data: bytes, chance: random.Random) -> tuple[int, int]:
    """A place and a size within the bytes."""
    begin = chance.randrange(len(data) + 1)
    return begin, min(chance.choice(BLOCK_SIZES), len(data) - begin)


def flipped(data: bytes, chance: random.Random) -> bytes:
    if not data:
        return data
    position = chance.randrange(len(data))
    changed = data[position] ^ 1 << chance.randrange(8)
    return data[:position] + bytes([changed]) + data[position + 1 :]


def zeroed(data: bytes, chance: random.Random) -> bytes:
    begin, size = block(data, chance)
    return data[:begin] + bytes(size) + data[begin + size :]


def garbled(data: bytes, chance: random.Random) -> bytes:
    begin, size = block(data, chance)
    return data[:begin] + chance.randbytes(size) + data[begin + size :]


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def grown(data: bytes, chance: random.Random) -> bytes:
    size = chance.choice(BLOCK_SIZES)
    return data + (bytes(size) if chance.random() < 0.5 else chance.randbytes(size))


def inserted(data: bytes, chance: random.Random) -> bytes:
    begin, size = block(data, chance)
    return data[:begin] + chance.randbytes(size) + data[begin:]


def removed(data: bytes, chance: random.Random) -> bytes:
    begin, size = block(data, chance)
    return data[:begin] + data[begin + size :]


def repeated(data: bytes, chance: random.Random) -> bytes:
    begin, size = block(data, chance)
    place = chance.randrange(len(data) + 1)
    return data[:place] + data[begin : begin + size] + data[place:]


def swapped(data: bytes, chance: random.Random) -> bytes:
    (one, size), (other, _) = block(data, chance), block(data, chance)
    first, second = sorted((one, other))
    if first + size > second or second + size > len(data):
        return data
    return (
        data[:first]
        + data[second : second + size]
        + data[first + size : second]
        + data[first : first + size]
        + data[second + size :]
    )


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flipped, flipped, flipped, zeroed, garbled, cut, grown, inserted, removed, repeated, swapped,
)  # fmt: skip


def damaged(files: Files, chance: random.Random) -> Files:
    changed = dict(files)
    for _ in range(1 if chance.random() < 0.7 else chance.randrange(2, 5)):
        name = chance.choice(sorted(changed))
        if chance.random() < 0.05:
            del changed[name]
        else:
            changed[name] = chance.choice(DAMAGES)(changed[name], chance)
    if chance.random() < 0.5:
        changed.pop(CLEAN_MARK, None)
    return changed


def put(path: Path, files: Files) -> None:
    shutil.rmtree(path, ignore_errors=True)
    for name, data in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


# ---- Reading ----


def named_by_verify(path: Path) -> bool:
    """Whether `meghna log verify` tells anything that is not in a sound directory."""
    try:
        found = find([str(path)])
    except CommandError:
        return True  # no data directory any more: it says so
    return any(finding.kind != "leftover" for finding in survey(found, deep=True).findings())


def read_all(path: Path) -> tuple[Records, bool]:
    """What can be read, and whether anything said that it is not all."""
    read: Records = {}
    said = False
    with meghna.open(str(path)) as log:
        for topic in CODECS:
            if topic not in log:
                continue
            try:
                for record in log.topic(topic).read():
                    read[topic, record.offset] = (record.key, record.value)
            except Error:
                said = True
    return read, said


def judge(seed: int, path: Path, original: Records, tally: Counter[str]) -> None:
    named = named_by_verify(path)
    try:
        read, said = read_all(path)
    except (Error, OSError) as error:
        tally["refused to open"] += 1
        if not named:
            pytest.fail(f"seed {seed}: {error!r}, and verify says nothing")
        return
    wrong = [where for where, record in read.items() if original.get(where) != record]
    lost = original.keys() - read.keys()
    told = f"seed {seed}: wrong {wrong[:3]}, lost {sorted(lost)[:3]}"
    assert named or not wrong, told
    assert named or not lost, told
    if not lost:
        tally["nothing lost"] += 1
    else:
        tally["said by the read" if said else "said by verify"] += 1
    tally["forged offsets, named by verify"] += bool(wrong)


def test_damage_is_named_and_nothing_else_is_read(workplace: Path, written: Files) -> None:
    original: Records = {
        (topic, number): (key_of(number), value_of(topic, number))
        for topic in CODECS
        for number in range(RECORDS)
    }
    path = workplace / "case"
    put(path, written)
    assert not named_by_verify(path)
    assert read_all(path) == (original, False)
    tally: Counter[str] = Counter()
    for seed in range(SEED, SEED + COUNT):
        put(path, damaged(written, random.Random(seed)))
        try:
            judge(seed, path, original, tally)
        except BaseException:
            print(f"replay with MEGHNA_DAMAGE_SEED={seed} MEGHNA_DAMAGE_COUNT=1")
            raise
    print(f"{COUNT} cases: {dict(tally)}")
