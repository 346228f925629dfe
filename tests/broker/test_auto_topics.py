"""Topics that come into being because somebody asked for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from broker.running import ask, running
from meghna.broker.auto_topics import create_missing
from meghna.errors import ErrorCode
from meghna.protocol.messages import MetadataRequestTopic

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_many_who_ask_at_once_make_one_topic(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await asyncio.gather(*(create_missing(broker, ["t", "u"]) for _ in range(10)))
        assert sorted(broker.image.topics) == ["t", "u"]
        assert broker.image.partition_count() == 2


async def test_what_may_not_be_made_so_is_left(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, {"default.replication.factor": "3"}) as broker:
        for _ in range(3):
            faults = await create_missing(broker, ["t", "bad name", "__transaction_state"])
            assert faults == {"t": ErrorCode.INVALID_REPLICATION_FACTOR}
        answer = await ask(broker, "metadata", 9, topics=[MetadataRequestTopic(name="t")])
        assert [topic.error_code for topic in answer.topics] == [38]
        assert caplog.text.count("topic t is not made") == 1
        assert not broker.image.topics


async def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        (tmp_path / "t-0").write_text("in the way")
        assert await create_missing(broker, ["t"]) == {"t": ErrorCode.LEADER_NOT_AVAILABLE}
        assert not broker.image.topics
        (tmp_path / "t-0").unlink()
        assert await create_missing(broker, ["t"]) == {}
        assert broker.topics.handle("t", 0) is not None
