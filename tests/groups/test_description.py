"""A group as tools show it."""

from groups.scenario import Scenario, subscription
from meghna.groups.description import described
from meghna.groups.state import State


def test_a_stable_group_is_shown_with_its_protocol_and_metadata() -> None:
    scenario = Scenario()
    leader, other = scenario.stable_group(2)
    group = described(scenario.group)
    assert (group.state, group.protocol_type, group.protocol) == (State.STABLE, "consumer", "range")
    assert [member.member_id for member in group.members] == [leader, other]
    assert {member.metadata for member in group.members} == {subscription("t")}
    assert group.members[0].assignment == f"for {leader}".encode()


def test_a_group_that_rebalances_is_shown_without_what_is_about_to_change() -> None:
    scenario = Scenario()
    leader, _ = scenario.stable_group(2)
    scenario.join(leader)
    group = described(scenario.group)
    assert (group.state, group.protocol) == (State.PREPARING_REBALANCE, "")
    assert {member.metadata for member in group.members} == {b""}
    assert group.members[0].assignment == f"for {leader}".encode()


def test_a_group_that_only_commits_has_neither() -> None:
    group = described(Scenario().group)
    assert (group.state, group.protocol_type, group.members) == (State.EMPTY, "", ())
