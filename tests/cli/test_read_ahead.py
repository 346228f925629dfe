from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meghna.cli.read_ahead import ReadAhead

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_everything_comes_in_order() -> None:
    with ReadAhead(iter(range(100))) as items:
        assert list(items) == list(range(100))


def test_what_is_raised_comes_after_what_was_made() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise KeyError("two")

    with ReadAhead(items()) as ahead:
        taken = iter(ahead)
        assert next(taken) == 1
        with pytest.raises(KeyError, match="two"):
            next(taken)


def test_no_more_than_a_few_are_made_for_nobody() -> None:
    made = []

    def items() -> Iterator[int]:
        for item in range(1_000_000):
            made.append(item)
            yield item

    with ReadAhead(items()) as ahead:
        assert next(iter(ahead)) == 0
    assert len(made) < 10
