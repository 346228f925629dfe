"""The machine's clock."""

from __future__ import annotations

from meghna.clock import SystemClock


def test_the_two_times_are_milliseconds_and_the_monotonic_one_never_steps_back() -> None:
    clock = SystemClock()
    first, second = clock.monotonic_ms(), clock.monotonic_ms()
    assert first <= second
    # After 2020, and not in another unit.
    assert 1_577_836_800_000 < clock.now_ms() < 10**14
