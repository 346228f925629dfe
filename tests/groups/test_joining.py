"""JoinGroup, rule by rule."""

from dataclasses import replace

import pytest

from groups.scenario import REBALANCE_MS, SESSION_MS, SETTINGS, Scenario
from meghna.groups.leaving import bury
from meghna.groups.refusal import Refusal
from meghna.groups.settings import NEW_MEMBER_JOIN_TIMEOUT_MS
from meghna.groups.state import State

DELAY_MS = SETTINGS.initial_rebalance_delay_ms


def test_a_new_client_is_told_its_member_id_first() -> None:
    scenario = Scenario()
    waiter = scenario.join(new_member_id="m")
    assert scenario.refusal(waiter) is Refusal.MEMBER_ID_REQUIRED
    assert scenario.group.pending == {"m"}
    assert scenario.state() is State.EMPTY
    assert scenario.waits(scenario.join("m"))
    assert scenario.group.pending == frozenset()
    assert scenario.state() is State.PREPARING_REBALANCE


def test_an_old_client_joins_in_one_round() -> None:
    scenario = Scenario()
    waiter = scenario.join(must_know_id=False, new_member_id="m")
    scenario.wait(DELAY_MS)
    assert scenario.joined(waiter).member_id == "m"


def test_a_member_id_that_is_not_used_expires_with_its_session() -> None:
    scenario = Scenario()
    scenario.join(new_member_id="m")
    scenario.wait(SESSION_MS)
    assert scenario.group.pending == frozenset()
    assert scenario.refusal(scenario.join("m")) is Refusal.UNKNOWN_MEMBER_ID


def test_a_pending_member_holds_up_a_rebalance_until_it_expires() -> None:
    scenario = Scenario()
    leader, other = scenario.stable_group(2)
    scenario.join(new_member_id="lost", session_timeout_ms=2_000)
    waiters = [scenario.join(leader), scenario.join(other)]
    assert all(map(scenario.waits, waiters))
    scenario.wait(2_000)
    assert [scenario.joined(waiter).generation for waiter in waiters] == [2, 2]


def test_an_empty_group_whose_pending_members_expire_stays_usable() -> None:
    scenario = Scenario()
    scenario.join(new_member_id="m", session_timeout_ms=1_000)
    scenario.wait(1_000)
    assert (scenario.state(), scenario.group.is_in_use) == (State.EMPTY, False)
    assert scenario.stable_group(1)


def test_a_first_rebalance_waits_for_more_members_while_they_come() -> None:
    scenario = Scenario()
    first = scenario.join(scenario.known_member())
    scenario.wait(DELAY_MS - 1)
    second = scenario.join(scenario.known_member())
    scenario.wait(1)
    assert scenario.waits(first)
    scenario.wait(DELAY_MS)
    assert scenario.joined(first).generation == scenario.joined(second).generation == 1


def test_a_first_rebalance_does_not_wait_longer_than_the_rebalance_timeout() -> None:
    scenario = Scenario()
    waiters = []
    for _ in range(9):
        member = scenario.known_member()
        waiters.append(scenario.join(member, rebalance_timeout_ms=2 * DELAY_MS))
        scenario.wait(DELAY_MS - 1)
    # A delay and one extension; the third member and later ones made a rebalance of their own.
    assert scenario.joined(waiters[0]).generation == 1
    assert scenario.group.generation >= 1


def test_the_leader_is_told_of_all_members_and_the_others_are_not() -> None:
    scenario = Scenario()
    members = [scenario.known_member() for _ in range(3)]
    waiters = [scenario.join(member) for member in members]
    scenario.wait(2 * DELAY_MS)
    joined = [scenario.joined(waiter) for waiter in waiters]
    assert {each.leader for each in joined} == {members[0]}
    assert [each.member_id for each in joined] == members
    assert [member.member_id for member in joined[0].members] == members
    assert [each.members for each in joined[1:]] == [(), ()]
    assert {each.protocol for each in joined} == {"range"}


def test_a_rebalance_waits_for_every_member() -> None:
    scenario = Scenario()
    leader, other = scenario.stable_group(2)
    first = scenario.join(leader)
    assert (scenario.state(), scenario.waits(first)) == (State.PREPARING_REBALANCE, True)
    second = scenario.join(other)
    assert scenario.joined(first).generation == scenario.joined(second).generation == 2


