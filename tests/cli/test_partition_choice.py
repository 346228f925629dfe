from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as peer

from meghna.cli.partition_choice import partition_of


@given(st.binary(max_size=40), st.integers(1, 1000))
def test_a_key_goes_where_kafkas_clients_put_it(key: bytes, count: int) -> None:
    assert partition_of(key, count) == (peer(key) & 0x7FFFFFFF) % count
