"""A broker inside the test's own event loop, on a free port, and a client of a few lines."""

from __future__ import annotations

import asyncio
import importlib
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from meghna.broker.broker import Broker
from meghna.broker.call import Call
from meghna.config import load
from meghna.protocol import messages
from meghna.protocol.wire import decode_request, decode_response, encode_fields, encode_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from meghna.clock import Clock


@asynccontextmanager
async def running(
    path: Path, settings: dict[str, str] | None = None, clock: Clock | None = None
) -> AsyncIterator[Broker]:
    """A broker that serves while the block runs and stops cleanly after it."""
    settings = settings or {}
    data_directory = None if "log.dirs" in settings else str(path)
    config = load(settings, listen="127.0.0.1:0", data_directory=data_directory)
    broker = Broker(config, clock=clock)
    broker.start()
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(broker.run(ready.set))
        await ready.wait()
        try:
            yield broker
        finally:
            broker.stop()


def api(name: str) -> Any:
    return importlib.import_module(f"meghna.broker.handlers.{name}")


async def ask(
    broker: Broker,
    name: str,
    version: int,
    request: Any = None,
    **fields: Any,
) -> Any:
    """Send a request through its bytes, to its handler, and the answer back through its own."""
    handler = api(name)
    key = handler.API_KEY
    if request is None:
        request = getattr(messages, f"{name.title().replace('_', '')}Request")(**fields)
    assert handler.VERSIONS[0] <= version <= handler.VERSIONS[1]
    decoded = decode_request(key, version, encode_fields(version, request))
    answer = await handler.handle(broker, decoded, Call(version, "test", "127.0.0.1", 0))
    return decode_response(key, version, encode_response(key, version, answer))


async def create(broker: Broker, *names: str, partitions: int = 1, **configs: str) -> None:
    """Make topics; configs with `_` for `.`."""
    settings = [
        messages.CreatableTopicConfig(name.replace("_", "."), value)
        for name, value in configs.items()
    ]
    topics = [messages.CreatableTopic(name, partitions, 1, (), settings) for name in names]
    answer = await ask(broker, "create_topics", 7, topics=topics, timeout_ms=1000)
    assert [topic.error_code for topic in answer.topics] == [0] * len(names)


def append(broker: Broker, topic: str, data: bytes, index: int = 0) -> None:
    """Put a batch into a partition's log, past the server: for what only reads."""
    log = broker.topics.log(topic, index)
    assert log is not None
    log.append(data, leader_epoch=0, now_ms=broker.clock.now_ms())


def entries(path: Path, prefix: str) -> list[str]:
    """What lies in a directory under names that begin so."""
    return sorted(name for name in os.listdir(path) if name.startswith(prefix))
