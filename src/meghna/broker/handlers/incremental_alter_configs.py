"""IncrementalAlterConfigs (44), versions 0 and 1: settings are set, taken back, added to.

Both versions mean the same. Appending and subtracting are for lists, and begin from the setting
that holds now, a default as well. Levels of loggers are changed for this process and not kept.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from meghna.broker import alterations, loggers
from meghna.broker.alterations import LIST_OPERATIONS, LOGGER_RESOURCE, Alteration
from meghna.broker.topic_requests import Fault
from meghna.config_keys import table
from meghna.errors import ErrorCode
from meghna.metadata.image import TOPIC_RESOURCE
from meghna.protocol.messages import (
    IncrementalAlterConfigsResponse,
    IncrementalAlterConfigsResponseAlterConfigsResourceResponse,
)

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import (
        IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsRequestAlterableConfig,
        IncrementalAlterConfigsRequestAlterConfigsResource,
    )

API_KEY = 44
VERSIONS = (0, 1)

_SET, _DELETE, _APPEND, _SUBTRACT = range(4)


async def handle(
    broker: Broker, request: IncrementalAlterConfigsRequest, call: Call
) -> IncrementalAlterConfigsResponse:
    counts = Counter((r.resource_type, r.resource_name) for r in request.resources)
    async with broker.engine.turn:
        faults: list[Fault | None] = []
        accepted: list[Alteration] = []
        for resource in request.resources:
            key = (resource.resource_type, resource.resource_name)
            outcome = _decided(broker, resource, is_repeated=counts[key] > 1)
            if isinstance(outcome, Alteration):
                accepted.append(outcome)
                faults.append(None)
            else:
                faults.append(outcome)
        _fail_together(request, faults)
        if not request.validate_only:
            failure = await alterations.commit(broker, accepted)
            faults = [failure or fault for fault in faults]
            for resource, fault in zip(request.resources, faults, strict=True):
                if fault is None and resource.resource_type == LOGGER_RESOURCE:
                    loggers.set_levels([(c.name, c.value) for c in resource.configs])
    return IncrementalAlterConfigsResponse(
        responses=[
            IncrementalAlterConfigsResponseAlterConfigsResourceResponse(
                error_code=fault.code if fault else ErrorCode.NONE,
                error_message=fault.message if fault else None,
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
            )
            for resource, fault in zip(request.resources, faults, strict=True)
        ]
    )


def _decided(
    broker: Broker,
    resource: IncrementalAlterConfigsRequestAlterConfigsResource,
    *,
    is_repeated: bool,
) -> Alteration | Fault | None:
    if is_repeated:
        return Fault(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")
    key = (resource.resource_type, resource.resource_name)
    names = [config.name for config in resource.configs]
    missing = [
        c.name for c in resource.configs if c.value is None and c.config_operation != _DELETE
    ]
    fault = alterations.shape_fault(names, missing) or alterations.resource_fault(
        broker, key, with_loggers=True
    )
    if fault is not None:
        return fault
    if resource.resource_type == LOGGER_RESOURCE:
        return loggers.levels_fault(
            [(config.name, config.config_operation, config.value) for config in resource.configs]
        )
    if any(not _SET <= config.config_operation <= _SUBTRACT for config in resource.configs):
        return Fault(ErrorCode.UNKNOWN_SERVER_ERROR, None)
    changes: dict[str, str | None] = {}
    for config in resource.configs:
        value = _new_value(broker, key, config)
        if isinstance(value, Fault):
            return value
        changes[config.name] = value
    alteration = Alteration(key, changes)
    return alterations.alteration_fault(broker, alteration) or alteration


def _new_value(
    broker: Broker,
    resource: alterations.Resource,
    config: IncrementalAlterConfigsRequestAlterableConfig,
) -> str | Fault | None:
    operation = config.config_operation
    if operation == _DELETE:
        return None
    if operation == _SET:
        return config.value
    is_topic = resource[0] == TOPIC_RESOURCE
    known = (table().topic if is_topic else table().broker).get(config.name)
    if known is None or known.kind != "list":
        return Fault(
            ErrorCode.INVALID_CONFIG,
            f"Can't {LIST_OPERATIONS[operation]} to key {config.name} because its type is not "
            "LIST.",
        )
    own = broker.image.config(*resource)
    if is_topic:
        text = broker.settings.own_text(known, own)
    else:
        text = own.get(known.name, broker.settings.by_key().get(known.name, known.default))
    parts = [part for part in (text or "").split(",") if part]
    for part in (config.value or "").split(","):
        if operation == _APPEND and part not in parts:
            parts.append(part)
        elif operation == _SUBTRACT and part in parts:
            parts.remove(part)
    return ",".join(parts)


def _fail_together(request: IncrementalAlterConfigsRequest, faults: list[Fault | None]) -> None:
    """An operation that nobody knows fails the whole request in Kafka's controller."""
    if any(fault and fault.code is ErrorCode.UNKNOWN_SERVER_ERROR for fault in faults):
        shape = ErrorCode.INVALID_REQUEST
        for position, fault in enumerate(faults):
            if fault is None or fault.code is not shape:
                faults[position] = Fault(ErrorCode.UNKNOWN_SERVER_ERROR, None)
