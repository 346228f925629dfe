"""ListConfigResources (74), versions 0 and 1: what there is to describe.

v0      client metrics subscriptions only, of which there are none
v1      topics, brokers, loggers, groups that have settings: those asked for, or all
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.errors import ErrorCode
from meghna.protocol.messages import ConfigResource, ListConfigResourcesResponse

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import ListConfigResourcesRequest

API_KEY = 74
VERSIONS = (0, 1)

_TOPIC, _BROKER, _LOGGER, _METRICS, _GROUP = 2, 4, 8, 16, 32
_ALL = (_LOGGER, _BROKER, _TOPIC, _METRICS, _GROUP)


async def handle(
    broker: Broker, request: ListConfigResourcesRequest, call: Call
) -> ListConfigResourcesResponse:
    asked = (_METRICS,) if call.api_version == 0 else set(request.resource_types) or _ALL
    if any(kind not in _ALL for kind in asked):
        return ListConfigResourcesResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    node = str(broker.config.node_id)
    names = {
        _LOGGER: [node],
        _BROKER: [node],
        _TOPIC: list(broker.image.topics),
        _METRICS: [],
        _GROUP: [name for kind, name in broker.image.configs if kind == _GROUP],
    }
    return ListConfigResourcesResponse(
        config_resources=[
            ConfigResource(resource_name=name, resource_type=kind)
            for kind in _ALL
            if kind in asked
            for name in names[kind]
        ]
    )
