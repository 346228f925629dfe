"""Following a topic, in a thread and in an event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

import meghna
from meghna.errors import ClosedError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_tail_gives_what_comes(topic: meghna.Topic) -> None:
    topic.append(b"before")

    def append() -> None:
        for i in range(100):
            topic.append(b"%d" % i)

    tail = iter(topic.tail(timeout=10))
    thread = threading.Thread(target=append)
    thread.start()
    assert [next(tail).value for _ in range(100)] == [b"%d" % i for i in range(100)]
    thread.join()


def test_a_tail_ends_at_its_timeout_and_with_the_log(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        topic = log.topic("t", create=True)
        topic.append(b"v")
        assert [record.value for record in topic.tail("earliest", timeout=0.01)] == [b"v"]
        tail = topic.tail()
        threading.Timer(0.05, log.close).start()
        assert list(tail) == []


async def test_a_tail_waits_in_an_event_loop(topic: meghna.Topic) -> None:
    async def append() -> None:
        for i in range(10):
            await asyncio.sleep(0.001)
            topic.append(b"%d" % i)

    found = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(append())
        async for record in topic.tail("earliest", timeout=10):
            found.append(record.value)
            if len(found) == 10:
                break
    assert found == [b"%d" % i for i in range(10)]


def test_a_tail_of_a_deleted_topic_says_so(log: meghna.Log, topic: meghna.Topic) -> None:
    topic.append(b"v")
    tail = iter(topic.tail("earliest"))
    assert next(tail).value == b"v"
    threading.Timer(0.05, log.delete_topic, ["t"]).start()
    with pytest.raises(ClosedError, match="topic 't' was deleted"):
        next(tail)


async def test_so_it_does_in_an_event_loop(log: meghna.Log, topic: meghna.Topic) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(log.delete_topic, "t"))
        with pytest.raises(ClosedError, match="topic 't' was deleted"):
            async for _ in topic.tail():
                pass
