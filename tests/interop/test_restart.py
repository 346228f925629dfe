"""Records and commits outlive the broker, however it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from interop.clients import CLIENTS, Sent, missing
from interop.test_clients import new_topic

if TYPE_CHECKING:
    from support.broker import BrokerProcess

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.mark.parametrize("ending", ["kill", "stop"])
@pytest.mark.parametrize("client", list(CLIENTS))
def test_a_group_resumes_after_a_restart(broker: BrokerProcess, client: str, ending: str) -> None:
    reason = missing(client)
    if reason:
        pytest.skip(reason)
    topic = new_topic(broker.bootstrap, partitions=3)
    one = [Sent(b"one-%03d" % i, key=b"%d" % i, headers=(("h", b"v"),)) for i in range(60)]
    two = [Sent(b"two-%03d" % i, key=b"%d" % i, headers=(("h", b"v"),)) for i in range(60)]
    CLIENTS[client].produce(broker.bootstrap, topic, one)
    first = CLIENTS[client].consume(broker.bootstrap, topic, "workers", 25)

    broker.restart(kill=ending == "kill")

    CLIENTS[client].produce(broker.bootstrap, topic, two)
    rest = CLIENTS[client].consume(broker.bootstrap, topic, "workers", 95)
    values = sorted(g.record.value or b"" for g in first + rest)
    assert values == sorted(record.value or b"" for record in one + two)
