"""FindCoordinator: who is responsible for a group or a transaction. One broker: always us.

v0 knows groups only · v1 key type · v3 flexible · v4 many keys in one request · v6 share groups.
The first question about a group makes `__consumer_offsets`. Kafka answers that question with
COORDINATOR_NOT_AVAILABLE while it makes the topic; we answer when it is there. Share groups are not
served, so their coordinator does not exist, as on a Kafka without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.errors import Error, ErrorCode
from meghna.protocol.messages import Coordinator, FindCoordinatorResponse

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import FindCoordinatorRequest

API_KEY = 10
VERSIONS = (0, 6)

GROUP = 0
TRANSACTION = 1
SHARE = 2

MESSAGES = {
    ErrorCode.COORDINATOR_NOT_AVAILABLE: "The coordinator is not available.",
    ErrorCode.INVALID_REQUEST: "There is no coordinator of this type.",
}


async def handle(
    broker: Broker, request: FindCoordinatorRequest, call: Call
) -> FindCoordinatorResponse:
    error = await coordinator_error(broker, request.key_type)
    if call.api_version < 4:
        if error is not ErrorCode.NONE:
            return FindCoordinatorResponse(
                error_code=error, error_message=MESSAGES[error], node_id=-1, port=-1
            )
        host, port = broker.address(call.listener)
        return FindCoordinatorResponse(
            error_message="NONE", node_id=broker.config.node_id, host=host, port=port
        )
    return FindCoordinatorResponse(
        coordinators=[found(broker, key, error, call) for key in request.coordinator_keys]
    )


def found(broker: Broker, key: str, error: ErrorCode, call: Call) -> Coordinator:
    if error is not ErrorCode.NONE:
        return Coordinator(
            key, node_id=-1, port=-1, error_code=error, error_message=MESSAGES[error]
        )
    host, port = broker.address(call.listener)
    return Coordinator(key, node_id=broker.config.node_id, host=host, port=port)


async def coordinator_error(broker: Broker, key_type: int) -> ErrorCode:
    if key_type == GROUP:
        try:
            await broker.ensure_offsets_topic()
        except (Error, OSError):
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        return ErrorCode.NONE
    return ErrorCode.NONE if key_type == TRANSACTION else ErrorCode.INVALID_REQUEST
