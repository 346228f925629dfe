"""Records of every client, in every codec, arrive at every client as they were sent."""

from __future__ import annotations

import random
import uuid

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from interop.clients import CLIENTS, CODECS, Got, Sent, missing

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(300),
    # What foreign clients leave behind (sockets, loops) is theirs.
    pytest.mark.filterwarnings("ignore"),
]
CLIENT_NAMES = list(CLIENTS)


@pytest.fixture(params=CLIENT_NAMES)
def client(request: pytest.FixtureRequest) -> str:
    reason = missing(request.param)
    if reason:
        pytest.skip(reason)
    return str(request.param)


def new_topic(bootstrap: str, *, partitions: int, name: str = "interop") -> str:
    topic = f"{name}-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)
    return topic


def contents(got: list[Got]) -> list[tuple[bytes, bytes, object]]:
    return sorted(
        (g.record.key or b"\0null", b"\0null" if g.record.value is None else g.record.value,
         g.record.headers) for g in got
    )  # fmt: skip


def sent_contents(sent: list[Sent]) -> list[tuple[bytes, bytes, object]]:
    return contents([Got(0, 0, 0, record) for record in sent])


@pytest.mark.parametrize("codec", CODECS)
def test_records_come_back_as_they_were_sent(bootstrap: str, client: str, codec: str) -> None:
    topic = new_topic(bootstrap, partitions=3)
    sent = CLIENTS[client].sample(codec)
    CLIENTS[client].produce(bootstrap, topic, sent, codec=codec)
    got = CLIENTS[client].consume(bootstrap, topic, f"group-of-{topic}", len(sent))
    assert contents(got) == sent_contents(sent)
    stamps = {g.record.value: g.timestamp for g in got}
    for record in sent:
        if record.timestamp is not None:
            assert stamps[record.value] == record.timestamp or record.value in (None, b"")
    for partition in {g.partition for g in got}:
        offsets = [g.offset for g in got if g.partition == partition]
        assert offsets == list(range(len(offsets))), "in order and without a gap"
    assert len({g.partition for g in got}) > 1, "keys spread over the partitions"


def test_every_client_reads_what_every_client_wrote(bootstrap: str) -> None:
    topic = new_topic(bootstrap, partitions=2)
    names = [name for name in CLIENT_NAMES if not missing(name)]
    sent = []
    for name in names:
        for codec in CODECS:
            # Text only: the consoles show bytes that are not UTF-8 as something else.
            records = [r._replace(timestamp=None) for r in CLIENTS[name].sample(codec)]
            records = [r for r in records if not any(b"\xff" in (v or b"") for _, v in r.headers)]
            CLIENTS[name].produce(bootstrap, topic, records, codec=codec)
            sent += records
    for name in names:
        got = CLIENTS[name].consume(bootstrap, topic, f"{name}-of-{topic}", len(sent))
        # kcat prints an empty value as a null one.
        expected = sent_contents(sent) if name != "kcat" else None
        if expected is not None:
            assert contents(got) == expected, name
        assert len(got) == len(sent), name


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_a_record_of_a_megabyte_comes_back_whole(bootstrap: str, client: str, codec: str) -> None:
    topic = new_topic(bootstrap, partitions=1)
    letters = random.Random(1).choices(b"abcdefghijklmnopqrstuvwxyz", k=999_000)
    sent = [Sent(bytes(letters), key=b"large"), Sent(b"small", key=b"after")]
    CLIENTS[client].produce(bootstrap, topic, sent, codec=codec)
    got = CLIENTS[client].consume(bootstrap, topic, f"group-of-{topic}", len(sent))
    assert [g.record.value for g in got] == [record.value for record in sent]


def test_a_group_resumes_where_it_committed(bootstrap: str, client: str) -> None:
    topic = new_topic(bootstrap, partitions=3)
    sent = [Sent(b"%03d" % i, key=b"%d" % i) for i in range(100)]
    CLIENTS["confluent"].produce(bootstrap, topic, sent)
    group = f"group-of-{topic}"
    first = CLIENTS[client].consume(bootstrap, topic, group, 40)
    second = CLIENTS[client].consume(bootstrap, topic, group, 60)
    assert len(first) == 40
    assert len(second) == 60
    assert sorted(g.record.value or b"" for g in first + second) == [
        b"%03d" % i for i in range(100)
    ]
