"""DescribeCluster (60), versions 0 to 2: the brokers and the controller, which is this node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.broker.handlers.metadata import CLUSTER_OPERATIONS, NOT_ASKED
from meghna.errors import ErrorCode
from meghna.protocol.messages import DescribeClusterBroker, DescribeClusterResponse

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import DescribeClusterRequest

API_KEY = 60
VERSIONS = (0, 2)

_BROKERS, _CONTROLLERS = 1, 2


async def handle(
    broker: Broker, request: DescribeClusterRequest, call: Call
) -> DescribeClusterResponse:
    kind = request.endpoint_type
    if kind == _CONTROLLERS:
        return DescribeClusterResponse(
            error_code=ErrorCode.MISMATCHED_ENDPOINT_TYPE,
            error_message=(
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of "
                "type CONTROLLER"
            ),
        )
    if kind != _BROKERS:
        return DescribeClusterResponse(
            error_code=ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
            error_message=f"Unsupported endpoint type {kind}",
        )
    host, port = broker.address(call.listener)
    node = broker.config.node_id
    asked = request.include_cluster_authorized_operations
    return DescribeClusterResponse(
        cluster_id=broker.cluster_id,
        controller_id=node,
        brokers=(
            DescribeClusterBroker(
                broker_id=node, host=host, port=port, rack=broker.config.broker_rack
            ),
        ),
        cluster_authorized_operations=CLUSTER_OPERATIONS if asked else NOT_ASKED,
    )
