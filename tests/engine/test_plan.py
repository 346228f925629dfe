"""How rows become batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import meghna

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path) -> Iterator[meghna.Log]:
    with meghna.open(tmp_path) as opened:
        yield opened


@pytest.fixture
def topic(log: meghna.Log) -> meghna.Topic:
    return log.topic("t", create=True)


def values(topic: meghna.Topic, *args: object, **kwargs: object) -> list[bytes | None]:
    return [record.value for record in topic.read(*args, **kwargs)]  # type: ignore[arg-type]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_reads_back(log: meghna.Log, codec: str) -> None:
    topic = log.topic(codec, create=True, compression=codec)
    topic.append_many([b"%d" % i * 50 for i in range(2000)])
    assert values(topic) == [b"%d" % i * 50 for i in range(2000)]
    assert [record.offset for record in topic.read(1990)] == list(range(1990, 2000))
