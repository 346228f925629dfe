"""Things that clients bring about, told once in a while."""

from __future__ import annotations

from meghna.broker.sparing import Sparing


class Clock:
    now = 0

    def now_ms(self) -> int:
        return self.now

    monotonic_ms = now_ms


def test_each_is_told_once_a_minute() -> None:
    clock = Clock()
    sparing = Sparing(clock)
    assert [sparing.may_tell(what) for what in "aabba"] == [True, False, True, False, False]
    clock.now = 59_999
    assert not sparing.may_tell("a")
    clock.now = 60_000
    assert sparing.may_tell("a")
    assert not sparing.may_tell("a")


def test_what_is_remembered_and_told_is_bounded() -> None:
    clock = Clock()
    sparing = Sparing(clock)
    assert sum(sparing.may_tell(str(number)) for number in range(10_000)) == 100
    clock.now = 60_000
    assert sparing.may_tell("9999")
