"""An open data directory: the way in, and what holds for all topics in it.

The directory is the one that `meghna serve` serves; one process at a time has it for writing.

Threads: any number may use a log and its topics; none is started here. Processes: in a child made
by fork every log of the parent is closed, and its lock stays the parent's. What a child wants to
read it opens again, read-only.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import warnings
import weakref
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, Self

from meghna.clock import SystemClock
from meghna.engine.appended import Flush
from meghna.engine.moments import duration_ms, size_bytes
from meghna.engine.partition import Partition
from meghna.engine.plan import codec_of, plan_of
from meghna.engine.topic import Topic
from meghna.errors import (
    ClosedError,
    ConfigError,
    Error,
    NotFoundError,
    StorageError,
    UnsupportedError,
)
from meghna.metadata.topic_names import collides_with, name_fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from meghna.clock import Clock
    from meghna.engine.moments import Duration
    from meghna.engine.reader import Reader
    from meghna.engine.writer import Writer

_RETENTION_INTERVAL_MS: Final = 300_000  # Kafka's log.retention.check.interval.ms
PARTITIONS_MAX: Final = 10_000
"""Of a topic; each has a directory, an open file and a lock."""
_INTERNAL: Final = "__"
"""Names begin so that are Kafka's: of groups, transactions, the metadata."""
_FOREVER: Final = {"retention.ms": "-1"}  # A library keeps what it was given until told otherwise.

logger = logging.getLogger(__name__)

_open_logs: weakref.WeakSet[Log] = weakref.WeakSet()


def open_log(
    path: str | os.PathLike[str],
    *,
    read_only: bool = False,
    create: bool = True,
    clock: Clock | None = None,
) -> Log:
    """Open the data directory `path`, made if it is not there and `create`.

    Use what it returns as a context manager, or `close` it. One process at a time writes; after a
    crash the logs are checked first. `read_only` opens beside a writer (`meghna serve`, or a
    program like this one), touches nothing, and sees what the writer appended meanwhile at each
    scan, read, tail or `refresh`.

    Raises:
        DirectoryLockedError: another process has it for writing; says which.
        DirectoryError: the directory holds something else.
        NotFoundError: it is not there, and is not to be made.
        StorageError, OSError: the disk's.
    """
    path = os.fspath(path)
    clock = SystemClock() if clock is None else clock
    if (read_only or not create) and not os.path.isdir(path):
        raise NotFoundError(f"{path} is no directory; there is nothing to open")
    if read_only:
        from meghna.engine.reader import Reader  # noqa: PLC0415 - one of the two is needed

        return Log(Reader(path, clock=clock), clock=clock, read_only=True)
    from meghna.engine.writer import Writer  # noqa: PLC0415

    return Log(Writer(path, clock=clock), clock=clock, read_only=False)


