"""Heartbeat: a member is alive, and learns whether its group rebalances. v3 static members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.errors import ErrorCode
from meghna.groups.syncing import Heartbeat
from meghna.protocol.messages import HeartbeatResponse

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import HeartbeatRequest

API_KEY = 12
VERSIONS = (0, 4)


async def handle(broker: Broker, request: HeartbeatRequest, _: Call) -> HeartbeatResponse:
    refusal = broker.groups.heartbeat(
        request.group_id,
        Heartbeat(
            member_id=request.member_id,
            instance_id=request.group_instance_id,
            generation=request.generation_id,
        ),
    )
    error = ErrorCode.NONE if refusal is None else ErrorCode[refusal.name]
    return HeartbeatResponse(error_code=error)
