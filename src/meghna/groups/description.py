"""A group as tools show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meghna.groups.state import State

if TYPE_CHECKING:
    from meghna.groups.group import Group


@dataclass(frozen=True, slots=True)
class DescribedMember:
    member_id: str
    instance_id: str | None
    client_id: str
    client_host: str
    metadata: bytes
    assignment: bytes


@dataclass(frozen=True, slots=True)
class DescribedGroup:
    group_id: str
    state: State
    protocol_type: str
    protocol: str
    """Only of a stable group, as are its members' metadata: else both are about to change."""
    members: tuple[DescribedMember, ...]


def described(group: Group) -> DescribedGroup:
    is_stable = group.state is State.STABLE
    return DescribedGroup(
        group_id=group.group_id,
        state=group.state,
        protocol_type=group.protocol_type or "",
        protocol=(group.protocol or "") if is_stable else "",
        members=tuple(
            DescribedMember(
                member_id=member.member_id,
                instance_id=member.instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                metadata=member.metadata(group.protocol) if is_stable else b"",
                assignment=member.assignment,
            )
            for member in group.members.values()
        ),
    )
