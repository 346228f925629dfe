"""What can be read off a group, and its way through the log."""

from dataclasses import replace

from groups.scenario import SESSION_MS, Scenario, protocols, subscription
from meghna.groups.decision import GroupRecord, MemberRecord
from meghna.groups.group import Group
from meghna.groups.member import GroupProtocol, Member
from meghna.groups.refusal import Refusal
from meghna.groups.state import State


def member(member_id: str, *names: str, instance_id: str | None = None) -> Member:
    return Member(
        member_id=member_id,
        instance_id=instance_id,
        client_id="client",
        client_host="/127.0.0.1",
        session_timeout_ms=SESSION_MS,
        rebalance_timeout_ms=60_000,
        protocol_type="consumer",
        protocols=protocols(*names),
    )


def group_of(*members: Member) -> Group:
    return Group(
        group_id="g",
        state=State.PREPARING_REBALANCE,
        protocol_type="consumer",
        leader=members[0].member_id,
        members={each.member_id: each for each in members},
    )


def test_members_vote_for_their_first_protocol_that_all_support() -> None:
    group = group_of(member("a", "x", "y", "z"), member("b", "z", "y"), member("c", "z", "y", "x"))
    assert group.selected_protocol() == "z"
    assert group_of(member("a", "x", "y"), member("b", "y", "q")).selected_protocol() == "y"


def test_a_member_fits_if_one_protocol_is_everybodys() -> None:
    group = group_of(member("a", "x", "y"), member("b", "y"))
    assert group.supports("consumer", protocols("y", "q"))
    assert not group.supports("consumer", protocols("x"))
    assert not group.supports("connect", protocols("y"))
    assert not group.supports("consumer", ())


def test_an_empty_group_takes_any_member_that_says_what_it_is() -> None:
    group = Group(group_id="g")
    assert group.supports("consumer", protocols("x"))
    assert not group.supports("", protocols("x"))
    assert not group.supports("consumer", ())


def test_a_restored_group_is_the_group_that_was_running() -> None:
    scenario = Scenario()
    scenario.stable_group(3)
    scenario.join(instance_id="i", new_member_id="static")
    for member_id in scenario.group.members:
        if member_id != "static":
            scenario.join(member_id)
    leader = scenario.group.leader
    for member_id in scenario.group.members:
        scenario.sync(member_id, {"static": b"s", "member-1": b"1"} if member_id == leader else {})
    scenario.settle()
    running = scenario.group
    assert running.state is State.STABLE
    restored = Group.restored(scenario.log[-1])
    assert restored == replace(
        running,
        state_since_ms=restored.state_since_ms,
        # Only the protocol in use is stored.
        members={
            key: replace(each, protocols=protocols("range"))
            for key, each in running.members.items()
        },
    )
    assert restored.members["static"].assignment == b"s"


def test_a_restored_empty_group_keeps_its_generation() -> None:
    scenario = Scenario()
    scenario.leave(*scenario.stable_group(2))
    scenario.settle()
    restored = Group.restored(scenario.log[-1])
    assert restored == scenario.group
    assert (restored.state, restored.generation, restored.members) == (State.EMPTY, 2, {})


def test_a_record_from_before_rebalance_timeouts_takes_the_session_timeout() -> None:
    old = MemberRecord(
        member_id="m",
        instance_id=None,
        client_id="",
        client_host="",
        rebalance_timeout_ms=-1,
        session_timeout_ms=7_000,
        subscription=b"",
        assignment=b"",
    )
    record = GroupRecord(
        group_id="g",
        protocol_type="consumer",
        generation=3,
        protocol="range",
        leader="somebody else",
        state_since_ms=-1,
        members=(old,),
    )
    group = Group.restored(record)
    assert group.rebalance_timeout_ms == 7_000
    # A leader that is not a member cannot lead.
    assert group.leader == "m"


def test_identity_is_checked_by_instance_first() -> None:
    group = replace(
        group_of(member("a", "x"), member("s", "x", instance_id="i")), static_members={"i": "s"}
    )
    assert group.refusal_of("a", None) is None
    assert group.refusal_of("s", "i") is None
    assert group.refusal_of("s", None) is None
    assert group.refusal_of("b", None) is Refusal.UNKNOWN_MEMBER_ID
    assert group.refusal_of("a", "other") is Refusal.UNKNOWN_MEMBER_ID
    assert group.refusal_of("a", "i") is Refusal.FENCED_INSTANCE_ID


def test_subscriptions_are_known_of_consumers_that_can_be_read() -> None:
    scenario = Scenario()
    scenario.stable_group(2)
    assert scenario.group.topics == frozenset({"t"})
    assert scenario.group.is_subscribed_to("t")
    assert not scenario.group.is_subscribed_to("u")
    unreadable = replace(scenario.group, topics=None)
    assert unreadable.is_subscribed_to("u")
    assert not replace(unreadable, protocol_type="connect").is_subscribed_to("u")


def test_metadata_is_that_of_the_protocol() -> None:
    two = replace(
        member("a"), protocols=(GroupProtocol("x", b"1"), GroupProtocol("y", subscription("t")))
    )
    assert (two.metadata("x"), two.metadata("y")) == (b"1", subscription("t"))
