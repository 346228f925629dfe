"""The table of states."""

from meghna.groups.state import COMES_FROM, State, can_rebalance


def test_every_state_can_be_reached_and_left() -> None:
    assert set(COMES_FROM) == set(State)
    assert all(COMES_FROM.values())
    for state in State:
        assert any(state in origins for origins in COMES_FROM.values())


def test_nothing_comes_back_from_the_dead() -> None:
    assert all(
        State.DEAD not in origins for s, origins in COMES_FROM.items() if s is not State.DEAD
    )


def test_a_change_starts_a_rebalance_unless_one_is_under_way() -> None:
    rebalancing = {state for state in State if can_rebalance(state)}
    assert rebalancing == {State.EMPTY, State.COMPLETING_REBALANCE, State.STABLE}
