"""What a topic may be called, and what is too much like another."""

from __future__ import annotations

import pytest

from meghna.metadata.topic_names import collides_with, name_fault


@pytest.mark.parametrize("name", ["a", "...", "A-Z_0.9", "x" * 249, "__consumer_offsets"])
def test_names_that_are_fine(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize("name", ["", ".", "..", "x" * 250, "a b", "a/b", "\u00e9", "a\n", "a\0"])
def test_names_that_are_not(name: str) -> None:
    reason = name_fault(name)
    assert reason is not None
    assert reason.startswith("Topic name is invalid: ")


def test_dots_and_underscores_are_one_to_metrics() -> None:
    others = ["a.b", "c", "a_b_c"]
    assert collides_with("a_b", others) == "a.b"
    assert collides_with("a.b.c", others) == "a_b_c"
    assert collides_with("a.b", others) is None
    assert collides_with("ab", others) is None
