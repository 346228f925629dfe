"""A data directory beside its partitions: whose it is, the checkpoints, the topics' ids."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from meghna._native import batch
from meghna.cli import log_paths
from meghna.cli.log_finding import NOTE, Finding, unread
from meghna.cli.log_partition import Known
from meghna.errors import Error
from meghna.metadata import records as metadata
from meghna.storage import checkpoint
from meghna.storage.directory import (
    METADATA_PARTITION,
    DataDirectory,
    DirectoryError,
    id_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meghna.cli.log_partition import Partition

_CLEANED: Final = "cleaner-offset-checkpoint"
_CHECKPOINTS: Final = (
    checkpoint.RECOVERY_POINTS,
    checkpoint.START_OFFSETS,
    checkpoint.HIGH_WATERMARKS,
    _CLEANED,
)
_TOPIC_RESOURCE: Final = 2
_CONTROL: Final = 0x20
_HARMLESS: Final = frozenset({"lost+found", "remote-log-index-cache"})


@dataclass(slots=True)
class Root:
    """What the files of a data directory say, and what is wrong with them."""

    path: str
    findings: list[Finding] = field(default_factory=list)
    offsets: dict[str, dict[checkpoint.TopicPartition, int]] = field(default_factory=dict)
    """Checkpoints by the file's name."""
    topic_ids: dict[str, bytes] = field(default_factory=dict)
    compacted: set[str] = field(default_factory=set)
    """Topics that were set to be compacted at some time."""
    was_clean: bool = False

    def known(self, topic: str, index: int) -> Known:
        is_compacted = topic in self.compacted or (topic, index) in self.offsets.get(_CLEANED, {})
        return Known(
            topic_id=self.topic_ids.get(topic),
            is_plain=topic in self.topic_ids and not is_compacted,
            is_clean=self.was_clean,
            start_offset=self._offset(checkpoint.START_OFFSETS, topic, index),
            recovery_point=self._offset(checkpoint.RECOVERY_POINTS, topic, index),
        )

    def _offset(self, name: str, topic: str, index: int) -> int:
        return self.offsets.get(name, {}).get((topic, index), 0)


def look(found: log_paths.LogPath) -> Root | None:
    """The data directory that a path is, or lies in."""
    if found.root is None:
        return None
    root = Root(found.root, was_clean=found.was_clean)
    _check_identity(root)
    _read_checkpoints(root)
    _read_topics(root)
    _check_names(root)
    return root


def _check_identity(root: Root) -> None:
    path = os.path.join(root.path, "meta.properties")
    try:
        directory_id = DataDirectory.look(root.path).identity.directory_id
        if directory_id:
            id_bytes(directory_id)
    except OSError as error:
        root.findings.append(unread(path, error))
    except (DirectoryError, ValueError) as error:
        root.findings.append(Finding(path, "identity", str(error), position=0))


def _read_checkpoints(root: Root) -> None:
    for name in _CHECKPOINTS:
        path = os.path.join(root.path, name)
        try:
            root.offsets[name] = checkpoint.read(path)
        except OSError as error:
            root.findings.append(unread(path, error))
        except checkpoint.MalformedCheckpointError as error:
            root.findings.append(Finding(path, "checkpoint", f"malformed: {error}", position=0))


def _check_names(root: Root) -> None:
    for entry in sorted(os.scandir(root.path), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name not in _HARMLESS:
            if not log_paths.is_partition_name(entry.name):
                text = "a directory that is no partition; neither Kafka nor we start here"
                root.findings.append(Finding(entry.path, "name", text))
            elif entry.name.endswith(("-delete", "-stray", "-future")):
                text = f"a partition put aside as {entry.name.rpartition('-')[2]}"
                root.findings.append(Finding(entry.path, "leftover", text, NOTE))
        elif entry.name.endswith((".tmp", ".damaged")):
            root.findings.append(Finding(entry.path, "leftover", "left by a stop", NOTE))


def _read_topics(root: Root) -> None:
    directory = os.path.join(root.path, METADATA_PARTITION)
    try:
        for value in _stored_values(directory):
            _replay(root, value)
    except (OSError, Error) as error:
        if not isinstance(error, FileNotFoundError):
            root.topic_ids.clear()  # the log's own look says what is wrong with it


def _stored_values(directory: str) -> Iterator[bytes]:
    """The values of all metadata records: of the snapshots, then of the segments."""
    names = sorted(os.listdir(directory))
    for suffix in (".checkpoint", ".log"):
        for name in names:
            if not name.endswith(suffix):
                continue
            with open(os.path.join(directory, name), "rb") as file:
                data = file.read()
            for piece in batch.split(data):
                head = batch.header(piece)
                if not head.attributes & (_CONTROL | 0x07):
                    yield from (record.value or b"" for record in batch.records(piece))


def _replay(root: Root, value: bytes) -> None:
    try:
        record = metadata.decode(value)
    except metadata.UnreadableRecordError:
        return  # of a later release
    match record:
        case metadata.TopicAdded(name=name, topic_id=topic_id):
            root.topic_ids[name] = topic_id
        case metadata.TopicRemoved(topic_id=topic_id):
            for name in [n for n, known in root.topic_ids.items() if known == topic_id]:
                del root.topic_ids[name]
        case metadata.ConfigChanged(kind=kind, name=name, value=policy, resource=topic):
            is_policy = kind == _TOPIC_RESOURCE and name == "cleanup.policy"
            if is_policy and "compact" in (policy or ""):
                root.compacted.add(topic)
        case _:
            pass


def check_presence(root: Root, partitions: list[Partition]) -> None:
    """A partition of a topic that there is, with a checkpoint here, has its directory here."""
    here = {(partition.path.topic, partition.path.index) for partition in partitions}
    path = os.path.join(root.path, checkpoint.RECOVERY_POINTS)
    for topic, index in root.offsets.get(checkpoint.RECOVERY_POINTS, {}).keys() - here:
        if topic in root.topic_ids:
            text = f"{topic}-{index} is named, and its directory is missing"
            root.findings.append(Finding(path, "missing", text))


def check_offsets(root: Root, partition: Partition) -> None:
    """Hold the checkpoints' offsets of a partition against what lies there."""
    key = (partition.path.topic, partition.path.index)
    for name, offsets in root.offsets.items():
        # That the end is missing is told once, beside the recovery point.
        is_point = name == checkpoint.RECOVERY_POINTS
        end = partition.end_offset if is_point else partition.kept_end
        offset = offsets.get(key)
        if offset is None or offset <= end:
            continue
        # A watermark may be ahead of what a power cut left; a clean stop leaves none ahead.
        is_fault = name != checkpoint.HIGH_WATERMARKS or root.was_clean
        text = f"{partition.path.name} is at {offset}, and ends at {end}"
        severity = "fault" if is_fault else NOTE
        path = os.path.join(root.path, name)
        root.findings.append(Finding(path, "checkpoint", text, severity, offset=offset))
