"""AlterConfigs (33), versions 0 to 2: a resource's settings are those given, and no others.

All versions mean the same. Superseded by IncrementalAlterConfigs, and still what old clients send.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from meghna.broker import alterations
from meghna.broker.alterations import Alteration
from meghna.broker.topic_requests import Fault
from meghna.errors import ErrorCode
from meghna.protocol.messages import (
    AlterConfigsResponse,
    AlterConfigsResponseAlterConfigsResourceResponse,
)

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import (
        AlterConfigsRequest,
        AlterConfigsRequestAlterConfigsResource,
    )

API_KEY = 33
VERSIONS = (0, 2)


async def handle(broker: Broker, request: AlterConfigsRequest, call: Call) -> AlterConfigsResponse:
    counts = Counter((r.resource_type, r.resource_name) for r in request.resources)
    async with broker.engine.turn:
        outcomes = [
            _decided(broker, r, is_repeated=counts[r.resource_type, r.resource_name] > 1)
            for r in request.resources
        ]
        failure = None
        if not request.validate_only:
            accepted = [outcome for outcome in outcomes if isinstance(outcome, Alteration)]
            failure = await alterations.commit(broker, accepted)
    responses = []
    for resource, outcome in zip(request.resources, outcomes, strict=True):
        fault = outcome if isinstance(outcome, Fault) else failure
        responses.append(
            AlterConfigsResponseAlterConfigsResourceResponse(
                error_code=fault.code if fault else ErrorCode.NONE,
                error_message=fault.message if fault else None,
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
            )
        )
    return AlterConfigsResponse(responses=responses)


def _decided(
    broker: Broker, resource: AlterConfigsRequestAlterConfigsResource, *, is_repeated: bool
) -> Alteration | Fault:
    if is_repeated:
        # Kafka never answers this one; whoever asked would rather know.
        return Fault(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
    key = (resource.resource_type, resource.resource_name)
    given = {config.name: config.value for config in resource.configs}
    fault = alterations.shape_fault(
        [config.name for config in resource.configs],
        [name for name, value in given.items() if value is None],
    ) or alterations.resource_fault(broker, key, with_loggers=False)
    if fault is not None:
        return fault
    dropped = {name: None for name in broker.image.config(*key) if name not in given}
    alteration = Alteration(key, {**dropped, **given})
    return alterations.alteration_fault(broker, alteration) or alteration
