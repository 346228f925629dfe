"""What is done from time to time: retention, checkpoints, compaction.

The first loop sleeps until the next thing is due, and a checkpoint that would say what it said is
not written: an idle broker wakes up about once a minute and touches nothing. A busy one writes its
recovery points when much was flushed, so that a start after a crash does not check that again.
Compaction has a loop of its own, because a pass takes as long as it takes; where no topic asks for
it, it only looks.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from meghna.errors import Error
from meghna.storage.compaction import CompactionLimits, Compactor

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from meghna.broker.broker import Broker

logger = logging.getLogger(__name__)

# From sealing an active segment to looking whether it can be deleted.
_SEALED_MS = 1_000
# From one writing of the recovery points to the next that was asked for.
_SOON_MS = 1_000
# Between looks for something to compact, whatever was set: a look costs something, too.
_BACKOFF_MIN_MS = 10


class Upkeep:
    """The broker's periodic work."""

    __slots__ = ("_advanced", "_broker", "compactor")

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._advanced = asyncio.Event()
        self.compactor = Compactor(broker.store, clock=broker.clock)

    def checkpoint_soon(self) -> None:
        """Have the recovery points written, if that was not done just now."""
        self._advanced.set()

    async def write_recovery_points(self) -> None:
        """Write them whenever they were asked for; ends when it is cancelled."""
        while True:
            await self._advanced.wait()
            self._advanced.clear()
            await self._guarded(self._write_recovery_points())
            await asyncio.sleep(_SOON_MS / 1000)

    async def _write_recovery_points(self) -> bool:
        await self._broker.off_loop(self._broker.store.write_recovery_points)
        return True

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

    async def run_compaction(self) -> None:
        """Compact whatever is due, look again after a while."""
        while True:
            config = self._broker.config
            await asyncio.sleep(max(config.log_cleaner_backoff_ms, _BACKOFF_MIN_MS) / 1000)
            while self._broker.config.log_cleaner_enable and await self._guarded(self.compact()):
                pass

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

    async def compact(self) -> bool:
        """Compact the dirtiest partition that is due; whether there was one."""
        topics, config = self._broker.topics, self._broker.config
        handles = dict(topics.handles())
        configs = {name: topics.config(name) for name in {topic for topic, _ in handles}}
        rules = {key: configs[key[0]] for key in handles if configs[key[0]].is_compacted}
        if not rules:
            return False
        limits = CompactionLimits(
            map_size_max=config.log_cleaner_dedupe_buffer_size,
            bytes_per_second=config.log_cleaner_io_max_bytes_per_second,
        )
        marks = {
            key: min(handles[key].high_watermark, handles[key].log.last_stable_offset)
            for key in rules
        }
        did = await self._broker.off_loop(self.compactor.run_next, rules, marks, limits)
        for key in self.compactor.unflushed:
            handle = topics.handle(*key)
            if handle is not None:
                handle.flush_later()
        return did

    async def write_checkpoints(self) -> bool:
        """Write the checkpoint files that changed."""
        await self._broker.off_loop(self._broker.reserve.look)
        handles = self._broker.topics.handles().items()
        marks = {key: handle.high_watermark for key, handle in handles}
        await self._broker.off_loop(self._broker.store.write_checkpoints, marks)
        return True
