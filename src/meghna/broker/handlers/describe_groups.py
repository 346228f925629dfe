"""DescribeGroups: groups with their members.

v3 authorised operations, on request · v4 instance ids · v5 flexible · v6 a group that does not
exist is GROUP_ID_NOT_FOUND; before, it is told as a group in state Dead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.errors import ErrorCode
from meghna.groups.refusal import Refusal
from meghna.groups.state import State
from meghna.protocol.messages import (
    DescribedGroupMember,
    DescribeGroupsResponse,
    DescribeGroupsResponseDescribedGroup,
)

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import DescribeGroupsRequest

API_KEY = 15
VERSIONS = (0, 6)

# READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS: what can be done with a group, and
# without an authoriser everybody may. One bit for each operation's number.
ALL_OPERATIONS = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11
NOT_ASKED = -(1 << 31)


async def handle(
    broker: Broker, request: DescribeGroupsRequest, call: Call
) -> DescribeGroupsResponse:
    operations = ALL_OPERATIONS if request.include_authorized_operations else NOT_ASKED
    return DescribeGroupsResponse(
        groups=[
            describe(broker, group_id, operations, call.api_version) for group_id in request.groups
        ]
    )


def describe(
    broker: Broker, group_id: str, operations: int, version: int
) -> DescribeGroupsResponseDescribedGroup:
    group = broker.groups.describe(group_id)
    if group is Refusal.GROUP_ID_NOT_FOUND:
        if version < 6:
            return DescribeGroupsResponseDescribedGroup(
                group_id=group_id,
                group_state=State.DEAD.value,
                authorized_operations=operations,
            )
        return DescribeGroupsResponseDescribedGroup(
            error_code=ErrorCode.GROUP_ID_NOT_FOUND,
            error_message=f"Group {group_id} not found.",
            group_id=group_id,
            group_state=State.DEAD.value,
        )
    if isinstance(group, Refusal):
        return DescribeGroupsResponseDescribedGroup(
            error_code=ErrorCode[group.name], group_id=group_id
        )
    return DescribeGroupsResponseDescribedGroup(
        group_id=group_id,
        group_state=group.state.value,
        protocol_type=group.protocol_type,
        protocol_data=group.protocol,
        members=[
            DescribedGroupMember(
                member_id=member.member_id,
                group_instance_id=member.instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                member_metadata=member.metadata,
                member_assignment=member.assignment,
            )
            for member in group.members
        ],
        authorized_operations=operations,
    )
