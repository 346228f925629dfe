"""Deadlines by key."""

from hypothesis import given
from hypothesis import strategies as st

from meghna.groups.timers import Timers


def test_a_key_rings_once_at_its_last_deadline() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 10)
    timers.set("a", 30)
    assert timers.due(20) == []
    assert timers.due(30) == ["a"]
    assert timers.due(1_000) == []


def test_a_deadline_can_move_to_earlier() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 30)
    timers.set("a", 10)
    assert timers.next_ms() == 10
    assert timers.due(10) == ["a"]
    assert timers.due(1_000) == []


def test_what_is_cancelled_does_not_ring_and_may_be_set_again() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 10)
    timers.cancel("a")
    assert timers.due(10) == []
    timers.set("a", 20)
    assert (len(timers), timers.due(20)) == (1, ["a"])


Operation = tuple[int, int | None]


@given(st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 20)), max_size=60))
def test_timers_ring_as_a_dictionary_says(operations: list[Operation]) -> None:
    timers: Timers[int] = Timers()
    model: dict[int, int] = {}
    for now_ms, (key, after_ms) in enumerate(operations):
        if after_ms is None:
            timers.cancel(key)
            model.pop(key, None)
        else:
            timers.set(key, now_ms + after_ms)
            model[key] = now_ms + after_ms
        next_ms = timers.next_ms()
        assert not model or (next_ms is not None and next_ms <= min(model.values()))
        due = {key for key, deadline_ms in model.items() if deadline_ms <= now_ms}
        rung = timers.due(now_ms)
        assert (len(rung), set(rung)) == (len(due), due)
        for each in due:
            del model[each]
