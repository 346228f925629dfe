"""JoinGroup: become a member of a group; waits until the group's next generation is formed.

v1 rebalance timeout (before: the session timeout) · v4 a first request gets only its member id ·
v5 static members · v6 flexible · v7 protocol type and a nullable protocol in the answer ·
v8 the reason, which is for people · v9 a leader may be told that there is nothing to assign.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from meghna.errors import ErrorCode
from meghna.groups.decision import Refused
from meghna.groups.joining import Join
from meghna.groups.member import GroupProtocol
from meghna.protocol.messages import JoinGroupResponse, JoinGroupResponseMember
from meghna.storage.directory import random_id

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import JoinGroupRequest

API_KEY = 11
VERSIONS = (0, 9)


async def handle(broker: Broker, request: JoinGroupRequest, call: Call) -> JoinGroupResponse:
    version = call.api_version
    client_id = call.client_id or ""
    unique = uuid.UUID(bytes=random_id())
    answer = await broker.groups.join(
        request.group_id,
        Join(
            member_id=request.member_id,
            instance_id=request.group_instance_id,
            client_id=client_id,
            # Java's way of writing an address; tools show it as it is.
            client_host=f"/{call.peer_host}",
            session_timeout_ms=request.session_timeout_ms,
            rebalance_timeout_ms=request.session_timeout_ms
            if version == 0
            else request.rebalance_timeout_ms,
            protocol_type=request.protocol_type,
            protocols=tuple(GroupProtocol(each.name, each.metadata) for each in request.protocols),
            new_member_id=f"{request.group_instance_id or client_id}-{unique}",
            must_know_id=version >= 4,
            can_skip_assignment=version >= 9,
        ),
    )
    if isinstance(answer, Refused):
        return JoinGroupResponse(
            error_code=ErrorCode[answer.refusal.name],
            member_id=answer.member_id,
            protocol_name=None if version >= 7 else "",
        )
    return JoinGroupResponse(
        generation_id=answer.generation,
        protocol_type=answer.protocol_type,
        protocol_name=answer.protocol if version >= 7 else answer.protocol or "",
        leader=answer.leader or "",
        skip_assignment=answer.skip_assignment,
        member_id=answer.member_id,
        members=[
            JoinGroupResponseMember(member.member_id, member.instance_id, member.metadata)
            for member in answer.members
        ],
    )
