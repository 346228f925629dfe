"""A broker whose power is cut again and again, on a volume of its own, and the check of its word.

    python -m support.power_cuts KIND COUNT SEED

A round: start the broker on what the last cut left, compare that with what was said, load it, cut
the power at some moment, hear what it still says, SIGKILL, remount. The broker is a fork of this
process, which has imported everything: a start costs what the broker does, not what Python does.
One round in 16 is a SIGKILL without a cut, so that what was written and not synced is there at the
next start, and goes with the cut after it. Every RECYCLED rounds all is read again, and the volume
begins anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
from typing import TYPE_CHECKING

from meghna.broker import broker as _broker  # noqa: F401 - so that a fork has it
from meghna.broker import offsets_topic as _offsets  # noqa: F401
from meghna.cli import serve
from meghna.protocol import messages as m
from support.broker import free_port
from support.cut_load import TOPIC, Changer, Client, Writer, drive
from support.frames import Peer
from support.volume import Cut, Volume

if TYPE_CHECKING:
    from pathlib import Path

RECYCLED = 40
_KINDS = [False, False, True, True]  # idempotent
_LOAD_SECONDS = 0.06
_READY_SECONDS = 30.0
_OPTIONS = [
    "--set",
    "offsets.topic.num.partitions=2",
    "--set",
    "num.network.threads=2",
    "--set",
    "log.flush.offset.checkpoint.interval.ms=25",
]
_SEGMENTS = {"segment.ms": "15", "index.interval.bytes": "100"}


class ForkedBroker:
    """`meghna serve` in a fork of this process."""

    def __init__(self, data: Path, port: int, log: Path) -> None:
        self._data = data
        self._port = port
        self._log = log
        self._pid = 0

    def start(self) -> None:
        """Returns when requests are answered."""
        readable, writable = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            self._serve(writable)
        os.close(writable)
        with os.fdopen(readable, "rb") as told:
            line = told.readline()
        if not line:
            self.kill()
            raise AssertionError(f"the broker did not start:\n{self._log.read_text()[-4000:]}")

    def _serve(self, output: int) -> None:
        code = 70
        try:
            os.dup2(output, 1)
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(log, 2)
            listen = f"127.0.0.1:{self._port}"
            code = serve.run(["--listen", listen, "--data", str(self._data), *_OPTIONS])
        finally:
            os._exit(code)

    def kill(self) -> None:
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0


class Rounds:
    """Cuts on one volume."""

    def __init__(self, volume: Volume, rng: random.Random, log: Path) -> None:
        self._volume = volume
        self._rng = rng
        self._port = free_port()
        self._broker = ForkedBroker(volume.path / "data", self._port, log)
        self.cuts = 0
        self.kills = 0
        self.records = 0
        self.changes = 0
        self.refused = 0
        self._writers: list[Writer] = []
        self._changer = Changer(rng)

    def run(self, count: int) -> None:
        try:
            while self.cuts < count:
                self._life(min(RECYCLED, count - self.cuts))
        finally:
            self._broker.kill()

    def _life(self, cuts: int) -> None:
        """A volume from its beginning."""
        self._volume.unmount()
        self._volume.format()
        self._volume.mount()
        self._begin()
        done = 0
        while done < cuts:
            done += self._round()
        self._broker.start()
        self._check(whole=True)
        self._broker.kill()
        for client in self._writers:
            self.records += client.acknowledged
            self.refused += client.refused
        self.changes += self._changer.acknowledged
        self.refused += self._changer.refused

    def _begin(self) -> None:
        rng = self._rng
        self._writers = [
            Writer(partition, random.Random(rng.random()), is_idempotent=idempotent)
            for partition, idempotent in enumerate(_KINDS)
        ]
        self._changer = Changer(random.Random(rng.random()))
        self._broker.start()
        with Peer(self._port) as peer:
            configs = [m.CreatableTopicConfig(*item) for item in _SEGMENTS.items()]
            topic = m.CreatableTopic(TOPIC, len(_KINDS), 1, (), configs)
            answer = peer.call(19, 5, m.CreateTopicsRequest(topics=[topic], timeout_ms=30_000))
            assert isinstance(answer, m.CreateTopicsResponse)
            assert answer.topics[0].error_code == 0, answer
            group = m.FindCoordinatorRequest(key_type=0, coordinator_keys=["cutters"])
            peer.call(10, 4, group)
        # What a machine that is installed had written long ago; the cuts begin after it.
        self._broker.kill()
        os.sync()

    def _round(self) -> int:
        """Whether the power was cut, as a number."""
        rng = self._rng
        self._broker.start()
        self._check(whole=False)
        clients: list[Client] = [*self._writers, self._changer]
        for client in clients:
            client.connect(self._port)
        drive(clients, seconds=rng.uniform(0, _LOAD_SECONDS))
        is_cut = rng.random() < 15 / 16
        if is_cut:
            self._volume.cut(rng.choice(list(Cut)))
            for client in clients:
                client.power_went()
            drive(clients, seconds=rng.choice((0, 0.003)))
        self._broker.kill()
        drive(clients, seconds=_READY_SECONDS)  # until the connections end: what was said before
        if is_cut:
            self._volume.remount()
            self.cuts += 1
        else:
            self.kills += 1
        return int(is_cut)

    def _check(self, *, whole: bool) -> None:
        with Peer(self._port) as peer:
            for writer in self._writers:
                writer.check(peer, whole=whole)
            self._changer.check(peer)


def main(kind: str, count: int, seed: int) -> None:
    began = time.monotonic()
    with Volume(kind) as volume:
        rounds = Rounds(volume, random.Random(seed), volume.path.with_suffix(".log"))
        try:
            rounds.run(count)
        except BaseException:
            print(f"{kind}: seed {seed}, after {rounds.cuts} cuts", file=sys.stderr)
            volume.tell_failure()
            raise
        finally:
            volume.path.with_suffix(".log").unlink(missing_ok=True)
    figures = {
        "kind": kind,
        "cuts": rounds.cuts,
        "kills": rounds.kills,
        "records": rounds.records,
        "changes": rounds.changes,
        "refused": rounds.refused,
        "seconds": round(time.monotonic() - began, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
