"""What a consumer subscribed to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groups.scenario import subscription
from meghna.groups.subscription import subscribed_topics


def test_topics_are_read_and_what_follows_is_ignored() -> None:
    assert subscribed_topics(subscription("a", "ü")) == frozenset({"a", "ü"})
    assert subscribed_topics(b"\0\3" + subscription("a")[2:] + b"later fields") == frozenset({"a"})
    assert subscribed_topics(subscription()) == frozenset()


@pytest.mark.parametrize("cut", range(len(subscription("abc", "d")) - 4))
def test_truncation_at_every_byte_is_noticed(cut: int) -> None:
    assert subscribed_topics(subscription("abc", "d")[:cut]) is None


@given(st.binary(max_size=40))
def test_any_bytes_are_answered(metadata: bytes) -> None:
    subscribed_topics(metadata)


def test_a_count_larger_than_the_bytes_is_refused() -> None:
    assert subscribed_topics(b"\0\0\x7f\xff\xff\xff") is None
    assert subscribed_topics(b"\0\0\xff\xff\xff\xff") is None
    assert subscribed_topics(b"\0\0\0\0\0\1\xff\xff") is None
    assert subscribed_topics(b"\0\0\0\0\0\1\0\1\xff") is None
