"""LeaveGroup: members go; an administrator may name a static member by its instance id alone.

Up to v2 one member leaves, and its error is the answer's · v3 many · v5 the reason, for people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.errors import ErrorCode
from meghna.groups.decision import Refused
from meghna.groups.leaving import Leaving
from meghna.groups.refusal import Refusal
from meghna.protocol.messages import LeaveGroupResponse, MemberResponse

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import LeaveGroupRequest

API_KEY = 13
VERSIONS = (0, 5)


async def handle(broker: Broker, request: LeaveGroupRequest, call: Call) -> LeaveGroupResponse:
    is_batch = call.api_version >= 3
    members = (
        tuple(Leaving(each.member_id, each.group_instance_id) for each in request.members)
        if is_batch
        else (Leaving(request.member_id, None),)
    )
    answer = await broker.groups.leave(request.group_id, members)
    if isinstance(answer, Refused):
        refusal = answer.refusal
        if refusal is not Refusal.UNKNOWN_MEMBER_ID or not is_batch:
            return LeaveGroupResponse(error_code=ErrorCode[refusal.name])
        # There is no such group, so there are no such members.
        results = [(member, refusal) for member in members]
        return LeaveGroupResponse(members=[response(*result) for result in results])
    left = [
        (Leaving(member.member_id, member.instance_id), member.refusal) for member in answer.members
    ]
    if is_batch:
        return LeaveGroupResponse(members=[response(*result) for result in left])
    return LeaveGroupResponse(error_code=response(*left[0]).error_code)


def response(member: Leaving, refusal: Refusal | None) -> MemberResponse:
    error = ErrorCode.NONE if refusal is None else ErrorCode[refusal.name]
    return MemberResponse(member.member_id, member.instance_id, error)
