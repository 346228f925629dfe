"""Compaction of topics with `cleanup.policy=compact`: which partition is next, and its pass.

What is due is decided as Kafka does it: the share of dirty bytes is above
`min.cleanable.dirty.ratio`, or the oldest dirty record is older than `max.compaction.lag.ms`; the
dirtiest comes first. How far each partition was compacted stands in `cleaner-offset-checkpoint`.

A pass runs in the thread of whoever calls `Compactor.run_next`, one at a time, and stops soon after
`stop`. A partition that fails is told of once, is left alone for a while, and nothing of it changes
but that its finished segments stay compacted.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from meghna._native.compact import cleanable, compact
from meghna.codecs import compress, decompress
from meghna.errors import BusyError, ClosedError, Error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from meghna._native.compact import Cleanable, CompactReport
    from meghna._native.log import Log
    from meghna.clock import Clock
    from meghna.config import TopicConfig
    from meghna.storage.checkpoint import TopicPartition
    from meghna.storage.store import Store

logger = logging.getLogger(__name__)

_NEVER_MS: Final = 0x7FFFFFFFFFFFFFFF
_RETRY_MS: Final = 300_000  # After a failure: a disk may be full for a while, damage stays.
_SEED_SIZE: Final = 16
_SLEEP_MIN: Final = 0.01  # Seconds; shorter sleeps cost more than they pace.


@dataclass(frozen=True, slots=True)
class CompactionLimits:
    """What all passes together may take."""

    map_size_max: int = 128 * 1024 * 1024
    """Bytes for the keys of one pass; taken while it runs, and only as far as they are needed."""
    bytes_per_second: float = float("inf")
    """Read and written."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A partition with what could be compacted of it."""

    partition: TopicPartition
    found: Cleanable
    is_overdue: bool
    """Something in it is older than `max.compaction.lag.ms`."""

    @property
    def dirty_ratio(self) -> float:
        total = self.found.clean_size + self.found.cleanable_size
        return self.found.cleanable_size / total if total else 0.0


@dataclass(slots=True)
class Counters:
    """What compaction did since the start; sizes in bytes."""

    passes: int = 0
    failures: int = 0
    read_size: int = 0
    written_size: int = 0
    records_read: int = 0
    records_kept: int = 0
    last_duration_ms: int = 0
    last_map_size: int = 0
    max_dirty_ratio: float = 0.0
    """Of all partitions, when they were last looked at."""


def dirtiest(
    candidates: Iterable[Candidate], ratios: Mapping[TopicPartition, float]
) -> Candidate | None:
    """The candidate to compact next, given the ratio that each partition may have; None: none."""
    due = [
        each
        for each in candidates
        if each.found.cleanable_size > 0
        and (each.is_overdue or each.dirty_ratio > ratios[each.partition])
    ]
    return max(due, key=lambda each: each.dirty_ratio, default=None)


class StoppedError(Error):
    """The pass was told to stop."""


class Pace:
    """Lets bytes go by no faster than they may, and ends the pass when it should stop."""

    __slots__ = ("_clock", "_due", "_rate", "_start_ms", "_stopping")

    def __init__(self, rate: float, *, clock: Clock, stopping: threading.Event) -> None:
        self._rate = rate
        self._clock = clock
        self._stopping = stopping
        self._start_ms = clock.monotonic_ms()
        self._due = 0.0

    def __call__(self, size: int) -> None:
        """Account for `size` bytes; sleeps where they came too early.

        Raises:
            StoppedError: it is time to stop.
        """
        self._due += size / self._rate
        ahead = self._due - (self._clock.monotonic_ms() - self._start_ms) / 1000
        if ahead > _SLEEP_MIN:
            self._stopping.wait(ahead)
        if self._stopping.is_set():
            raise StoppedError("compaction was stopped")


