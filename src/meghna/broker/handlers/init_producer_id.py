"""InitProducerId (22), versions 0 to 5: an id for an idempotent producer.

v3      a producer that lost its place sends its old id and epoch; without a transactional id it
        simply gets a new one, as from Kafka

With a transactional id the answer is TRANSACTIONAL_ID_AUTHORIZATION_FAILED: transactions are not
served yet, and this is the refusal that every client ends with, at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.errors import Error, ErrorCode
from meghna.protocol.messages import InitProducerIdResponse

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import InitProducerIdRequest

API_KEY = 22
VERSIONS = (0, 5)


async def handle(
    broker: Broker, request: InitProducerIdRequest, call: Call
) -> InitProducerIdResponse:
    if (request.producer_id == -1) != (request.producer_epoch == -1):
        return _refused(ErrorCode.INVALID_REQUEST)
    if request.transactional_id is not None:
        if not request.transactional_id:
            return _refused(ErrorCode.INVALID_REQUEST)
        if not 0 < request.transaction_timeout_ms <= broker.config.transaction_max_timeout_ms:
            return _refused(ErrorCode.INVALID_TRANSACTION_TIMEOUT)
        broker.tell_of_transactions(request.transactional_id)
        return _refused(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    try:
        producer_id = await broker.producer_ids.take()
    except Error:
        return _refused(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=0)


def _refused(code: ErrorCode) -> InitProducerIdResponse:
    return InitProducerIdResponse(error_code=code, producer_id=-1, producer_epoch=-1)
