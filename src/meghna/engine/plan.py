"""How a topic's rows become batches: what its settings and the library's limits decide."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from meghna import codecs
from meghna.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from meghna.config import TopicConfig
    from meghna.metadata.image import Topic

# Bytes of a batch before compression. Large enough that its 61 bytes of header do not count and
# codecs find what repeats, small enough to stay in a core's cache between building and writing.
BATCH_SIZE_MAX: Final = 256 * 1024
# Bytes of a record. A batch opens to no more than 64 MiB anywhere in Meghna (codecs.py).
RECORD_SIZE_MAX: Final = 64 * 1024 * 1024 - 1024

_CODECS: Final = {"none": 0, "uncompressed": 0, "producer": 0, "gzip": 1, "snappy": 2, "lz4": 3,
                  "zstd": 4}  # fmt: skip
_LEVEL_KEYS: Final = {
    1: "compression.gzip.level",
    3: "compression.lz4.level",
    4: "compression.zstd.level",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings of a topic as an append needs them; a change makes a new one."""

    codec: int
    compress: Callable[[bytes], bytes] | None
    batch_size_max: int
    record_size_max: int
    leader_epochs: tuple[int, ...]
    """By partition."""
    requires_keys: bool
    age_max_ms: int
    """How old a record may be by its own time before retention deletes it; -1: any age."""


def codec_of(name: str) -> int:
    """Kafka's number of a codec.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in _CODECS:
        names = "none, gzip, snappy, lz4, zstd"
        raise ConfigError(f"there is no compression {name!r}; choose one of {names}")
    return _CODECS[name]


def plan_of(topic: Topic, config: TopicConfig, settings: Mapping[str, str]) -> Plan:
    """What `config`, and of its levels `settings`, mean for appending to `topic`."""
    codec = codec_of(config.compression_type)
    compress = None
    if codec:
        level = settings.get(_LEVEL_KEYS.get(codec, ""))
        compress = partial(codecs.compress, codec, level=None if level is None else int(level))
    return Plan(
        codec=codec,
        compress=compress,
        batch_size_max=BATCH_SIZE_MAX,
        record_size_max=RECORD_SIZE_MAX,
        leader_epochs=tuple(partition.leader_epoch for partition in topic.partitions),
        requires_keys=config.is_compacted,
        age_max_ms=config.retention_ms if config.is_deleted and not config.append_time else -1,
    )
