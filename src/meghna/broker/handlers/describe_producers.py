"""DescribeProducers (61), version 0: who writes to a partition with a producer id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.errors import ErrorCode
from meghna.metadata.topic_names import name_fault
from meghna.protocol.messages import (
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import DescribeProducersRequest

API_KEY = 61
VERSIONS = (0, 0)


async def handle(
    broker: Broker, request: DescribeProducersRequest, call: Call
) -> DescribeProducersResponse:
    return DescribeProducersResponse(
        topics=[
            TopicResponse(
                name=topic.name,
                partitions=[_answer(broker, topic.name, i) for i in topic.partition_indexes],
            )
            for topic in request.topics
        ]
    )


def _answer(broker: Broker, topic: str, index: int) -> PartitionResponse:
    partition, fault = broker.partition(topic, index)
    if partition is None:
        message = None
        reason = name_fault(topic)
        if reason is not None:
            fault, message = ErrorCode.INVALID_TOPIC_EXCEPTION, reason
        elif broker.topics.get(topic) is None:
            message = "This server does not host this topic-partition."
        return PartitionResponse(partition_index=index, error_code=fault, error_message=message)
    return PartitionResponse(
        partition_index=index,
        active_producers=[
            ProducerState(
                producer_id=producer.producer_id,
                producer_epoch=producer.epoch,
                last_sequence=producer.last_sequence,
                last_timestamp=producer.last_timestamp,
                coordinator_epoch=producer.coordinator_epoch,
                current_txn_start_offset=producer.transaction_first_offset,
            )
            for producer in partition.log.producers()
        ],
    )