def test_members_that_do_not_come_back_in_time_are_out() -> None:
    scenario = Scenario()
    leader, other = scenario.stable_group(2)
    waiter = scenario.join(other, names=("range", "changed"))
    for _ in range(REBALANCE_MS // 5_000):
        scenario.heartbeat(leader)
        scenario.wait(5_000)
    joined = scenario.joined(waiter)
    assert (joined.leader, joined.member_id) == (other, other)
    assert list(scenario.group.members) == [other]


def test_a_member_that_only_asks_again_gets_the_generation_as_it_is() -> None:
    scenario = Scenario()
    leader, other = scenario.stable_group(2)
    joined = scenario.joined(scenario.join(other))
    assert (joined.generation, joined.members, scenario.state()) == (1, (), State.STABLE)
    # The leader may know of changes that its metadata does not show.
    assert scenario.waits(scenario.join(leader))


def test_a_leader_that_missed_its_answer_gets_it_again_with_the_members() -> None:
    scenario = Scenario()
    member = scenario.known_member()
    scenario.join(member)
    scenario.wait(2 * DELAY_MS)
    assert scenario.state() is State.COMPLETING_REBALANCE
    joined = scenario.joined(scenario.join(member))
    assert [each.member_id for each in joined.members] == [member]
    assert scenario.joined(scenario.join(member, names=("other", "range"))).generation == 2


def test_changed_metadata_starts_a_rebalance() -> None:
    scenario = Scenario()
    _, other = scenario.stable_group(2)
    assert scenario.waits(scenario.join(other, names=("range", "sticky")))
    assert scenario.state() is State.PREPARING_REBALANCE


def test_a_member_without_a_common_protocol_is_refused() -> None:
    scenario = Scenario()
    leader, _ = scenario.stable_group(2)
    for options in ({"names": ("other",)}, {"protocol_type": "connect"}, {"names": ()}):
        waiter = scenario.join(**options)
        assert scenario.refusal(waiter) is Refusal.INCONSISTENT_GROUP_PROTOCOL
    waiter = scenario.join(leader, names=("other",))
    assert scenario.refusal(waiter) is Refusal.INCONSISTENT_GROUP_PROTOCOL
    assert scenario.state() is State.STABLE


def test_a_full_group_takes_nobody_new_but_keeps_its_members() -> None:
    scenario = Scenario(replace(SETTINGS, size_max=2))
    leader, other = scenario.stable_group(2)
    assert scenario.refusal(scenario.join()) is Refusal.GROUP_MAX_SIZE_REACHED
    scenario.join(leader)
    assert scenario.joined(scenario.join(other)).generation == 2


def test_a_group_above_its_limit_sheds_who_comes_last() -> None:
    scenario = Scenario()
    members = scenario.stable_group(3)
    scenario.settings = replace(SETTINGS, size_max=2)
    waiters = [scenario.join(member) for member in members]
    assert scenario.refusal(waiters[2]) is Refusal.GROUP_MAX_SIZE_REACHED
    assert set(scenario.group.members) == set(members[:2])


def test_a_new_member_that_waits_too_long_is_given_up() -> None:
    scenario = Scenario()
    leader, *_ = scenario.stable_group(1)
    scenario.join(leader, rebalance_timeout_ms=10 * NEW_MEMBER_JOIN_TIMEOUT_MS)
    scenario.sync(leader, {})
    scenario.settle()
    waiter = scenario.join(scenario.known_member())
    for _ in range(NEW_MEMBER_JOIN_TIMEOUT_MS // 5_000):
        scenario.heartbeat(leader)
        scenario.wait(5_000)
    assert scenario.refusal(waiter) is Refusal.UNKNOWN_MEMBER_ID
    assert list(scenario.group.members) == [leader]


def test_a_second_request_of_a_member_ends_the_first() -> None:
    scenario = Scenario()
    leader, _ = scenario.stable_group(2)
    first, second = scenario.join(leader), scenario.join(leader)
    assert scenario.refusal(first) is Refusal.REBALANCE_IN_PROGRESS
    assert scenario.waits(second)


def test_a_group_that_is_being_deleted_sends_clients_to_look_again() -> None:
    scenario = Scenario()
    scenario.do(bury(scenario.group, Refusal.COORDINATOR_NOT_AVAILABLE, **scenario.at()))
    assert scenario.refusal(scenario.join()) is Refusal.COORDINATOR_NOT_AVAILABLE


# Static members.


def static_group() -> tuple[Scenario, str, str]:
    """A stable group of a dynamic leader and the static member `i`."""
    scenario = Scenario()
    leader = scenario.known_member()
    first = scenario.join(leader)
    scenario.join(instance_id="i", new_member_id="static")
    scenario.wait(3 * DELAY_MS)
    assert scenario.joined(first).leader == leader
    scenario.sync("static", instance_id="i")
    scenario.sync(leader, {leader: b"l", "static": b"s"})
    scenario.settle()
    return scenario, leader, "static"


def test_a_static_member_needs_no_first_round() -> None:
    scenario = Scenario()
    waiter = scenario.join(instance_id="i", new_member_id="i-1")
    scenario.wait(DELAY_MS)
    assert scenario.joined(waiter).member_id == "i-1"
    assert scenario.group.static_members == {"i": "i-1"}


def test_a_static_member_that_was_restarted_keeps_its_assignment_without_a_rebalance() -> None:
    scenario, leader, old = static_group()
    waiter = scenario.join(
        instance_id="i",
        new_member_id="static-2",
        client_id="elsewhere",
        session_timeout_ms=5_000,
        rebalance_timeout_ms=7_000,
    )
    assert scenario.waits(waiter), "its new member id must be stored first"
    scenario.settle()
    joined = scenario.joined(waiter)
    assert (joined.member_id, joined.generation, joined.leader) == ("static-2", 1, leader)
    assert scenario.state() is State.STABLE
    assert scenario.synced(scenario.sync("static-2", instance_id="i")).assignment == b"s"
    member = scenario.group.members["static-2"]
    assert (member.client_id, member.session_timeout_ms) == ("elsewhere", 5_000)
    assert member.rebalance_timeout_ms == 7_000
    assert [each.member_id for each in scenario.log[-1].members] == [leader, "static-2"]
    fenced = scenario.sync(old, instance_id="i")
    assert scenario.refusal(fenced) is Refusal.FENCED_INSTANCE_ID
    assert scenario.refusal(scenario.sync(old)) is Refusal.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("can_skip", [True, False])
def test_a_static_leader_that_was_restarted_does_not_assign_anew(can_skip: bool) -> None:
    scenario = Scenario()
    scenario.join(instance_id="i", new_member_id="old")
    scenario.wait(DELAY_MS)
    scenario.sync("old", {"old": b"all"})
    scenario.settle()
    waiter = scenario.join(instance_id="i", new_member_id="new", can_skip_assignment=can_skip)
    scenario.settle()
    joined = scenario.joined(waiter)
    assert scenario.group.leader == "new"
    if can_skip:
        assert (joined.leader, joined.skip_assignment) == ("new", True)
        assert [member.member_id for member in joined.members] == ["new"]
    else:
        assert (joined.leader, joined.skip_assignment, joined.members) == ("old", False, ())


def test_a_static_member_with_other_protocols_starts_a_rebalance() -> None:
    scenario = Scenario()
    scenario.join(instance_id="i", new_member_id="old", names=("range", "sticky"))
    scenario.wait(DELAY_MS)
    scenario.sync("old", {})
    scenario.settle()
    waiter = scenario.join(instance_id="i", new_member_id="new", names=("sticky", "range"))
    assert scenario.joined(waiter).generation == 2
    assert scenario.joined(waiter).protocol == "sticky"


def test_a_static_member_that_comes_back_before_the_assignments_starts_a_rebalance() -> None:
    scenario = Scenario()
    scenario.join(instance_id="i", new_member_id="old")
    scenario.wait(DELAY_MS)
    syncing = scenario.sync("old", {}, instance_id="i")
    waiter = scenario.join(instance_id="i", new_member_id="new")
    assert scenario.refusal(syncing) is Refusal.FENCED_INSTANCE_ID
    assert scenario.joined(waiter).generation == 2
    scenario.settle()
    assert scenario.state() is State.COMPLETING_REBALANCE, "the old generation's record comes late"


def test_of_two_processes_with_one_instance_id_the_later_stays() -> None:
    scenario = Scenario()
    scenario.stable_group(2)
    first = scenario.join(instance_id="i", new_member_id="one")
    second = scenario.join(instance_id="i", new_member_id="two")
    assert scenario.refusal(first) is Refusal.FENCED_INSTANCE_ID
    assert scenario.waits(second)
    again = scenario.join("one", instance_id="i")
    assert scenario.refusal(again) is Refusal.FENCED_INSTANCE_ID
    assert scenario.group.static_members == {"i": "two"}


def test_a_static_member_that_is_away_stays_until_its_session_ends() -> None:
    scenario, leader, static = static_group()
    scenario.heartbeat(static, instance_id="i")
    waiter = scenario.join(leader)
    scenario.wait(SESSION_MS)
    assert static not in scenario.group.members
    assert scenario.joined(waiter).generation == 2


def test_a_rebalance_that_no_static_member_joins_waits_once_more() -> None:
    scenario = Scenario()
    scenario.join(
        instance_id="i", new_member_id="s", session_timeout_ms=40_000, rebalance_timeout_ms=5_000
    )
    leader = scenario.known_member()
    scenario.join(leader, rebalance_timeout_ms=5_000)
    scenario.wait(3 * DELAY_MS)
    assert scenario.group.leader == "s"
    scenario.sync("s", {})
    scenario.sync(leader)
    scenario.settle()
    scenario.leave(leader)
    scenario.wait(5_000)
    assert (scenario.state(), list(scenario.group.members)) == (State.PREPARING_REBALANCE, ["s"])
    scenario.wait(40_000)
    scenario.settle()
    assert scenario.state() is State.EMPTY


def test_a_pending_member_cannot_become_static() -> None:
    scenario = Scenario()
    member = scenario.known_member()
    waiter = scenario.join(member, instance_id="i")
    assert scenario.refusal(waiter) is Refusal.UNKNOWN_SERVER_ERROR
