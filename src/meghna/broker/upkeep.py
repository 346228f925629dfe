"""What is done from time to time: retention and checkpoints.

The loop sleeps until the next thing is due, and a checkpoint that would say what it said is not
written: an idle broker wakes up about once a minute and touches nothing.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from meghna.errors import Error

if TYPE_CHECKING:
    from meghna.broker.broker import Broker

logger = logging.getLogger(__name__)


class Upkeep:
    """The broker's periodic work."""

    __slots__ = ("_broker",)

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def run(self) -> None:
        config, clock = self._broker.config, self._broker.clock
        checkpoints_ms = min(
            config.log_flush_offset_checkpoint_interval_ms,
            config.log_flush_start_offset_checkpoint_interval_ms,
        )
        retention_ms = config.log_retention_check_interval_ms
        now_ms = clock.monotonic_ms()
        next_checkpoints = now_ms + checkpoints_ms
        next_retention = now_ms + min(config.log_initial_task_delay_ms, retention_ms)
        while True:
            due_ms = min(next_checkpoints, next_retention)
            await asyncio.sleep(max(due_ms - clock.monotonic_ms(), 1) / 1000)
            now_ms = clock.monotonic_ms()
            if now_ms >= next_retention:
                await self._guarded(self.delete_old())
                next_retention = now_ms + retention_ms
            if now_ms >= next_checkpoints:
                await self._guarded(self.write_checkpoints())
                next_checkpoints = now_ms + max(checkpoints_ms, 1)

    async def _guarded(self, work: object) -> None:
        try:
            await work  # type: ignore[misc]
        except (Error, OSError) as error:
            logger.error("upkeep failed and is tried again: %s", error)

    async def delete_old(self) -> int:
        """Delete what retention lets go; how many segments."""
        topics = self._broker.topics
        handles = dict(topics.handles())
        configs = {name: topics.config(name) for name in {topic for topic, _ in handles}}
        return await self._broker.off_loop(
            self._broker.store.delete_old,
            {key: configs[key[0]] for key in handles},
            {key: handle.high_watermark for key, handle in handles.items()},
        )

    async def write_checkpoints(self) -> None:
        """Write the checkpoint files that changed."""
        handles = self._broker.topics.handles().items()
        marks = {key: handle.high_watermark for key, handle in handles}
        await self._broker.off_loop(self._broker.store.write_checkpoints, marks)
