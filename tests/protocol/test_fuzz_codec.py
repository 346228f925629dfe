"""A short run of the codec's fuzzer, and a canary that shows it would report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from meghna.protocol import plans
from protocol import fuzz_codec

if TYPE_CHECKING:
    from meghna.protocol.codec import Plan


@pytest.mark.parametrize("seed", [1, 2])
def test_mutated_messages_raise_nothing_but_protocol_errors(seed: int) -> None:
    accepted = fuzz_codec.fuzz(seed, 10_000)
    assert 0 < accepted < 9_000


def test_the_fuzzer_reports_another_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def __init__(self, made: Plan) -> None:
            self.encode = made.encode

        def decode(self, *_: object) -> None:
            raise IndexError

    monkeypatch.setattr(fuzz_codec, "plan", lambda *wanted: Failing(plans.plan(*wanted)))
    with pytest.raises(IndexError):
        fuzz_codec.fuzz(1, 100)
