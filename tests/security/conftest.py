"""A broker with short deadlines, shared by the tests of hostile peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.broker import EXTERNAL, BrokerProcess
from support.frames import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator

IDLE_SECONDS = 2.0


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    if EXTERNAL:
        pytest.skip("needs a broker of its own")
    environment = {"KAFKA_CONNECTIONS_MAX_IDLE_MS": str(int(IDLE_SECONDS * 1000))}
    directory = tmp_path_factory.mktemp("target")
    with BrokerProcess(directory, environment=environment) as process:
        with Peer(process.port) as peer:
            peer.create_topic("t", partitions=2)
        yield process
