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
    from collections.abc import Coroutine

    from meghna.broker.broker import Broker

logger = logging.getLogger(__name__)

# From sealing an active segment to looking whether it can be deleted.
_SEALED_MS = 1_000


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
        sealed = False
        while True:
            due_ms = min(next_checkpoints, next_retention)
            await asyncio.sleep(max(due_ms - clock.monotonic_ms(), 1) / 1000)
            now_ms = clock.monotonic_ms()
            if now_ms >= next_retention:
                # What was sealed can go soon; but look again only once, whatever comes of it.
                sealed = await self._guarded(self.apply_retention()) and not sealed
                next_retention = now_ms + (_SEALED_MS if sealed else retention_ms)
            if now_ms >= next_checkpoints:
                await self._guarded(self.write_checkpoints())
                next_checkpoints = now_ms + max(checkpoints_ms, 1)

    async def _guarded(self, work: Coroutine[object, object, bool]) -> bool:
        try:
            return await work
        except (Error, OSError) as error:
            logger.error("upkeep failed and is tried again: %s", error)
            return False

    async def apply_retention(self) -> bool:
        """Delete what retention lets go, and seal active segments that it will; whether any."""
        topics = self._broker.topics
        handles = dict(topics.handles())
        configs = {name: topics.config(name) for name in {topic for topic, _ in handles}}
        rules = {key: configs[key[0]] for key in handles}
        marks = {key: handle.high_watermark for key, handle in handles.items()}
        store = self._broker.store
        deleted = await self._broker.off_loop(store.delete_old, rules, marks)
        if deleted:
            logger.info("retention deleted %d segments", deleted)
        expired = await self._broker.off_loop(store.expired, rules)
        for key in expired:
            handle = topics.handle(*key)
            if handle is not None:
                handle.roll_later()
        return bool(expired)

    async def write_checkpoints(self) -> bool:
        """Write the checkpoint files that changed."""
        handles = self._broker.topics.handles().items()
        marks = {key: handle.high_watermark for key, handle in handles}
        await self._broker.off_loop(self._broker.store.write_checkpoints, marks)
        return True
