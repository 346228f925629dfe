"""What becomes of a batch with a producer id: Apache Kafka's own classes and our log, side by side.

Thousands of random batches and markers of a few producers: retries within and beyond the window of
five, new epochs and old ones, lost batches, sequences around the wrap, transactions within one
another, markers of old coordinators; restarts in between, after which idle producers have expired.
Every verdict, offset, aborted transaction and state must be the same.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from meghna._native import batch, log
from meghna._native.log import Log, LogConfig
from support.kafka import LIBRARIES, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path(__file__).with_name("ProducerRules.java")
STEPS = int(os.environ.get("MEGHNA_RULES_STEPS", "20000"))
SEQUENCES = 1 << 31
HOUR_MS = 3_600_000
START_MS = 1_800_000_000_000
TRANSACTIONAL, CONTROL = 0x10, 0x20
VERDICTS = {
    log.OUT_OF_ORDER_SEQUENCE: "SEQUENCE",
    log.INVALID_PRODUCER_EPOCH: "EPOCH",
    log.INVALID_TXN_STATE: "STATE",
    log.COORDINATOR_FENCED: "FENCED",
}

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        missing() is not None or shutil.which("javac") is None, reason="needs Kafka and a JDK"
    ),
]


class Script:
    """Random steps; knows enough of each producer to make most of them meaningful."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.now_ms = START_MS
        self._epochs: dict[int, int] = {}
        self._sequences: dict[int, int] = {}
        self._sent: list[bytes] = []

    def steps(self, count: int) -> Iterator[tuple[str, bytes]]:
        for _ in range(count):
            dice = self._rng.random()
            self.now_ms += self._rng.randrange(2000)
            if dice < 0.002:
                self.now_ms += self._rng.randrange(40) * HOUR_MS
                yield "R", b""
            elif dice < 0.05:
                yield "P", b""
            elif dice < 0.15 and self._sent:
                yield "B", self._rng.choice(self._sent[-12:])
            elif dice < 0.3:
                yield "B", self._marker()
            else:
                made = self._data()
                self._sent.append(made)
                yield "B", made

    def _producer(self) -> tuple[int, int]:
        producer_id = self._rng.randrange(8)
        if producer_id not in self._epochs or self._rng.random() < 0.02:
            self._epochs[producer_id] = self._epochs.get(producer_id, -1) + 1
            self._sequences[producer_id] = 0
            if self._rng.random() < 0.2:  # soon around the wrap, where that is taken
                self._sequences[producer_id] = SEQUENCES - self._rng.randrange(1, 30)
        epoch = self._epochs[producer_id]
        if self._rng.random() < 0.03:
            epoch = max(0, epoch + self._rng.choice((-1, 1)))
        return producer_id, epoch

    def _data(self) -> bytes:
        producer_id, epoch = self._producer()
        count = self._rng.randrange(1, 5)
        sequence = self._sequences[producer_id]
        if self._rng.random() < 0.05:
            sequence = (sequence + self._rng.randrange(-6, 7)) % SEQUENCES
        elif epoch == self._epochs[producer_id]:
            self._sequences[producer_id] = (sequence + count) % SEQUENCES
        is_part = producer_id >= 4 and self._rng.random() < 0.97
        return batch.build(
            [(None, b"v", (), self.now_ms)] * count,
            producer_id=producer_id,
            producer_epoch=epoch,
            base_sequence=sequence,
            attributes=TRANSACTIONAL if is_part else 0,
        )

    def _marker(self) -> bytes:
        producer_id, epoch = self._producer()
        key = struct.pack(">hh", 0, self._rng.randrange(2))
        coordinator_epoch = 5 if self._rng.random() < 0.9 else self._rng.randrange(4, 7)
        return batch.build(
            [(key, struct.pack(">hi", 0, coordinator_epoch), (), self.now_ms)],
            producer_id=producer_id,
            producer_epoch=epoch,
            attributes=TRANSACTIONAL | CONTROL,
        )


class Ours:
    """The same questions to our log."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._log = Log.open(self._path, LogConfig(), now_ms=START_MS)

    def take(self, data: bytes, now_ms: int) -> str:
        [done] = self._log.append(data, now_ms=now_ms)
        if done.verdict == log.DUPLICATE:
            return f"DUPLICATE {done.base_offset}"
        if done.verdict != log.DONE:
            return VERDICTS[done.verdict]
        found = [
            entry
            for entry in self._log.aborted(done.base_offset, done.base_offset + 1)
            if entry.last_offset == done.base_offset
        ]
        told = "".join(f" ABORTED {' '.join(map(str, entry))}" for entry in found)
        return f"DONE {done.base_offset}{told}"

    def restart(self, now_ms: int) -> str:
        self._log.close()
        self._log = Log.open(self._path, LogConfig(), clean=True, now_ms=now_ms)
        return "READY"

    def view(self) -> str:
        producers = sorted(self._log.producers())
        first = min(
            (p.transaction_first_offset for p in producers if p.transaction_first_offset >= 0),
            default=-1,
        )
        assert self._log.last_stable_offset == (first if first >= 0 else self._log.end_offset)
        return " | ".join(
            [
                f"OPEN {first}",
                *(
                    f"{p.producer_id} {p.epoch} {p.last_sequence} {p.last_offset} "
                    f"{p.last_timestamp} {p.coordinator_epoch} {p.transaction_first_offset}"
                    for p in producers
                ),
            ]
        )

    def close(self) -> None:
        self._log.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_batch_meets_the_same_fate_as_with_kafka(tmp_path: Path, seed: int) -> None:
    script = Script(seed)
    ours = Ours(tmp_path / "t-0")
    lines, answers = [], []
    for kind, data in script.steps(STEPS):
        if kind == "B":
            lines.append(f"B {data.hex()}")
            answers.append(ours.take(data, script.now_ms))
        elif kind == "R":
            lines.append(f"R {script.now_ms}")
            answers.append(ours.restart(script.now_ms))
        else:
            lines.append("P")
            answers.append(ours.view())
    ours.close()
    done = subprocess.run(
        ["java", "-cp", f"{LIBRARIES}/*", str(SOURCE)],
        input="\n".join([*lines, ""]).encode(),
        capture_output=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    theirs = done.stdout.decode().splitlines()
    assert len(theirs) == len(answers)
    kinds = {answer.split()[0] for answer in answers}
    assert kinds >= {"DONE", "DUPLICATE", "READY", "OPEN", *VERDICTS.values()}
    for i, (mine, kafkas) in enumerate(zip(answers, theirs, strict=True)):
        assert mine == kafkas, f"step {i}: {lines[max(0, i - 3) : i + 1]}"
