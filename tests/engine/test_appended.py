"""What an append promises, and waiting for more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import meghna
from meghna.errors import ConfigError


@pytest.mark.parametrize("flush", ["group", "each"])
def test_a_flushed_append_is_durable_on_return(topic: meghna.Topic, flush: str) -> None:
    done = topic.append_many([b"v"] * 25_000, flush=flush)
    assert done.is_durable
    assert topic.partitions[0].durable_end == 25_000


def test_who_waits_flushes(topic: meghna.Topic) -> None:
    done = topic.append(b"v")
    assert not done.is_durable
    assert done.wait() is done
    assert done.is_durable
    with ThreadPoolExecutor(1) as pool:
        assert topic.append(b"w").future(pool.submit).result().is_durable


async def test_an_append_can_be_awaited(topic: meghna.Topic) -> None:
    done = await topic.append(b"v")
    assert done.is_durable


def test_the_topics_own_flush_mode_is_the_default(log: meghna.Log) -> None:
    topic = log.topic("durable", create=True, flush=meghna.Flush.GROUP)
    assert topic.append(b"v").is_durable
    assert not topic.append(b"v", flush="none").is_durable
    with pytest.raises(ConfigError, match="flush is 'none', 'group' or 'each', not 'always'"):
        topic.append(b"v", flush="always")