class Log:
    """A data directory with its topics, made by `meghna.open`."""

    __slots__ = (
        "__weakref__",
        "_clock",
        "_holder",
        "_partitions",
        "_retention_at_ms",
        "_turn",
        "_why_closed",
        "path",
        "read_only",
    )

    def __init__(self, holder: Writer | Reader, *, clock: Clock, read_only: bool) -> None:
        self._holder: Writer | Reader | None = holder
        self._clock = clock
        self._turn = threading.RLock()
        self._partitions: dict[tuple[str, int], Partition] = {}
        self._retention_at_ms = -_RETENTION_INTERVAL_MS  # never yet
        self._why_closed = "the log is closed"
        self.path = holder.path
        self.read_only = read_only
        _open_logs.add(self)

    def __repr__(self) -> str:
        state = "closed" if self.closed else "read-only" if self.read_only else "open"
        return f"<meghna.Log {self.path!r}, {state}>"

    def __del__(self) -> None:
        # At the very end of a program nothing can be written any more: _close_all came before.
        if self._holder is not None and not sys.is_finalizing():
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            self.close()  # or the directory would stay locked until the process ends

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        return self._holder is None

    def now_ms(self) -> int:
        """The time that records are stamped with."""
        return self._clock.now_ms()

    def monotonic_ms(self) -> int:
        """Milliseconds that never step back, for deadlines."""
        return self._clock.monotonic_ms()

    def _live(self) -> Writer | Reader:
        if self._holder is None:
            raise ClosedError(f"{self.path}: {self._why_closed}")
        return self._holder

    def check_writable(self) -> None:
        """Raise where nothing can be appended.

        Raises:
            ClosedError, UnsupportedError: closed, or opened read-only.
        """
        if self.read_only:
            raise UnsupportedError(f"{self.path} was opened read-only")
        if self._holder is None:
            self._live()

    def _writer(self) -> Writer:
        self.check_writable()
        holder: Writer = self._live()  # type: ignore[assignment]
        return holder

    # ---- Topics ----

    def topics(self) -> list[str]:
        """The names of all topics but Kafka's internal ones, sorted."""
        self.refresh()
        return sorted(name for name in self._live().image.topics if not name.startswith(_INTERNAL))

    def __iter__(self) -> Iterator[str]:
        return iter(self.topics())

    def __len__(self) -> int:
        return len(self.topics())

    def __bool__(self) -> bool:
        return True

    def __contains__(self, name: object) -> bool:
        self.refresh()
        return name in self._live().image.topics

    def __getitem__(self, name: str) -> Topic:
        return self.topic(name)

    def topic(
        self,
        name: str,
        *,
        create: bool = False,
        partitions: int | None = None,
        retention: Duration | None = None,
        retention_size: int | str | None = None,
        compression: str | None = None,
        flush: Flush | str = Flush.NONE,
        settings: Mapping[str, str | int] | None = None,
    ) -> Topic:
        """The topic `name`; made first if it is not there and `create`.

        What follows is for a topic that is made, and checked where it is there already (see
        `configure` to change it): `partitions` (1), `retention` and `retention_size` a partition
        ("7d", "10GB"; without them everything is kept), `compression` (none, gzip, snappy, lz4,
        zstd), and other `settings` by Kafka's names. `flush` is what appends through this object
        promise by default, see `Flush`.

        Raises:
            NotFoundError: no such topic, and `create` is false.
            ConfigError: a bad name or setting, or the topic is there and has others.
        """
        if not isinstance(name, str):
            raise TypeError(f"a topic's name is text, not {name!r}")
        with self._turn:
            self.refresh()
            holder = self._live()
            wanted = _settings(retention, retention_size, compression, settings)
            try:
                mode = Flush(flush)
            except ValueError:
                raise ConfigError(f"flush is 'none', 'group' or 'each', not {flush!r}") from None
            if name not in holder.image.topics:
                if not create:
                    how = "" if self.read_only else " (create=True makes one)"
                    self._check_is_there(name, how=how)
                self._create(name, 1 if partitions is None else partitions, wanted)
            else:
                self._check_same(name, partitions, wanted)
            return self._topic(name, mode)

    def _check_is_there(self, name: str, *, how: str = "") -> None:
        topics = self._live().image.topics
        if name not in topics:
            near = get_close_matches(name, topics, 1)
            hint = f"; is it {near[0]!r}?" if near else ""
            raise NotFoundError(f"{self.path} has no topic {name!r}{hint}{how}")

    def _create(self, name: str, partitions: int, settings: Mapping[str, str]) -> None:
        writer = self._writer()
        fault = name_fault(name)
        if fault is not None:
            raise ConfigError(fault)
        if name.startswith(_INTERNAL):
            raise ConfigError(f"topic {name!r} would be an internal one, which the broker makes")
        other = collides_with(name, writer.image.topics)
        if other is not None:
            raise ConfigError(f"topic {name!r} differs from {other!r} in '.' and '_' only")
        if not 1 <= partitions <= PARTITIONS_MAX:
            raise ConfigError(f"a topic has 1 to {PARTITIONS_MAX} partitions, not {partitions}")
        writer.create(name, partitions, {**_FOREVER, **settings})

    def _check_same(self, name: str, partitions: int | None, wanted: Mapping[str, str]) -> None:
        holder = self._live()
        there = len(holder.image.topics[name].partitions)
        if partitions not in (None, there):
            raise ConfigError(f"topic {name!r} has {_counted(there)}, not {partitions}")
        found = holder.settings(name)
        for key, value in wanted.items():
            if found.get(key) != value:
                raise ConfigError(
                    f"topic {name!r} has {key}={found.get(key, 'its default')}, not {value}; "
                    "leave it out, or change it with log.configure"
                )

    def _topic(self, name: str, mode: Flush) -> Topic:
        holder = self._live()
        image = holder.image.topics[name]
        partitions = tuple(self._partition(name, each.index) for each in image.partitions)
        plan = plan_of(image, holder.config(name), holder.settings(name))
        return Topic(self, name, partitions, plan, mode)

    def _partition(self, name: str, index: int) -> Partition:
        key = (name, index)
        log = self._live().logs.get(key)
        if log is None:
            why = self._live().failed.get(key, "its log is not open")
            raise StorageError(f"{name}-{index} is offline: {why}")
        found = self._partitions.get(key)
        if found is None or not found.stands_on(log):
            found = self._partitions[key] = Partition(name, index, log)
        return found

    def configure(
        self,
        name: str,
        *,
        partitions: int | None = None,
        retention: Duration | None = None,
        retention_size: int | str | None = None,
        compression: str | None = None,
        settings: Mapping[str, str | int | None] | None = None,
    ) -> None:
        """Change a topic: more `partitions`, other settings (None in `settings`: the default).

        Topic objects made before keep their compression and number of partitions: ask for the topic
        again.

        Raises:
            NotFoundError, ConfigError: no such topic, a bad setting, fewer partitions.
            StorageError: nothing was changed.
        """
        with self._turn:
            writer = self._writer()
            self._check_is_there(name)
            taken_back = {key: None for key, value in (settings or {}).items() if value is None}
            given = {key: value for key, value in (settings or {}).items() if value is not None}
            changes = _settings(retention, retention_size, compression, given)
            if changes or taken_back:
                writer.configure(name, {**taken_back, **changes})
            count = len(writer.image.topics[name].partitions)
            if partitions is not None and partitions != count:
                if not count < partitions <= PARTITIONS_MAX:
                    raise ConfigError(
                        f"topic {name!r} has {_counted(count)} and can only have more, up to "
                        f"{PARTITIONS_MAX}"
                    )
                writer.add_partitions(name, partitions)

    def delete_topic(self, name: str) -> None:
        """Delete a topic with all its records. Views that were taken from it stay valid.

        Raises:
            NotFoundError: no such topic.
            StorageError: it is still there.
        """
        with self._turn:
            writer = self._writer()
            self._check_is_there(name)
            for each in writer.image.topics[name].partitions:
                partition = self._partitions.pop((name, each.index), None)
                if partition is not None:
                    partition.close(f"topic {name!r} was deleted")
            writer.delete(name)

    # ---- Upkeep ----

    def flush(self) -> None:
        """Make everything durable that was appended before.

        Raises:
            StorageError: a disk failed; the partition takes no more.
        """
        for partition in self._all_partitions():
            partition.flush()

    def _all_partitions(self) -> list[Partition]:
        with self._turn:
            return [self._partition(*key) for key in self._live().logs]

    def refresh(self) -> None:
        """See what the writer appended, deleted and made since; nothing where we are the writer."""
        if not self.read_only:
            return
        with self._turn:
            holder = self._live()
            holder.refresh()
            for key, partition in tuple(self._partitions.items()):
                log = holder.logs.get(key)
                if log is None or not partition.stands_on(log):
                    del self._partitions[key]
                    partition.close(f"topic {key[0]!r} was deleted")

    def apply_retention(self) -> None:
        """Delete what is older or larger than the topics keep, and of topics with
        `cleanup.policy=compact` what has a later record of its key. Appending does it from time to
        time.

        Segments that anything still refers to are gone from the log, and stay readable there.
        """
        with self._turn:
            writer = self._writer()
            keys = list(writer.logs)
            for key in writer.apply_retention(keys):
                self._partition(*key).roll()
            writer.apply_retention(keys)
            writer.compact(lambda key: self._partition(*key).flush())

    def appended(self, partition: Partition, *, now_ms: int) -> None:
        """Called after each append: retention is due when a segment was sealed, when time went by,
        or when the clock was set back. What is behind is flushed, so that a start after a crash
        has little to check."""
        is_due = (
            not self._retention_at_ms <= now_ms < self._retention_at_ms + _RETENTION_INTERVAL_MS
        )
        if (partition.has_new_segments or is_due) and self._turn.acquire(blocking=False):
            try:
                self._retention_at_ms = now_ms
                if partition.has_new_segments and partition.flush_behind():
                    self._writer().write_recovery_points()
                partition.has_new_segments = False
                self.apply_retention()
            finally:
                self._turn.release()

    # ---- End ----

    def close(self) -> None:
        """Flush and close everything; may be called twice. Tables and records stay valid.

        Raises:
            StorageError: not all could be written; the next opening checks what there is.
        """
        with self._turn:
            holder, self._holder = self._holder, None
            if holder is None:
                return
            for partition in self._partitions.values():
                partition.close(self._why_closed)
            self._partitions.clear()
            holder.close()

    def _forget(self) -> None:
        holder, self._holder = self._holder, None
        if holder is not None:
            self._why_closed = "it was opened before the process forked; open it again"
            for partition in self._partitions.values():
                partition.forget(self._why_closed)
            holder.forget()


def _counted(partitions: int) -> str:
    return "1 partition" if partitions == 1 else f"{partitions} partitions"


def _settings(
    retention: Duration | None,
    retention_size: int | str | None,
    compression: str | None,
    settings: Mapping[str, str | int] | None,
) -> dict[str, str]:
    """What a topic was asked to have, by Kafka's names."""
    wanted = {name: str(value) for name, value in (settings or {}).items()}
    if retention is not None:
        wanted["retention.ms"] = str(duration_ms(retention))
    if retention_size is not None:
        wanted["retention.bytes"] = str(size_bytes(retention_size))
    if compression is not None:
        codec_of(compression)
        wanted["compression.type"] = "uncompressed" if compression == "none" else compression
    return wanted


def _close_all() -> None:
    """At the end of a program, while files can still be written: what nobody closed."""
    for log in tuple(_open_logs):
        try:
            log.close()
        except Error as error:
            logger.error("%r could not be closed: %s", log, error)


def _forget_all() -> None:
    for log in tuple(_open_logs):
        log._forget()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_forget_all)
