"""Which data directory each partition lies in, and what is written beside the partitions there.

Each directory has its own lock, identity, checkpoint files and clean mark. A new partition goes
where the fewest are, as in Kafka. A directory that fails is left alone from then on: its partitions
are offline until the next start, those in other directories go on.

A full disk is no failure: it ends, and what was to be written is written the next time.
"""

from __future__ import annotations

import contextlib
import errno
import logging
from typing import TYPE_CHECKING

from meghna.storage.checkpoint import HIGH_WATERMARKS, RECOVERY_POINTS, CheckpointFiles
from meghna.storage.directory import DirectoryError, id_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from meghna.storage.checkpoint import TopicPartition
    from meghna.storage.directory import DataDirectory

logger = logging.getLogger(__name__)

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Places:
    """The data directories of a store. The first of them has the metadata."""

    __slots__ = ("_files", "_homes", "failed", "on_failure")

    def __init__(self, directories: Iterable[DataDirectory]) -> None:
        """Look at what lies where.

        Raises:
            DirectoryError: a partition lies in two of them.
            OSError: the first one's.
        """
        self._files = {each: CheckpointFiles(each.path) for each in directories}
        self._homes: dict[TopicPartition, DataDirectory] = {}
        self.failed: dict[str, str] = {}
        """Directories that are left alone, and why."""
        self.on_failure: Callable[[list[TopicPartition]], object] | None = None
        """Called with the partitions of a directory that failed, in the thread that met it."""
        for directory in list(self._files):
            self._look(directory)

    def _look(self, directory: DataDirectory) -> None:
        try:
            found = directory.partitions()
        except OSError as error:
            self._fail(directory, error)
            return
        for key in found:
            other = self._homes.setdefault(key, directory)
            if other is not directory:
                raise DirectoryError(
                    f"{key[0]}-{key[1]} lies in {other.path} and in {directory.path}; move the one "
                    "that is not wanted elsewhere"
                )

    # ---- Where things are ----

    @property
    def directories(self) -> list[DataDirectory]:
        """Those that are in use."""
        return [each for each in self._files if each.path not in self.failed]

    @property
    def ids(self) -> set[bytes]:
        """Of those in use."""
        return {id_bytes(each.identity.directory_id) for each in self.directories}

    def on_disk(self) -> dict[TopicPartition, str]:
        """The partition directories that were found, or made since."""
        return {key: home.partition_path(*key) for key, home in self._homes.items()}

    def home(self, partition: TopicPartition) -> DataDirectory:
        """The directory of a partition; the first one for what is in none."""
        return self._homes.get(partition) or next(iter(self._files))

    def path(self, partition: TopicPartition) -> str:
        return self.home(partition).partition_path(*partition)

    def is_offline(self, partition: TopicPartition) -> bool:
        return self.home(partition).path in self.failed

    def choose(self, partition: TopicPartition) -> str:
        """Where a new partition goes: to the directory with the fewest."""
        counts = dict.fromkeys(self.directories, 0)
        for home in self._homes.values():
            if home in counts:
                counts[home] += 1
        self._homes[partition] = min(counts, key=counts.__getitem__)
        return self.path(partition)

    def lose(self, partition: TopicPartition) -> None:
        """A partition's directory is gone."""
        self._homes.pop(partition, None)

    # ---- Checkpoints ----

    def read(self, name: str) -> dict[TopicPartition, int]:
        """What the files of that name say, each of the partitions in its directory."""
        return self._merged({each: self._files[each].read(name) for each in self.directories})

    def known(self, name: str) -> dict[TopicPartition, int]:
        """The same, read once."""
        return self._merged({each: self._files[each].known(name) for each in self.directories})

    def _merged(
        self, said: Mapping[DataDirectory, Mapping[TopicPartition, int]]
    ) -> dict[TopicPartition, int]:
        return {
            key: offset
            for directory, offsets in said.items()
            for key, offset in offsets.items()
            if self.home(key) is directory
        }

    def remembered(self, partition: TopicPartition) -> tuple[str, int] | None:
        """Of a partition that lies nowhere: the path where it lay and the offset that it had
        reached, as far as the checkpoints tell; None where they do not know it."""
        for directory in self.directories:
            files = self._files[directory]
            offset = files.known(RECOVERY_POINTS).get(partition)
            if offset is not None:
                with contextlib.suppress(OSError):
                    offset = max(offset, files.known(HIGH_WATERMARKS).get(partition, 0))
                return directory.partition_path(*partition), offset
        return None

    def write(
        self,
        name: str,
        look: Callable[[], Mapping[TopicPartition, int]],
        *,
        among: Iterable[DataDirectory] | None = None,
    ) -> None:
        """Write what `look` sees, each partition's where it lies; None: in all directories.

        Raises:
            OSError: the last directory's, or a full disk; all others were written.
        """
        full: OSError | None = None
        for directory in self.directories if among is None else among:
            try:
                self._files[directory].write(
                    name,
                    lambda at=directory: self._of(at, look()),  # type: ignore[misc]
                )
            except OSError as error:
                if error.errno in _FULL:
                    full = error
                else:
                    self._fail(directory, error)
        if full is not None:
            raise full

    def _of(
        self, directory: DataDirectory, offsets: Mapping[TopicPartition, int]
    ) -> Mapping[TopicPartition, int]:
        if len(self._files) == 1:
            return offsets
        return {key: offset for key, offset in offsets.items() if self.home(key) is directory}

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        """Let no start believe what the files say of partitions that were there before."""
        gone = list(partitions)
        for directory in self.directories:
            self._files[directory].forget(gone)

    # ---- Failure ----

    def _fail(self, directory: DataDirectory, error: OSError) -> None:
        """Leave a directory alone.

        Raises:
            OSError: `error`, where it is the only one or the one with the metadata.
        """
        if directory is next(iter(self._files)):
            raise error
        self.failed[directory.path] = error.strerror or str(error)
        lost = [key for key, home in self._homes.items() if home is directory]
        logger.error(
            "%s failed and is left alone: %s; its %d partitions are offline",
            directory.path,
            error,
            len(lost),
        )
        if self.on_failure is not None:
            self.on_failure(lost)


def take_all(
    paths: tuple[str, ...],
    take: Callable[[str, str | None], DataDirectory],
    *,
    cluster_id: str | None,
) -> tuple[list[DataDirectory], dict[str, str]]:
    """Take the directories of a set, the one with the metadata first; those that could not be, and
    why. A new one joins the cluster of the others.

    Raises:
        DirectoryError: one of them belongs to something else or is held.
        OSError: the first one's.
    """
    taken: list[DataDirectory] = []
    failed: dict[str, str] = {}
    try:
        for path in paths:
            try:
                found = take(path, taken[0].identity.cluster_id if taken else cluster_id)
            except OSError as error:
                if not taken:
                    raise
                failed[path] = error.strerror or str(error)
                logger.error("%s cannot be used: %s", path, error)
            else:
                taken.append(found)
        _check_set(taken)
    except BaseException:
        for each in taken:
            each.release()
        raise
    return taken, failed


def _check_set(taken: list[DataDirectory]) -> None:
    first = taken[0]
    seen: dict[str, str] = {}
    for each in taken:
        identity = each.identity
        if each is not first and each.has_metadata and not first.has_metadata:
            raise DirectoryError(
                f"the metadata lies in {each.path}, not in {first.path}; name that one first, or "
                "in metadata.log.dir"
            )
        if identity.directory_id in seen:
            raise DirectoryError(
                f"{each.path} and {seen[identity.directory_id]} have the same directory.id; one "
                "is a copy of the other"
            )
        seen[identity.directory_id] = each.path
