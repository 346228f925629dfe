"""Changes of settings: checked as Kafka's broker and controller check them, then committed at once.

What is wrong with a request's shape (a resource or a key twice, a null value) is looked at before
what it asks for; a topic's settings are looked at before whether there is such a topic.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, NamedTuple

from meghna.broker.topic_requests import Fault, settings_fault
from meghna.config import with_overrides
from meghna.config_keys import parse_value, table
from meghna.errors import ConfigError, Error, ErrorCode
from meghna.metadata.image import BROKER_RESOURCE, GROUP_RESOURCE, TOPIC_RESOURCE
from meghna.metadata.records import ConfigChanged
from meghna.metadata.topic_names import name_fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from meghna.broker.broker import Broker

LOGGER_RESOURCE = 8
LIST_OPERATIONS = {2: "APPEND", 3: "SUBTRACT"}
VALUE_SIZE_MAX = 32_767  # A record of the metadata log holds no longer text.

Resource = tuple[int, str]

_ELR_KEY = "min.insync.replicas"
# Which store of keys a listener uses can be altered for that listener only.
_LISTENER_KEYS = frozenset(
    {
        "ssl.key.password",
        "ssl.keystore.certificate.chain",
        "ssl.keystore.key",
        "ssl.keystore.location",
        "ssl.keystore.password",
        "ssl.keystore.type",
        "ssl.truststore.certificates",
        "ssl.truststore.location",
        "ssl.truststore.password",
        "ssl.truststore.type",
    }
)
_BAD_REQUEST = ErrorCode.INVALID_REQUEST


class Alteration(NamedTuple):
    """What a resource's settings are to be; None takes one back."""

    resource: Resource
    changes: Mapping[str, str | None]


def shape_fault(names: Sequence[str], missing: Sequence[str]) -> Fault | None:
    """Why a list of changes is refused before anybody looks at what it changes."""
    if len(set(names)) < len(names):
        return Fault(_BAD_REQUEST, "Error due to duplicate config keys")
    if missing:
        return Fault(_BAD_REQUEST, f"Null value not supported for : {', '.join(missing)}")
    return None


def resource_fault(broker: Broker, resource: Resource, *, with_loggers: bool) -> Fault | None:
    """Why a resource is none whose settings can be changed here."""
    kind, name = resource
    if kind == BROKER_RESOURCE:
        if not name:
            return None
        return _node_fault(broker, name, "Unexpected broker id, expected {}, but received {}")
    if kind == LOGGER_RESOURCE and with_loggers:
        return _node_fault(broker, name, "Unexpected node id. Expected {}, but received {}")
    if kind not in (TOPIC_RESOURCE, GROUP_RESOURCE):
        return Fault(_BAD_REQUEST, f"Unknown resource type {kind}")
    return None


def _node_fault(broker: Broker, name: str, message: str) -> Fault | None:
    try:
        number = int(name)
    except ValueError:
        return Fault(_BAD_REQUEST, f"Node id must be an integer, but it is: {name}")
    node = broker.config.node_id
    return None if number == node else Fault(_BAD_REQUEST, message.format(node, name))


def alteration_fault(broker: Broker, alteration: Alteration) -> Fault | None:
    """Why a change is refused; None where it may be committed."""
    kind, name = alteration.resource
    changes = alteration.changes
    too_long = [key for key, value in changes.items() if value and len(value) > VALUE_SIZE_MAX]
    if too_long:
        return Fault(ErrorCode.INVALID_CONFIG, f"The value of {too_long[0]} is too long")
    settings = dict(broker.image.config(kind, name))
    for key, value in changes.items():
        if value is None:
            settings.pop(key, None)
        else:
            settings[key] = value
    if kind == BROKER_RESOURCE:
        return _broker_fault(broker, name, changes, settings)
    if kind == GROUP_RESOURCE:
        return _group_fault(broker, name, settings)
    return _topic_fault(broker, name, settings)


