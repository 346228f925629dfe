"""Topics that come into being because somebody asked for them.

Whoever asks is answered when the topic is usable. Internal topics are made by who needs them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from meghna.broker.topics import NewTopic
from meghna.errors import Error, ErrorCode
from meghna.metadata.internal_topics import INTERNAL_TOPICS, METADATA_TOPIC, OFFSETS_TOPIC
from meghna.metadata.topic_names import collides_with, name_fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from meghna.broker.broker import Broker

logger = logging.getLogger(__name__)

_NEVER_MADE = INTERNAL_TOPICS | {METADATA_TOPIC}


async def create_missing(broker: Broker, names: Iterable[str]) -> dict[str, ErrorCode]:
    """Make those of the topics that may be made so; why not, of those that failed."""
    faults: dict[str, ErrorCode] = {}
    for name in names:
        try:
            if name == OFFSETS_TOPIC:
                await broker.ensure_offsets_topic()
            elif name_fault(name) is None and name not in _NEVER_MADE:
                fault = await _create(broker, name)
                if fault is not ErrorCode.NONE:
                    faults[name] = fault
        except (Error, OSError) as error:
            logger.error("topic %s could not be created: %s", name, error)
            faults[name] = ErrorCode.LEADER_NOT_AVAILABLE
    return faults


async def _create(broker: Broker, name: str) -> ErrorCode:
    config = broker.config
    async with broker.engine.turn:
        if broker.topics.get(name) is not None or collides_with(name, broker.image.topics):
            return ErrorCode.NONE
        if config.default_replication_factor > 1:
            if broker.refused_topics.may_tell(name):
                logger.warning(
                    "topic %s is not made: default.replication.factor asks for %d brokers, and "
                    "there is one",
                    name,
                    config.default_replication_factor,
                )
            return ErrorCode.INVALID_REPLICATION_FACTOR
        logger.info("topic %s is made because a client asked for it", name)
        await broker.topics.create([NewTopic(name, config.num_partitions, {})])
        return ErrorCode.NONE
