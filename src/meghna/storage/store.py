"""The logs of all partitions: opened at the start, made, removed, checked for age, closed.

Everything here waits for the disk and runs on a worker thread, or before the loop. A log belongs
to the store; the server uses it between `add_partition` and the end of `remove_partition`, other
threads within `use`, and only outside these may it be closed. A log has one maintainer at a time,
and that is whoever holds the store's upkeep lock.

    <data>/<topic>-<index>/                       a partition; which <data>, `places` knows
    <data>/<topic>-<index>.<32 hex>-delete/       one that is being removed
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from meghna._native import batch
from meghna._native.log import Log, LogConfig
from meghna.errors import ClosedError, Error
from meghna.storage import checkpoint, reserve
from meghna.storage.directory import METADATA_PARTITION, id_bytes, id_text
from meghna.storage.places import Places
from meghna.storage.recovery import Job, open_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from meghna.clock import Clock
    from meghna.config import TopicConfig
    from meghna.storage.checkpoint import TopicPartition
    from meghna.storage.directory import DataDirectory

logger = logging.getLogger(__name__)

_TOPIC_ID_FILE = "partition.metadata"
# What lies in a partition's directory before its first record; of that, what is empty.
_EMPTY = frozenset(f"{0:020}.{ending}" for ending in ("log", "index", "timeindex"))
_BEGUN = _EMPTY | {_TOPIC_ID_FILE, "leader-epoch-checkpoint", "leader-epoch-checkpoint.tmp"}
_P = ParamSpec("_P")
_T = TypeVar("_T")
_R = TypeVar("_R")
_THREADS_WORTHWHILE = 4
_NAME_SIZE_MAX = 255  # The file system's; Kafka cuts the name of a removed directory to it.


def log_config(config: TopicConfig, *, producer_expiry_ms: int) -> LogConfig:
    """What a log must know of its topic's settings."""
    segment_ms = config.segment_ms
    if config.is_compacted:  # So that an old record does not escape compaction in the active one.
        segment_ms = min(segment_ms, config.max_compaction_lag_ms)
    return LogConfig(
        segment_size_max=config.segment_bytes,
        segment_age_max_ms=segment_ms,
        index_size_max=config.segment_index_bytes,
        index_interval_size=config.index_interval_bytes,
        producer_expiry_ms=producer_expiry_ms,
        keep_free=reserve.SIZE,
        append_time=config.append_time,
    )


