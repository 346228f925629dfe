"""A partition by offsets, as a sequence is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meghna.errors import ConfigError, OutOfRangeError

if TYPE_CHECKING:
    import meghna


def test_indexing_is_pythons(topic: meghna.Topic) -> None:
    topic.append_many([b"%d" % i for i in range(10)])
    assert topic[3].value == b"3"
    assert topic[-1].value == b"9"
    assert [record.value for record in topic[7:]] == [b"7", b"8", b"9"]
    assert [record.offset for record in topic[-3:100:2]] == [7, 9]
    assert topic[5:2] == []
    assert 9 in topic
    assert 10 not in topic
    assert len(topic) == 10
    with pytest.raises(IndexError):
        topic[10]
    with pytest.raises(OutOfRangeError):
        topic[-11]


def test_indexing_several_partitions_asks_for_one(log: meghna.Log) -> None:
    topic = log.topic("many", create=True, partitions=2)
    topic.append(b"v", partition=1)
    assert topic.partitions[1][0].value == b"v"
    assert len(topic.partitions[0]) == 0
    with pytest.raises(ConfigError, match=r"topic\.partitions\[i\]"):
        topic[0]
