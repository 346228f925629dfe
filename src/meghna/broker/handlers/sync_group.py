"""SyncGroup: the leader gives everybody's assignment, everybody gets its own.

v3 static members · v4 flexible · v5 the client says which protocol it believes in, and must.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.errors import ErrorCode
from meghna.groups.decision import Refused
from meghna.groups.syncing import Sync
from meghna.protocol.messages import SyncGroupResponse

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import SyncGroupRequest

API_KEY = 14
VERSIONS = (0, 5)


async def handle(broker: Broker, request: SyncGroupRequest, call: Call) -> SyncGroupResponse:
    if call.api_version >= 5 and None in (request.protocol_type, request.protocol_name):
        return SyncGroupResponse(error_code=ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    answer = await broker.groups.sync(
        request.group_id,
        Sync(
            member_id=request.member_id,
            instance_id=request.group_instance_id,
            generation=request.generation_id,
            protocol_type=request.protocol_type,
            protocol=request.protocol_name,
            assignments={each.member_id: each.assignment for each in request.assignments},
        ),
    )
    if isinstance(answer, Refused):
        return SyncGroupResponse(error_code=ErrorCode[answer.refusal.name])
    return SyncGroupResponse(
        protocol_type=answer.protocol_type,
        protocol_name=answer.protocol,
        assignment=answer.assignment,
    )
