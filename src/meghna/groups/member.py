"""A member of a group: what it told when it joined, what it was assigned, and whether it waits."""

from __future__ import annotations

from dataclasses import dataclass

Waiter = int
"""Names one request that waits for its answer; the shell knows whose it is."""


@dataclass(frozen=True, slots=True)
class GroupProtocol:
    """One way of assigning that a member knows, with its metadata for the assigning leader."""

    name: str
    metadata: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocol_type: str
    protocols: tuple[GroupProtocol, ...]
    assignment: bytes = b""
    join_waiter: Waiter | None = None
    sync_waiter: Waiter | None = None
    is_new: bool = False
    """Its first JoinGroup is unanswered: it cannot heartbeat yet, so waiting does not excuse it."""

    def metadata(self, protocol: str | None) -> bytes:
        for known in self.protocols:
            if known.name == protocol:
                return known.metadata
        raise AssertionError((self.member_id, protocol))

    def supports(self, protocol: str) -> bool:
        return any(known.name == protocol for known in self.protocols)

    def vote(self, candidates: frozenset[str]) -> str:
        """The first of the member's protocols, in its order of preference, that all support."""
        return next(known.name for known in self.protocols if known.name in candidates)

    @property
    def is_excused(self) -> bool:
        """Waits for the coordinator, so its silence is not its fault."""
        if self.is_new:
            return False
        return self.join_waiter is not None or self.sync_waiter is not None
