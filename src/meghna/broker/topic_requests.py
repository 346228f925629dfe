"""What Kafka's controller checks before topics are made or grown: one order, one set of messages.

A fault is Kafka's code and a sentence. Codes stand here because two handlers share these checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from meghna.broker.topics import NewTopic
from meghna.config import check_topic_settings
from meghna.errors import ConfigError, ErrorCode
from meghna.metadata.topic_names import collides_with, name_fault

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from meghna.broker.broker import Broker
    from meghna.protocol.messages import CreatableTopic

# Records that one operation may write; Kafka's controller has the same bound.
RECORDS_MAX = 10_000


class Fault(NamedTuple):
    """Why something is refused."""

    code: ErrorCode
    message: str | None


TOO_MANY_PARTITIONS = Fault(
    ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request."
)
TOO_MANY_RECORDS = Fault(
    ErrorCode.POLICY_VIOLATION, "Unable to perform excessively large batch operation."
)


def partitions_fault(broker: Broker, topics: Sequence[CreatableTopic]) -> Fault | None:
    """Why a CreateTopics request is refused as a whole for its number of partitions."""
    total = 0
    for topic in topics:
        if topic.assignments:
            total += len(topic.assignments)
        elif topic.num_partitions == -1:
            total += broker.config.num_partitions
        else:
            total += max(topic.num_partitions, 0)
    return TOO_MANY_PARTITIONS if total > RECORDS_MAX else None


def check_new_topic(broker: Broker, topic: CreatableTopic) -> NewTopic | Fault:
    """The topic that a request asks for, or why it cannot be made."""
    name = topic.name
    reason = name_fault(name)
    if reason is not None:
        return Fault(ErrorCode.INVALID_TOPIC_EXCEPTION, reason)
    if name in broker.image.topics:
        return Fault(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
    if broker.topics.is_going(name):
        return Fault(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' is marked for deletion.")
    other = collides_with(name, broker.image.topics)
    if other is not None:
        return Fault(
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            f"Topic '{name}' collides with existing topic: {other}",
        )
    configs = {config.name: config.value for config in topic.configs}
    fault = settings_fault(broker, configs)
    if fault is not None:
        return fault
    count = _partition_count(broker, topic)
    if isinstance(count, Fault):
        return count
    return NewTopic(name, count, {key: value or "" for key, value in configs.items()})


def settings_fault(broker: Broker, configs: Mapping[str, str | None]) -> Fault | None:
    """Why a topic may not have these settings."""
    missing = [name for name, value in configs.items() if value is None]
    if missing:
        return Fault(
            ErrorCode.INVALID_CONFIG,
            f"Null value not supported for topic configs: {','.join(missing)}",
        )
    try:
        check_topic_settings(
            {name: value or "" for name, value in configs.items()}, broker.settings.by_key()
        )
    except ConfigError as error:
        return Fault(ErrorCode.INVALID_CONFIG, str(error))
    return None


def _partition_count(broker: Broker, topic: CreatableTopic) -> int | Fault:
    if topic.assignments:
        return _assigned_count(broker, topic)
    factor, count = topic.replication_factor, topic.num_partitions
    if factor < -1 or factor == 0:
        return Fault(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        )
    if count < -1 or count == 0:
        return Fault(
            ErrorCode.INVALID_PARTITIONS,
            "Number of partitions was set to an invalid non-positive value.",
        )
    factor = broker.config.default_replication_factor if factor == -1 else factor
    if factor > 1:
        return Fault(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"Unable to replicate the partition {factor} time(s): The target replication factor "
            f"of {factor} cannot be reached because only 1 broker(s) are registered.",
        )
    return broker.config.num_partitions if count == -1 else count


def _assigned_count(broker: Broker, topic: CreatableTopic) -> int | Fault:
    for field, value in (
        ("replication factor", topic.replication_factor),
        ("numPartitions", topic.num_partitions),
    ):
        if value != -1:
            return Fault(
                ErrorCode.INVALID_REQUEST,
                f"A manual partition assignment was specified, but {field} was not set to -1.",
            )
    seen: set[int] = set()
    for assignment in topic.assignments:
        if assignment.partition_index in seen:
            return Fault(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                "Found multiple manual partition assignments for partition "
                f"{assignment.partition_index}",
            )
        fault = assignment_fault(broker, assignment.broker_ids)
        if fault is not None:
            return fault
        seen.add(assignment.partition_index)
    if seen != set(range(len(seen))):
        return Fault(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "partitions should be a consecutive 0-based integer sequence",
        )
    return len(seen)


def assignment_fault(broker: Broker, brokers: Sequence[int]) -> Fault | None:
    """Why a partition's replicas, named by hand, are refused."""
    if not brokers:
        reason = "an empty replica list."
    elif len(set(brokers)) < len(brokers):
        twice = sorted(b for b in set(brokers) if list(brokers).count(b) > 1)
        reason = f"the broker {twice[0]} more than once."
    else:
        unknown = sorted(b for b in brokers if b != broker.config.node_id)
        if not unknown:
            return None
        reason = f"broker {unknown[0]}, but no such broker is registered."
    return Fault(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT, f"The manual partition assignment includes {reason}"
    )
