"""LeaveGroup and the ends of sessions, rule by rule."""

from dataclasses import replace

from groups.scenario import SESSION_MS, SETTINGS, Scenario
from meghna.groups.decision import Left, LeftMember
from meghna.groups.group import Group
from meghna.groups.leaving import Leaving, bury, resume
from meghna.groups.refusal import Refusal
from meghna.groups.state import State


def left(scenario: Scenario, waiter: int) -> tuple[LeftMember, ...]:
    answer = scenario.answers[waiter]
    assert isinstance(answer, Left), answer
    return answer.members


def test_a_member_that_leaves_starts_a_rebalance_of_the_others() -> None:
    scenario = Scenario()
    leader, other = scenario.stable_group(2)
    waiter = scenario.leave(leader)
    assert left(scenario, waiter) == (LeftMember(leader, None, None),)
    assert (scenario.state(), scenario.group.leader) == (State.PREPARING_REBALANCE, other)
    assert scenario.joined(scenario.join(other)).generation == 2


def test_the_last_to_leave_makes_the_group_empty_once_that_is_stored() -> None:
    scenario = Scenario()
    (leader,) = scenario.stable_group(1)
    waiter = scenario.leave(leader)
    assert (scenario.state(), scenario.waits(waiter)) == (State.EMPTY, True)
    scenario.settle()
    assert left(scenario, waiter) == (LeftMember(leader, None, None),)
    record = scenario.log[-1]
    assert (record.generation, record.protocol, record.leader, record.members) == (
        2,
        None,
        None,
        (),
    )
    assert record.protocol_type == "consumer"


def test_each_of_many_that_leave_has_its_own_result() -> None:
    scenario = Scenario()
    leader, other = scenario.stable_group(2)
    pending = scenario.known_member()
    waiter = scenario.leave(leader, "stranger", pending, Leaving(other, "i"), Leaving("", None))
    assert [member.refusal for member in left(scenario, waiter)] == [
        None,
        Refusal.UNKNOWN_MEMBER_ID,
        None,
        Refusal.UNKNOWN_MEMBER_ID,
        Refusal.UNKNOWN_MEMBER_ID,
    ]
    assert list(scenario.group.members) == [other]
    assert scenario.group.pending == frozenset()


def test_a_static_member_can_be_removed_by_its_instance_id_alone() -> None:
    scenario = Scenario()
    joining = scenario.join(instance_id="i", new_member_id="s")
    waiter = scenario.leave(Leaving("", "i"), Leaving("s", "i"))
    assert [member.refusal for member in left(scenario, waiter)] == [
        None,
        Refusal.UNKNOWN_MEMBER_ID,
    ]
    assert scenario.refusal(joining) is Refusal.UNKNOWN_MEMBER_ID


def test_nobody_who_leaves_changes_nothing() -> None:
    scenario = Scenario()
    scenario.stable_group(1)
    scenario.leave("stranger")
    assert scenario.state() is State.STABLE


def test_a_pending_member_that_leaves_lets_a_rebalance_end() -> None:
    scenario = Scenario()
    (leader,) = scenario.stable_group(1)
    pending = scenario.known_member()
    waiter = scenario.join(leader)
    assert scenario.waits(waiter)
    scenario.leave(pending)
    assert scenario.joined(waiter).generation == 2


def test_who_waits_for_its_assignment_and_is_removed_is_told() -> None:
    scenario = Scenario()
    members = [scenario.known_member() for _ in range(2)]
    for member in members:
        scenario.join(member)
    scenario.wait(3 * SETTINGS.initial_rebalance_delay_ms)
    waiter = scenario.sync(members[1])
    scenario.leave(members[1])
    assert scenario.refusal(waiter) is Refusal.UNKNOWN_MEMBER_ID


def test_a_silent_member_is_removed_after_its_session() -> None:
    scenario = Scenario()
    leader, other = scenario.stable_group(2)
    scenario.wait(SESSION_MS - 1)
    scenario.heartbeat(other)
    scenario.wait(1)
    assert list(scenario.group.members) == [other]
    assert scenario.state() is State.PREPARING_REBALANCE
    assert leader not in scenario.group.members


def test_a_group_whose_last_member_is_silent_becomes_empty() -> None:
    scenario = Scenario()
    scenario.stable_group(1)
    scenario.wait(SESSION_MS)
    scenario.settle()
    assert (scenario.state(), scenario.group.generation) == (State.EMPTY, 2)


def test_members_of_a_resumed_group_have_one_session_to_show_up() -> None:
    scenario = Scenario()
    leader, other = scenario.stable_group(2)
    again = Scenario(group=Group.restored(scenario.log[-1]))
    again.do(resume(again.group, **again.at()))
    again.wait(SESSION_MS - 1)
    again.heartbeat(leader)
    assert again.state() is State.STABLE
    again.wait(1)
    assert other not in again.group.members


def test_a_resumed_group_above_the_limit_rebalances() -> None:
    scenario = Scenario()
    scenario.stable_group(3)
    again = Scenario(replace(SETTINGS, size_max=2), Group.restored(scenario.log[-1]))
    again.do(resume(again.group, **again.at()))
    assert again.state() is State.PREPARING_REBALANCE


def test_nobody_waits_in_a_dead_group() -> None:
    scenario = Scenario()
    leader, other = scenario.stable_group(2)
    waiter = scenario.join(leader)
    scenario.do(bury(scenario.group, Refusal.NOT_COORDINATOR, **scenario.at()))
    assert scenario.refusal(waiter) is Refusal.NOT_COORDINATOR
    assert scenario.refusal(scenario.leave(other)) is Refusal.COORDINATOR_NOT_AVAILABLE
    assert scenario.refusal(scenario.join(leader)) is Refusal.COORDINATOR_NOT_AVAILABLE