def _topic_fault(broker: Broker, name: str, settings: Mapping[str, str]) -> Fault | None:
    if not name:
        return Fault(_BAD_REQUEST, "Default topic resources are not allowed.")
    reason = name_fault(name)
    if reason is not None:
        return Fault(ErrorCode.INVALID_TOPIC_EXCEPTION, reason)
    fault = settings_fault(broker, settings)
    if fault is None and name not in broker.image.topics:
        return Fault(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{name}' does not exist.")
    return fault


def _group_fault(broker: Broker, name: str, settings: Mapping[str, str]) -> Fault | None:
    if not name:
        return Fault(_BAD_REQUEST, "Default group resources are not allowed.")
    keys = table().group
    unknown = [key for key in settings if key not in keys]
    if unknown:
        return Fault(ErrorCode.INVALID_CONFIG, f"Unknown group config name: {unknown[0]}")
    try:
        for key, value in settings.items():
            parse_value(keys[key], value)
    except ConfigError as error:
        return Fault(ErrorCode.INVALID_CONFIG, str(error))
    for key, value in settings.items():
        reason = _limit_fault(broker, key, value)
        if reason is not None:
            return Fault(ErrorCode.INVALID_CONFIG, reason)
    return None


def _limit_fault(broker: Broker, key: str, value: str) -> str | None:
    """A group's setting lies within the limits that its broker sets."""
    kind, _, rest = key.partition(".")
    by_key, keys = broker.settings.by_key(), table().broker
    for limit, is_kept, relation in (
        (f"group.{kind}.min.{rest}", operator.ge, "greater"),
        (f"group.{kind}.max.{rest.removeprefix('num.')}", operator.le, "less"),
    ):
        if limit not in keys:
            continue
        bound = by_key.get(limit, keys[limit].default)
        if bound is not None and not is_kept(int(value), int(bound)):
            return f"{key} must be {relation} than or equal to {limit}"
    return None


def _broker_fault(
    broker: Broker, name: str, changes: Mapping[str, str | None], settings: Mapping[str, str]
) -> Fault | None:
    keys = table().broker
    fixed = [key for key in changes if key in keys and not keys[key].is_dynamic]
    if fixed:
        return Fault(_BAD_REQUEST, f"Cannot update these configs dynamically: [{', '.join(fixed)}]")
    own = [key for key in changes if key in keys and keys[key].mode == "broker"]
    if own and not name:
        return Fault(
            _BAD_REQUEST,
            "Cannot update these configs at default cluster level, broker id must be specified: "
            f"[{', '.join(own)}]",
        )
    security = [key for key in own if key in _LISTENER_KEYS]
    if security:
        return Fault(
            _BAD_REQUEST,
            "These security configs can be dynamically updated only per-listener using the "
            f"listener prefix: [{', '.join(security)}]",
        )
    try:
        for key, value in settings.items():
            known = keys.get(key) or table().dynamic_only.get(key)
            if known is not None:
                parse_value(known, value)
        with_overrides(broker.config, {k: v for k, v in settings.items() if k in keys})
    except ConfigError as error:
        return Fault(_BAD_REQUEST, str(error))
    if _ELR_KEY in changes and name:
        return Fault(
            ErrorCode.INVALID_CONFIG,
            f"Broker-level {_ELR_KEY} cannot be altered while ELR is enabled.",
        )
    if _ELR_KEY in changes and changes[_ELR_KEY] is None:
        return Fault(
            ErrorCode.INVALID_CONFIG,
            f"Cluster-level {_ELR_KEY} cannot be removed while ELR is enabled.",
        )
    return None


async def commit(broker: Broker, alterations: Sequence[Alteration]) -> Fault | None:
    """Make accepted changes durable and let them take effect. The caller holds the turn."""
    records = [
        ConfigChanged(kind=kind, resource=name, name=key, value=value)
        for (kind, name), changes in alterations
        for key, value in changes.items()
        if broker.image.config(kind, name).get(key) != value
    ]
    if not records:
        return None
    try:
        await broker.engine.commit(records)
    except Error as error:
        return Fault(ErrorCode.KAFKA_STORAGE_ERROR, str(error))
    broker.settings_changed()
    if any(record.kind == BROKER_RESOURCE for record in records):
        broker.topics.reconfigure(broker.image.topics)
    else:
        topics = {record.resource for record in records if record.kind == TOPIC_RESOURCE}
        broker.topics.reconfigure(topics)
    return None
