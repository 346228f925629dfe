"""DescribeConfigs (32), versions 1 to 4: settings with where they come from.

v1      synonyms, if asked for
v3      types, and documentation if asked for: what the key does here, in our words

Told are topics, this broker (by its number), all brokers (no name), its loggers, and any group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.broker import loggers
from meghna.broker.resources import broker_fault, group_fault
from meghna.errors import ErrorCode
from meghna.metadata.image import GROUP_RESOURCE, TOPIC_RESOURCE
from meghna.metadata.topic_names import name_fault
from meghna.protocol.messages import (
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.broker.settings import Entry
    from meghna.protocol.messages import DescribeConfigsRequest, DescribeConfigsResource

API_KEY = 32
VERSIONS = (1, 4)

BROKER_RESOURCE = 4
LOGGER_RESOURCE = 8
# Those of Kafka; of client metrics there are no settings here.
_KNOWN_RESOURCES = (TOPIC_RESOURCE, BROKER_RESOURCE, LOGGER_RESOURCE, 16, GROUP_RESOURCE)
_LOGGER_SOURCE = 6
_KINDS = {
    "bool": 1,
    "string": 2,
    "int": 3,
    "short": 4,
    "long": 5,
    "double": 6,
    "list": 7,
    "class": 8,
    "password": 9,
}
_MALFORMED = (
    "This most likely occurs because of a request being malformed by the client library or the "
    "message was sent to an incompatible broker. See the broker logs for more details."
)


async def handle(
    broker: Broker, request: DescribeConfigsRequest, call: Call
) -> DescribeConfigsResponse:
    if any(resource.resource_type not in _KNOWN_RESOURCES for resource in request.resources):
        results = [
            _result(each, ErrorCode.INVALID_REQUEST, _MALFORMED) for each in request.resources
        ]
    else:
        results = [_described(broker, resource, request) for resource in request.resources]
    return DescribeConfigsResponse(results=results)


def _described(
    broker: Broker, resource: DescribeConfigsResource, request: DescribeConfigsRequest
) -> DescribeConfigsResult:
    kind, name = resource.resource_type, resource.resource_name
    keys = resource.configuration_keys or None  # An empty list, too, asks for all of them.
    code, message = ErrorCode.INVALID_REQUEST, _MALFORMED
    found: list[DescribeConfigsResourceResult] = []
    if kind == TOPIC_RESOURCE:
        code, message = _topic_fault(broker, name)
        if code is ErrorCode.NONE:
            entries = broker.settings.topic_entries(broker.image.config(kind, name), keys)
            found = [_told(entry, request) for entry in entries]
    elif kind == BROKER_RESOURCE:
        code, message = broker_fault(broker, name, may_be_empty=True)
        if code is ErrorCode.NONE:
            settings = broker.settings
            entries = settings.broker_entries(keys) if name else settings.default_entries(keys)
            found = [_told(entry, request) for entry in entries]
    elif kind == LOGGER_RESOURCE:
        code, message = broker_fault(broker, name, may_be_empty=False)
        if code is ErrorCode.NONE:
            found = _loggers(keys)
    elif kind == GROUP_RESOURCE:
        code, message = group_fault(name)
        if code is ErrorCode.NONE:
            entries = broker.settings.group_entries(broker.image.config(kind, name), keys)
            found = [_told(entry, request) for entry in entries]
    return _result(resource, code, message, found)


def _result(
    resource: DescribeConfigsResource,
    code: ErrorCode,
    message: str,
    configs: Sequence[DescribeConfigsResourceResult] = (),
) -> DescribeConfigsResult:
    return DescribeConfigsResult(
        error_code=code,
        error_message=message,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
        configs=configs,
    )


def _topic_fault(broker: Broker, name: str) -> tuple[ErrorCode, str]:
    reason = name_fault(name)
    if reason is not None:
        return ErrorCode.INVALID_TOPIC_EXCEPTION, reason
    if name not in broker.image.topics:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ""
    return ErrorCode.NONE, ""


def _loggers(keys: Sequence[str] | None) -> list[DescribeConfigsResourceResult]:
    return [
        DescribeConfigsResourceResult(
            name=name, value=loggers.level(name), config_source=_LOGGER_SOURCE
        )
        for name in loggers.LOGGERS
        if keys is None or name in keys
    ]


def _told(entry: Entry, request: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=entry.key.name,
        value=entry.value,
        read_only=entry.read_only,
        config_source=entry.source,
        is_sensitive=entry.key.is_sensitive,
        synonyms=[
            DescribeConfigsSynonym(name=s.name, value=s.value, source=s.source)
            for s in entry.synonyms
        ]
        if request.include_synonyms
        else (),
        config_type=_KINDS[entry.key.kind],
        documentation=entry.key.meaning if request.include_documentation else None,
    )