def topic_id_in(path: str) -> bytes | None:
    """The topic id in a partition directory's `partition.metadata`; None without the file.

    Raises:
        ValueError: the file is not of the form that Kafka writes.
    """
    try:
        with open(os.path.join(path, _TOPIC_ID_FILE), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return None
    facts = dict(line.split(": ", 1) for line in lines if line)
    if facts.get("version") != "0" or "topic_id" not in facts:
        raise ValueError(f"{path}/{_TOPIC_ID_FILE} is malformed")
    return id_bytes(facts["topic_id"])


class Store:
    """All logs of a data directory, or of several."""

    __slots__ = (
        "_clean",
        "_clock",
        "_places",
        "_unused",
        "_upkeep",
        "_users",
        "elsewhere",
        "failed",
        "logs",
    )

    def __init__(self, *directories: DataDirectory, clock: Clock) -> None:
        """Over the directories that are held, the one with the metadata first.

        Raises:
            DirectoryError: a partition lies in two of them.
            OSError: the first one's disk.
        """
        self._clock = clock
        self.logs: dict[TopicPartition, Log] = {}
        self.failed: dict[TopicPartition, str] = {}
        """Partitions whose log could not be opened, and why: they are offline."""
        self.elsewhere: set[TopicPartition] = set()
        """Those of `failed` that lie in a directory that is not here."""
        self._places = Places(directories)
        self._clean: list[DataDirectory] = []
        self._upkeep = threading.Lock()
        self._unused = threading.Condition()
        self._users: Counter[TopicPartition] = Counter()

    @property
    def places(self) -> Places:
        """Where the partitions lie."""
        return self._places

    # ---- Start ----

    def open_all(self, wanted: Mapping[TopicPartition, LogConfig], *, threads: int) -> None:
        """Open the logs of `wanted`, several at a time where they have to be checked.

        One that cannot be opened is left out, and stands in `failed`.
        """
        points = self._places.read(checkpoint.RECOVERY_POINTS)
        starts = self._places.read(checkpoint.START_OFFSETS)
        jobs = []
        for partition, config in wanted.items():
            home = self._places.home(partition)
            if home.path in self._places.failed:
                self.failed[partition] = f"{home.path}: {self._places.failed[home.path]}"
                continue
            jobs.append(
                Job(
                    partition,
                    home.partition_path(*partition),
                    config,
                    clean=home.was_clean,
                    recovery_point=points.get(partition, 0),
                    start_offset=starts.get(partition, 0),
                )
            )
        for partition, outcome in open_logs(jobs, threads=threads, clock=self._clock):
            if isinstance(outcome, Error):
                self.failed[partition] = str(outcome)
                logger.error("%s-%d is offline: %s", *partition, outcome)
            else:
                self.logs[partition] = outcome
                _tell_recovery(partition, outcome)

    def set_elsewhere(self, partition: TopicPartition, why: str) -> None:
        """Leave out a partition whose directory is not here: nothing may be put in its place."""
        self.elsewhere.add(partition)
        self.failed[partition] = why
        logger.error("%s-%d is offline: %s", *partition, why)

    def set_stray(self, path: str) -> None:
        """Put a partition directory that no topic claims under the name that Kafka gives it."""
        self._rename_aside(path, "stray")
        checkpoint.sync_directory(os.path.dirname(path))

    # ---- Work on one log ----

    def use(
        self,
        partition: TopicPartition,
        work: Callable[Concatenate[Log, _P], _R],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _R:
        """Do `work` on a partition's log, which stays open meanwhile.

        Raises:
            ClosedError: the partition is gone or offline.
        """
        with self._unused:
            log = self.logs.get(partition)
            if log is None:
                raise ClosedError(f"{partition[0]}-{partition[1]} is not open")
            self._users[partition] += 1
        try:
            return work(log, *args, **kwargs)
        finally:
            with self._unused:
                self._users[partition] -= 1
                if not self._users[partition]:
                    del self._users[partition]
                    self._unused.notify_all()

    def raise_starts(
        self, offsets: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int | Error]:
        """Make what lies below `offsets` unreadable, also after a crash; the new starts, or why
        there is none.

        Raises:
            OSError: the disk's; the starts may be raised until a crash.
        """

        def raised(log: Log, offset: int) -> int:
            with self._upkeep:
                log.raise_start(offset)
            return log.start_offset

        starts: dict[TopicPartition, int | Error] = {}
        for partition, offset in offsets.items():
            try:
                starts[partition] = self.use(partition, raised, offset)
            except Error as error:
                starts[partition] = error
        self._write_starts()
        return starts

    # ---- Partitions that come and go ----

    def create(self, partitions: Mapping[TopicPartition, LogConfig], topic_id: bytes) -> None:
        """Make the logs of a topic's new partitions, durably by the return, and empty: what a
        checkpoint or a directory still holds of an older topic of that name does not count.

        Raises:
            StorageError, OSError: none of them was made; it can be tried again.
        """
        made: list[TopicPartition] = []
        parents: set[str] = set()
        for topic, index in partitions:
            # The metadata log lies there and is not ours; nothing may be put in its place.
            assert f"{topic}-{index}" != METADATA_PARTITION
        try:
            self._places.forget(partitions)
            for partition, config in partitions.items():
                path = self._places.choose(partition)
                parents.add(os.path.dirname(path))
                if os.path.isdir(path):
                    logger.warning("%s is in the way of a new partition and is put aside", path)
                    self.set_stray(path)
                made.append(partition)
                log = Log.open(path, config, clean=True, now_ms=self._clock.now_ms())
                self.logs[partition] = log
                self._write_topic_id(path, topic_id)
            for parent in parents:
                checkpoint.sync_directory(parent)
        except (Error, OSError):
            self.erase(self.remove(made))
            raise
        for partition in made:
            self.failed.pop(partition, None)

    def _write_topic_id(self, path: str, topic_id: bytes) -> None:
        # Not synced: the metadata has the id as well, and `claim` writes it again after a crash.
        # A sync for each file would make a topic of 1,000 partitions wait for seconds.
        with open(os.path.join(path, _TOPIC_ID_FILE), "w", encoding="utf-8") as file:
            file.write(f"version: 0\ntopic_id: {id_text(topic_id)}")

    def claim(self, path: str, topic_id: bytes) -> bool:
        """Whether a partition directory is that topic's; one that lost its id is given it again."""
        try:
            found = topic_id_in(path)
        except ValueError:
            found = None
        if found is None:
            self._write_topic_id(path, topic_id)
        return found in (None, topic_id)

    def remove(self, partitions: Iterable[TopicPartition]) -> list[str]:
        """Drop logs that the server has let go and put their directories aside; where they are now.

        The caller removes what is there with `erase` when it likes: after a crash the next start
        does. That is also when a directory goes that the disk does not let us rename.
        """
        asides = []
        parents: set[str] = set()
        for partition in partitions:
            with self._unused:
                log = self.logs.pop(partition, None)
                while self._users[partition]:
                    self._unused.wait()
            if log is not None:
                log.abandon()
            self.failed.pop(partition, None)
            path = self._places.path(partition)
            parents.add(os.path.dirname(path))
            try:
                if os.path.isdir(path):
                    asides.append(self._rename_aside(path, "delete"))
                self._places.lose(partition)
            except OSError as error:
                logger.error("%s cannot be removed before the next start: %s", path, error)
        for parent in parents:
            try:
                checkpoint.sync_directory(parent)
            except OSError as error:
                logger.error("%s: %s", parent, error)
        return asides

    def is_unused(self, path: str) -> bool:
        """Whether a partition directory was begun and never held a record: nothing is lost with
        it."""
        with os.scandir(path) as entries:
            return all(
                entry.name in _BEGUN and not (entry.name in _EMPTY and entry.stat().st_size)
                for entry in entries
            )

    def _rename_aside(self, path: str, kind: str) -> str:
        ending = f".{os.urandom(16).hex()}-{kind}"
        name = os.path.basename(path)[: _NAME_SIZE_MAX - len(ending)] + ending
        target = os.path.join(os.path.dirname(path), name)
        os.rename(path, target)
        return target

    def erase(self, paths: list[str]) -> None:
        """Remove directories that were put aside."""
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)

    # ---- Upkeep ----

    def delete_old(
        self, rules: Mapping[TopicPartition, TopicConfig], limits: Mapping[TopicPartition, int]
    ) -> int:
        """Delete the segments that retention lets go, none at or above `limits`; how many."""
        deleted = 0
        for partition, config in rules.items():
            has_limit = config.retention_ms >= 0 or config.retention_bytes >= 0
            if config.is_deleted and has_limit:
                try:
                    deleted += self.use(
                        partition, self._delete_old, config, limits.get(partition, 0)
                    )
                except ClosedError:
                    continue
                except Error as error:
                    logger.error("%s-%d: cannot delete old segments: %s", *partition, error)
        return deleted

    def _delete_old(self, log: Log, config: TopicConfig, limit_offset: int) -> int:
        with self._upkeep:
            return log.delete_old(
                retention_ms=config.retention_ms,
                retention_size=config.retention_bytes,
                limit_offset=limit_offset,
                now_ms=self._clock.now_ms(),
            )

    def expired(self, rules: Mapping[TopicPartition, TopicConfig]) -> list[TopicPartition]:
        """Partitions of which even the newest record is too old: their active segment has to be
        sealed before retention can delete it."""
        found = []
        for partition, config in rules.items():
            if config.is_deleted and config.retention_ms >= 0:
                oldest_ms = self._clock.now_ms() - config.retention_ms
                try:
                    if self.use(partition, _newest_is_before, oldest_ms):
                        found.append(partition)
                except ClosedError:
                    continue
                except Error as error:
                    logger.error("%s-%d: cannot look for its newest record: %s", *partition, error)
        return found

    def write_checkpoints(self, high_watermarks: Mapping[TopicPartition, int]) -> None:
        """Write what changed since the last time: recovery points, log starts, high watermarks.

        Raises:
            OSError: the disk's; the files hold what they held.
        """
        self.write_recovery_points()
        self._write_starts()
        self._places.write(checkpoint.HIGH_WATERMARKS, lambda: high_watermarks)

    def write_recovery_points(self) -> None:
        """Write up to where each log is durable: a start after a crash checks what lies above.

        Raises:
            OSError: the disk's; the file holds what it held.
        """
        self._places.write(
            checkpoint.RECOVERY_POINTS, lambda: self._of_each(lambda log: log.durable_end)
        )

    def read_cleaner_offsets(self) -> dict[TopicPartition, int]:
        """How far each partition was compacted."""
        return self._places.known(checkpoint.CLEANER_OFFSETS)

    def write_cleaner_offsets(
        self, offsets: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Note how far each partition was compacted; those that are gone are left out.

        Raises:
            OSError: the disk's; the file holds what it held.
        """
        there = {key: offset for key, offset in offsets.items() if key in self.logs}
        self._places.write(checkpoint.CLEANER_OFFSETS, lambda: there)
        return there

    def _write_starts(self) -> None:
        self._places.write(
            checkpoint.START_OFFSETS,
            lambda: {p: s for p, s in self._of_each(lambda log: log.start_offset).items() if s},
        )

    def _of_each(self, answer: Callable[[Log], int]) -> dict[TopicPartition, int]:
        answers = {}
        for partition in list(self.logs):
            with contextlib.suppress(ClosedError):
                answers[partition] = self.use(partition, answer)
        return answers

    def abandon(self) -> None:
        """Close every log and write nothing, as a crash would. Nobody may be using one."""
        logs, self.logs = self.logs, {}
        for log in logs.values():
            log.abandon()

    def close(self) -> bool:
        """Close every log and write the checkpoints; whether all went well. Waits for whoever
        uses a log; who comes later is told that it is closed. `mark_clean` is to follow.
        """
        with self._unused:
            logs, self.logs = self.logs, {}
            self._unused.wait_for(lambda: not self._users)
        ends = {p: log.end_offset for p, log in logs.items()}
        starts = {p: log.start_offset for p, log in logs.items() if log.start_offset}

        def close_one(partition: TopicPartition) -> bool:
            try:
                logs[partition].close()
            except Error as error:
                logger.error("%s-%d: cannot be closed cleanly: %s", *partition, error)
                return False
            return True

        outcomes = dict(zip(ends, _each(close_one, ends, threads=4), strict=True))
        unclean = {self._places.home(p) for p, closed in outcomes.items() if not closed}
        unclean |= {self._places.home(p) for p in self.failed if p not in self.elsewhere}
        self._clean = [each for each in self._places.directories if each not in unclean]
        try:
            self._places.write(checkpoint.RECOVERY_POINTS, lambda: ends, among=self._clean)
            self._places.write(checkpoint.START_OFFSETS, lambda: starts, among=self._clean)
            self._places.write(checkpoint.HIGH_WATERMARKS, lambda: ends, among=self._clean)
        except OSError as error:
            logger.error("the checkpoints cannot be written: %s", error)
            self._clean = []
        return len(self._clean) == len(self._places.directories) and not self._places.failed

    def mark_clean(self) -> None:
        """Say so in the directories of which all was closed. The last thing of all.

        Raises:
            OSError: the disk's; the next start checks what there is.
        """
        for directory in self._clean:
            if directory.path not in self._places.failed:
                directory.mark_clean()


def _each(work: Callable[[_T], _R], items: Iterable[_T], *, threads: int) -> list[_R]:
    """`work` on each item; on several threads where there is more than a handful."""
    items = list(items)
    if len(items) < _THREADS_WORTHWHILE or threads < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads, thread_name_prefix="meghna-logs") as pool:
        return list(pool.map(work, items))


def _newest_is_before(log: Log, oldest_ms: int) -> bool:
    data = log.find_max_timestamp() if log.size else None
    return data is not None and batch.header(data).max_timestamp < oldest_ms


def _tell_recovery(partition: TopicPartition, log: Log) -> None:
    report = log.report
    if report.rewritten_size:
        logger.warning(
            "%s-%d: a fsync had failed before; %d bytes were written once more",
            *partition,
            report.rewritten_size,
        )
    if report.cut_size or report.set_aside_size:
        logger.warning(
            "%s-%d: recovered; %d bytes of an unfinished write cut, %d damaged bytes set aside",
            *partition,
            report.cut_size,
            report.set_aside_size,
        )
    elif report.segments_scanned:
        logger.info(
            "%s-%d: checked %d bytes of %d segments; all is well",
            *partition,
            report.scanned_size,
            report.segments_scanned,
        )
