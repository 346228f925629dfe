"""How rows become batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.reads import values

if TYPE_CHECKING:
    import meghna


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_reads_back(log: meghna.Log, codec: str) -> None:
    topic = log.topic(codec, create=True, compression=codec)
    topic.append_many([b"%d" % i * 50 for i in range(2000)])
    assert values(topic) == [b"%d" % i * 50 for i in range(2000)]
    assert [record.offset for record in topic.read(1990)] == list(range(1990, 2000))
