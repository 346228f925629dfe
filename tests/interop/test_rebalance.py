"""Two members share a topic's partitions; when one is killed, the other takes over."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from interop.clients import CLIENTS, Sent
from interop.member import MEMBERS
from interop.test_clients import new_topic

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore"),
]
PARTITIONS = 4
SHARED_SECONDS = 60.0


class Member:
    """A consumer process, its partitions and its records as it tells them."""

    def __init__(self, client: str, bootstrap: str, topic: str, group: str) -> None:
        script = Path(__file__).with_name("member.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), client, bootstrap, topic, group],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.partitions: set[int] = set()
        self.records: list[str] = []
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def look(self) -> None:
        while not self._lines.empty():
            kind, *rest = self._lines.get().split()
            if kind == "ASSIGNED":
                self.partitions = set(map(int, rest))
            else:
                self.records.append(rest[1])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def wait_until(members: list[Member], condition: object, what: str) -> None:
    assert callable(condition)
    deadline = time.monotonic() + SHARED_SECONDS
    while True:
        for member in members:
            member.look()
        if condition():
            return
        shown = [(sorted(m.partitions), len(m.records), m.process.poll()) for m in members]
        assert time.monotonic() < deadline, f"{what}: {shown}"
        time.sleep(0.1)


@pytest.mark.parametrize("client", list(MEMBERS))
def test_the_other_member_takes_over(bootstrap: str, client: str) -> None:
    topic = new_topic(bootstrap, partitions=PARTITIONS)
    group = f"shared-{uuid.uuid4().hex[:8]}"
    everything = set(range(PARTITIONS))
    members = [Member(client, bootstrap, topic, group) for _ in range(2)]
    one, two = members
    try:
        wait_until(
            members,
            lambda: one.partitions and two.partitions and not one.partitions & two.partitions
            and one.partitions | two.partitions == everything,
            "both have a share",
        )  # fmt: skip
        sent = [f"before-{i}" for i in range(100)]
        CLIENTS["confluent"].produce(
            bootstrap, topic, [Sent(v.encode(), key=v.encode()) for v in sent]
        )
        wait_until(
            members, lambda: len(one.records) + len(two.records) >= 100, "every record is read"
        )
        assert sorted(one.records + two.records) == sorted(sent)

        one.kill()
        wait_until([two], lambda: two.partitions == everything, "the other has everything")
        more = [f"after-{i}" for i in range(100)]
        CLIENTS["confluent"].produce(
            bootstrap, topic, [Sent(v.encode(), key=v.encode()) for v in more]
        )
        wait_until([two], lambda: set(more) <= set(two.records), "and reads on")
        assert len(two.records) == len(set(two.records)), "nothing twice"
    finally:
        for member in members:
            member.kill()
