"""Many clients that come, go, crash and come back, on a clock of their own: the group settles.

Each run is one seed, printed with a failure. While it runs: nobody is answered twice, one member of
a generation leads it, and what a generation was told stays as it was told. When the clients are
left alone, every live one has an assignment of the last generation and no dead one is a member.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest

from groups.scenario import SETTINGS, Scenario
from meghna.groups.decision import Alive, Joined, Refused, Synced
from meghna.groups.group import Group
from meghna.groups.leaving import Leaving, resume
from meghna.groups.refusal import Refusal
from meghna.groups.state import State

HEARTBEAT_MS = 3_000
SESSION_MS = 10_000
REBALANCE_MS = 20_000
QUIET_MS = 5 * REBALANCE_MS


@dataclass(eq=False)
class Client:
    """A consumer that follows the protocol, driven from outside."""

    instance_id: str | None
    is_alive: bool = True
    member_id: str = ""
    generation: int = -1
    leads: bool = False
    waits_for: int | None = None
    assignment: bytes | None = None
    heartbeat_ms: int = 0

    def forget(self) -> None:
        self.generation, self.waits_for, self.assignment = -1, None, None


class Simulation:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.scenario = Scenario(replace(SETTINGS, initial_rebalance_delay_ms=500))
        self.clients: list[Client] = []
        self.leaders: dict[int, Client] = {}
        self.owners: dict[str, Client] = {}
        """Who was given a member id; a static member has many, one after the other."""

    def step(self, *, quiet: bool) -> None:
        if not quiet:
            self.disturb()
        for client in self.random.sample(self.clients, len(self.clients)):
            if client.is_alive and self.random.random() < 0.7:
                self.drive(client)
        if self.random.random() < 0.8:
            self.scenario.settle()
        self.scenario.wait(self.random.randrange(1, 1_000))

    def disturb(self) -> None:
        chance = self.random.random()
        alive = [client for client in self.clients if client.is_alive]
        if chance < 0.05 and len(alive) < 12:
            name = f"i{len(self.clients)}" if self.random.random() < 0.3 else None
            self.clients.append(Client(name))
        elif chance < 0.08 and alive:
            self.random.choice(alive).is_alive = False
        elif chance < 0.11 and alive:
            self.leave(self.random.choice(alive))
        elif chance < 0.14:
            for client in self.clients:
                if not client.is_alive and client.instance_id is not None:
                    client.is_alive, client.member_id = True, ""
                    client.forget()
        elif chance < 0.15 and self.scenario.under_way:
            self.scenario.fail()
        elif chance < 0.16:
            self.crash_broker()

    def leave(self, client: Client) -> None:
        if client.member_id:
            self.scenario.leave(Leaving(client.member_id, client.instance_id))
        client.is_alive = False

    def crash_broker(self) -> None:
        """What was not stored is lost, and everybody who waited hears nothing."""
        old = self.scenario
        group = Group.restored(old.log[-1]) if old.log else Group(group_id="g")
        self.scenario = Scenario(old.settings, group)
        self.scenario.now_ms, self.scenario.log = old.now_ms, old.log
        self.scenario.do(resume(group, **self.scenario.at()))
        for client in self.clients:
            client.waits_for = None
        self.leaders = {
            generation: leader
            for generation, leader in self.leaders.items()
            if generation <= group.generation
        }

    def drive(self, client: Client) -> None:
        scenario = self.scenario
        if client.waits_for is not None:
            if not scenario.waits(client.waits_for):
                self.answered(client, scenario.answers[client.waits_for])
        elif client.generation < 0:
            new_member_id = f"m{self.random.getrandbits(64):x}"
            self.owners[new_member_id] = client
            client.waits_for = scenario.join(
                client.member_id,
                instance_id=client.instance_id,
                session_timeout_ms=SESSION_MS,
                rebalance_timeout_ms=REBALANCE_MS,
                new_member_id=new_member_id,
            )
        elif client.assignment is None:
            client.waits_for = self.sync(client)
        elif scenario.now_ms - client.heartbeat_ms >= HEARTBEAT_MS:
            client.heartbeat_ms = scenario.now_ms
            answer = scenario.heartbeat(
                client.member_id, generation=client.generation, instance_id=client.instance_id
            )
            if answer != Alive():
                self.answered(client, answer)

    def sync(self, client: Client) -> int:
        group = self.scenario.group
        members = group.members if client.leads else {}
        return self.scenario.sync(
            client.member_id,
            {member: f"{client.generation} {member}".encode() for member in members},
            instance_id=client.instance_id,
            generation=client.generation,
        )

    def answered(self, client: Client, answer: object) -> None:
        client.waits_for = None
        match answer:
            case Joined():
                client.member_id, client.generation = answer.member_id, answer.generation
                client.assignment = None
                client.heartbeat_ms = self.scenario.now_ms
                client.leads = answer.leader == answer.member_id
                assert answer.leader is not None
                leader = self.owners[answer.leader]
                known = self.leaders.setdefault(answer.generation, leader)
                assert known is leader, "two leaders of one generation"
            case Synced():
                client.assignment = answer.assignment
            case Refused(refusal=Refusal.MEMBER_ID_REQUIRED):
                client.member_id = answer.member_id
            case Refused(refusal=Refusal.UNKNOWN_MEMBER_ID | Refusal.FENCED_INSTANCE_ID):
                client.member_id = ""
                client.forget()
            case Refused():
                client.forget()

    def assert_settled(self) -> None:
        group = self.scenario.group
        alive = [client for client in self.clients if client.is_alive]
        assert group.state is (State.STABLE if alive else State.EMPTY)
        assert {client.generation for client in alive} <= {group.generation}
        assert {client.member_id for client in alive} == set(group.members)
        for client in alive:
            member = group.members[client.member_id]
            assert member.assignment == client.assignment
            assert member.instance_id == client.instance_id
        assert not group.pending
        assert Group.restored(self.scenario.log[-1]).members == group.members if alive else True


@pytest.mark.parametrize("seed", range(60))
def test_a_group_settles_when_its_clients_are_left_alone(seed: int) -> None:
    simulation = Simulation(seed)
    simulation.clients = [Client(None) for _ in range(3)]
    for _ in range(400):
        simulation.step(quiet=False)
    end_ms = simulation.scenario.now_ms + QUIET_MS
    while simulation.scenario.now_ms < end_ms:
        simulation.step(quiet=True)
    simulation.scenario.settle()
    simulation.assert_settled()