class Compactor:
    """Compacts the partitions of a store, one after the other. One thread at a time."""

    __slots__ = (
        "_clock",
        "_offsets",
        "_paused",
        "_stopping",
        "_store",
        "_told",
        "counters",
        "unflushed",
    )

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._stopping = threading.Event()
        self._offsets = store.read_cleaner_offsets()
        self._paused: dict[TopicPartition, int] = {}
        self._told: dict[TopicPartition, str] = {}
        self.counters = Counters()
        self.unflushed: frozenset[TopicPartition] = frozenset()
        """Partitions of which more could be compacted if they were flushed, when last looked at."""

    def stop(self) -> None:
        """End the pass that runs, and begin none any more. From any thread."""
        self._stopping.set()

    def run_next(
        self,
        configs: Mapping[TopicPartition, TopicConfig],
        limit_offsets: Mapping[TopicPartition, int],
        limits: CompactionLimits,
    ) -> bool:
        """Compact the dirtiest of the partitions that are due, up to its limit offset; whether
        there was one.

        Raises:
            OSError: the checkpoint cannot be written; the next start compacts again from there.
        """
        ratios = {key: config.min_cleanable_dirty_ratio for key, config in configs.items()}
        candidates = self._look(configs, limit_offsets)
        self.counters.max_dirty_ratio = max((each.dirty_ratio for each in candidates), default=0.0)
        self.unflushed = frozenset(
            each.partition for each in candidates if each.found.waits_for_flush
        )
        chosen = dirtiest(candidates, ratios)
        if chosen is None or self._stopping.is_set():
            return False
        key = chosen.partition
        try:
            end_offset = self._store.use(
                key, self._compact, chosen, configs[key], limit_offsets[key], limits
            )
        except (StoppedError, ClosedError):
            return False
        except BusyError:
            return True
        except Error as error:
            self._fail(key, error)
            return True
        self._told.pop(key, None)
        self._offsets = self._store.write_cleaner_offsets({**self._offsets, key: end_offset})
        return True

    def _look(
        self,
        configs: Mapping[TopicPartition, TopicConfig],
        limit_offsets: Mapping[TopicPartition, int],
    ) -> list[Candidate]:
        candidates = []
        known = self._store.read_cleaner_offsets()
        self._offsets = {key: known[key] for key in self._offsets if key in known}
        now_ms = self._clock.monotonic_ms()
        for key, config in configs.items():
            if not config.is_compacted or self._paused.get(key, now_ms) > now_ms:
                continue
            try:
                candidates.append(
                    self._store.use(key, self._look_at, key, config, limit_offsets.get(key, 0))
                )
            except ClosedError:
                continue
            except Error as error:
                self._fail(key, error)
        return candidates

    def _look_at(
        self, log: Log, key: TopicPartition, config: TopicConfig, limit_offset: int
    ) -> Candidate:
        now_ms = self._clock.now_ms()
        has_lag = config.max_compaction_lag_ms < _NEVER_MS
        found = cleanable(
            log,
            self._offsets.get(key, log.start_offset),
            limit_offset=limit_offset,
            min_lag_ms=config.min_compaction_lag_ms,
            now_ms=now_ms,
            asks_time=has_lag,
        )
        oldest_ms = now_ms - config.max_compaction_lag_ms
        return Candidate(
            partition=key,
            found=found,
            is_overdue=has_lag and 0 < found.earliest_timestamp < oldest_ms,
        )

    def _compact(
        self,
        log: Log,
        chosen: Candidate,
        config: TopicConfig,
        limit_offset: int,
        limits: CompactionLimits,
    ) -> int:
        begin_ms = self._clock.monotonic_ms()
        report = compact(
            log,
            chosen.found.first_dirty_offset,
            limit_offset=limit_offset,
            min_lag_ms=config.min_compaction_lag_ms,
            delete_retention_ms=config.delete_retention_ms,
            now_ms=self._clock.now_ms(),
            map_size_max=limits.map_size_max,
            seed=os.urandom(_SEED_SIZE),
            compress=compress,
            decompress=decompress,
            pace=Pace(limits.bytes_per_second, clock=self._clock, stopping=self._stopping),
        )
        self._count(report, self._clock.monotonic_ms() - begin_ms)
        logger.info(
            "%s-%d: compacted up to offset %d: %d of %d records kept, %d of %d segments, "
            "%d bytes read and %d written in %d ms",
            *chosen.partition,
            report.end_offset,
            report.records_kept,
            report.records_read,
            report.segments_after,
            report.segments_before,
            report.read_size,
            report.written_size,
            self.counters.last_duration_ms,
        )
        return report.end_offset

    def _count(self, report: CompactReport, duration_ms: int) -> None:
        counters = self.counters
        counters.passes += 1
        counters.read_size += report.read_size
        counters.written_size += report.written_size
        counters.records_read += report.records_read
        counters.records_kept += report.records_kept
        counters.last_duration_ms = duration_ms
        counters.last_map_size = report.map_size

    def _fail(self, key: TopicPartition, error: Error) -> None:
        self.counters.failures += 1
        self._paused[key] = self._clock.monotonic_ms() + _RETRY_MS
        if self._told.get(key) != str(error):
            self._told[key] = str(error)
            logger.error("%s-%d cannot be compacted and is left as it is: %s", *key, error)


__all__ = [
    "Candidate",
    "CompactionLimits",
    "Compactor",
    "Counters",
    "Pace",
    "StoppedError",
    "dirtiest",
]
