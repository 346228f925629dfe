"""SyncGroup and Heartbeat, rule by rule."""

from groups.scenario import REBALANCE_MS, SESSION_MS, SETTINGS, Scenario
from meghna.groups.decision import Alive, Refused
from meghna.groups.leaving import bury
from meghna.groups.refusal import Refusal
from meghna.groups.state import State

DELAY_MS = SETTINGS.initial_rebalance_delay_ms


def completing_group(count: int) -> tuple[Scenario, list[str]]:
    """A group whose members joined and have no assignment yet, the leader first."""
    scenario = Scenario()
    members = [scenario.known_member() for _ in range(count)]
    for member in members:
        scenario.join(member)
    scenario.wait(2 * DELAY_MS)
    assert scenario.state() is State.COMPLETING_REBALANCE
    members.sort(key=lambda member: member != scenario.group.leader)
    return scenario, members


def test_nobody_is_answered_before_the_assignments_are_durable() -> None:
    scenario, (leader, other) = completing_group(2)
    waiters = [scenario.sync(other), scenario.sync(leader, {other: b"o", leader: b"l"})]
    assert all(map(scenario.waits, waiters))
    assert scenario.state() is State.COMPLETING_REBALANCE
    scenario.settle()
    assert [scenario.synced(waiter).assignment for waiter in waiters] == [b"o", b"l"]
    assert scenario.state() is State.STABLE


def test_who_comes_after_the_assignments_gets_its_own_at_once() -> None:
    scenario, (leader, other) = completing_group(2)
    scenario.sync(leader, {other: b"o", "a stranger": b"x"})
    scenario.settle()
    answer = scenario.synced(scenario.sync(other))
    assert (answer.assignment, answer.protocol, answer.protocol_type) == (b"o", "range", "consumer")
    assert scenario.group.members[leader].assignment == b""


def test_assignments_that_arrive_after_the_next_rebalance_began_are_void() -> None:
    scenario, (leader, other) = completing_group(2)
    syncing = scenario.sync(leader, {other: b"o"})
    scenario.join(other, names=("range", "changed"))
    assert scenario.refusal(syncing) is Refusal.REBALANCE_IN_PROGRESS
    scenario.settle()
    assert scenario.state() is State.PREPARING_REBALANCE
    assert all(not member.assignment for member in scenario.group.members.values())


def test_assignments_that_cannot_be_stored_end_the_generation() -> None:
    scenario, (leader, other) = completing_group(2)
    waiters = [scenario.sync(other), scenario.sync(leader, {other: b"o"})]
    scenario.fail()
    for waiter in waiters:
        assert scenario.refusal(waiter) is Refusal.COORDINATOR_NOT_AVAILABLE
    assert scenario.state() is State.PREPARING_REBALANCE


def test_a_sync_is_refused_for_what_is_wrong_with_it() -> None:
    scenario, (leader, other) = completing_group(2)
    assert scenario.refusal(scenario.sync("stranger")) is Refusal.UNKNOWN_MEMBER_ID
    assert scenario.refusal(scenario.sync(other, generation=0)) is Refusal.ILLEGAL_GENERATION
    wrong = scenario.sync(other, protocol="other", protocol_type="consumer")
    assert scenario.refusal(wrong) is Refusal.INCONSISTENT_GROUP_PROTOCOL
    wrong = scenario.sync(other, protocol="range", protocol_type="connect")
    assert scenario.refusal(wrong) is Refusal.INCONSISTENT_GROUP_PROTOCOL
    scenario.join(leader, names=("range", "x"))
    assert scenario.refusal(scenario.sync(other)) is Refusal.REBALANCE_IN_PROGRESS


def test_an_empty_or_dead_group_has_nothing_to_sync() -> None:
    scenario = Scenario()
    assert scenario.refusal(scenario.sync("m")) is Refusal.UNKNOWN_MEMBER_ID
    scenario.do(bury(scenario.group, Refusal.NOT_COORDINATOR, **scenario.at()))
    assert scenario.refusal(scenario.sync("m")) is Refusal.COORDINATOR_NOT_AVAILABLE
    assert scenario.heartbeat("m") == Refused(Refusal.COORDINATOR_NOT_AVAILABLE)


def test_who_does_not_sync_in_time_is_out() -> None:
    scenario, (leader, other) = completing_group(2)
    scenario.sync(leader, {leader: b"l"})
    scenario.settle()
    for _ in range(REBALANCE_MS // 5_000):
        scenario.heartbeat(leader)
        scenario.heartbeat(other)
        scenario.wait(5_000)
    assert list(scenario.group.members) == [leader]
    assert scenario.state() is State.PREPARING_REBALANCE


def test_a_second_sync_of_a_member_ends_the_first() -> None:
    scenario, (_, other) = completing_group(2)
    first, second = scenario.sync(other), scenario.sync(other)
    assert scenario.refusal(first) is Refusal.REBALANCE_IN_PROGRESS
    assert scenario.waits(second)


def test_a_heartbeat_keeps_a_member_and_tells_of_a_rebalance() -> None:
    scenario = Scenario()
    leader, other = scenario.stable_group(2)
    for _ in range(10):
        scenario.wait(SESSION_MS - 1)
        assert scenario.heartbeat(leader) == scenario.heartbeat(other) == Alive()
    scenario.join(leader)
    assert scenario.heartbeat(other) == Refused(Refusal.REBALANCE_IN_PROGRESS)


def test_a_heartbeat_is_good_while_assignments_are_awaited() -> None:
    scenario, (leader, _) = completing_group(2)
    assert scenario.heartbeat(leader) == Alive()


def test_a_heartbeat_is_refused_for_what_is_wrong_with_it() -> None:
    scenario = Scenario()
    (leader,) = scenario.stable_group(1)
    assert scenario.heartbeat(leader, generation=2) == Refused(Refusal.ILLEGAL_GENERATION)
    assert scenario.heartbeat("stranger") == Refused(Refusal.UNKNOWN_MEMBER_ID)
    answer = scenario.heartbeat(leader, instance_id="i")
    assert answer == Refused(Refusal.UNKNOWN_MEMBER_ID)


def test_a_session_is_not_counted_while_the_member_waits_for_us() -> None:
    scenario, (leader, other) = completing_group(2)
    waiter = scenario.sync(other)
    for _ in range(4):
        scenario.heartbeat(leader)
        scenario.wait(SESSION_MS - 1)
    scenario.sync(leader, {other: b"o"})
    scenario.settle()
    assert scenario.synced(waiter).assignment == b"o"
    scenario.wait(SESSION_MS)
    assert other not in scenario.group.members, "its session began again with the answer"
