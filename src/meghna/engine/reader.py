"""A data directory looked at beside its writer: nothing is locked, written or decided.

The metadata log says which topics there are; where there is none yet (the directory was Kafka's),
the partition directories do.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from meghna._native.log import Log as NativeLog
from meghna.config import topic_config
from meghna.errors import BusyError, NotFoundError, StorageError
from meghna.metadata.engine import LocalEngine
from meghna.metadata.image import TOPIC_RESOURCE, Image
from meghna.storage import checkpoint
from meghna.storage.directory import METADATA_PARTITION, DataDirectory
from meghna.storage.places import Places
from meghna.storage.start import found_topics
from meghna.storage.store import log_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from meghna.clock import Clock
    from meghna.config import TopicConfig
    from meghna.storage.checkpoint import TopicPartition

logger = logging.getLogger(__name__)


class Reader:
    """A data directory opened read-only, as it was at the last `refresh`."""

    __slots__ = (
        "_clock",
        "_directory",
        "_gone",
        "_metadata",
        "_seen",
        "_start_offsets",
        "_starts_version",
        "failed",
        "logs",
    )

    def __init__(self, path: str, *, clock: Clock) -> None:
        """Look at `path`.

        Raises:
            DirectoryError: it holds something else.
            StorageError: the metadata cannot be read.
        """
        self._directory = DataDirectory.look(path)
        self._clock = clock
        self.logs: dict[TopicPartition, NativeLog] = {}
        self._gone: list[NativeLog] = []  # of deleted topics; somebody may still read them
        self.failed: dict[TopicPartition, str] = {}
        """Partitions whose log could not be opened, and why."""
        self._metadata: LocalEngine | None = None
        self._seen = Image()
        self._start_offsets: Mapping[TopicPartition, int] = {}
        self._starts_version: tuple[int, int, int] | None = None
        self.refresh()

    @property
    def path(self) -> str:
        return self._directory.path

    @property
    def image(self) -> Image:
        return self._seen

    def settings(self, topic: str) -> Mapping[str, str]:
        """What was set for a topic."""
        return self.image.config(TOPIC_RESOURCE, topic)

    def config(self, topic: str) -> TopicConfig:
        """A topic's settings after all defaults."""
        node_id = self._directory.identity.node_id
        return topic_config(self.settings(topic), self.image.broker_settings(node_id))

    def refresh(self) -> None:
        """See what the writer did since: topics made and removed, records appended and deleted.

        Raises:
            StorageError: the disk cannot be read.
        """
        self._seen = self._image_now()
        wanted = {
            (topic.name, partition.index)
            for topic in self._seen.topics.values()
            for partition in topic.partitions
        }
        for key in self.logs.keys() - wanted:
            self._gone.append(self.logs.pop(key))
        starts = self._starts()
        for key in sorted(wanted):
            try:
                if key in self.logs:
                    self.logs[key].refresh(start_offset=starts.get(key, 0))
                    continue
            except NotFoundError:  # deleted, and perhaps made anew
                self._gone.append(self.logs.pop(key))
            except BusyError as error:  # the others go on; what it had is still there
                logger.warning("%s-%d: %s", *key, error)
                continue
            self._open(key, starts.get(key, 0))

    def _open(self, key: TopicPartition, start_offset: int) -> None:
        try:
            self.logs[key] = NativeLog.open(
                self._directory.partition_path(*key),
                log_config(self.config(key[0]), producer_expiry_ms=-1),
                read_only=True,
                clean=self._directory.was_clean,
                start_offset=start_offset,
                now_ms=self._clock.now_ms(),
            )
            self.failed.pop(key, None)
        except NotFoundError:
            self.failed[key] = "its directory is not there (yet)"
        except (StorageError, BusyError) as error:
            self.failed[key] = str(error)

    def _starts(self) -> Mapping[TopicPartition, int]:
        """Where records were deleted up to; read again only where the file was replaced."""
        path = os.path.join(self.path, checkpoint.START_OFFSETS)
        try:
            seen = os.stat(path)
        except FileNotFoundError:
            return {}
        version = (seen.st_ino, seen.st_mtime_ns, seen.st_size)
        if version != self._starts_version:
            try:
                self._start_offsets = checkpoint.read(path)
                self._starts_version = version
            except checkpoint.MalformedCheckpointError as error:
                logger.warning("%s is malformed and ignored: %s", path, error)
        return self._start_offsets

    def _image_now(self) -> Image:
        if self._metadata is None:
            path = os.path.join(self.path, METADATA_PARTITION)
            try:
                self._metadata = LocalEngine.open(
                    path, clean=False, clock=self._clock, read_only=True
                )
            except NotFoundError:
                return Image().apply(found_topics(Places([self._directory])))
        return self._metadata.refresh()

    def close(self) -> None:
        """Close every log. Writes nothing."""
        for log in (*self.logs.values(), *self._gone):
            log.close()
        self.logs.clear()
        self._gone.clear()
        if self._metadata is not None:
            self._metadata.close()
            self._metadata = None

    def forget(self) -> None:
        """Let go of the logs: in the child of a fork."""
        for log in (*self.logs.values(), *self._gone):
            log.forget()
        if self._metadata is not None:
            self._metadata.forget()
