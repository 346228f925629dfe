"""DeleteTopics (20), versions 1 to 6: by name, from v6 on also by id.

v4      disabled deletion has a code of its own
v5      an answer has a message
v6      topics are named one by one, by name or by id and not by both
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from meghna.errors import Error, ErrorCode
from meghna.protocol.messages import DeletableTopicResult, DeleteTopicsResponse, DeleteTopicState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import DeleteTopicsRequest

API_KEY = 20
VERSIONS = (1, 6)

_NO_ID = bytes(16)
_FIRST_WITH_STATES = 6
_FIRST_WITH_DISABLED = 3


async def handle(broker: Broker, request: DeleteTopicsRequest, call: Call) -> DeleteTopicsResponse:
    if call.api_version >= _FIRST_WITH_STATES:
        asked = list(request.topics)
    else:
        asked = [DeleteTopicState(name=name) for name in request.topic_names]
    if not broker.config.delete_topic_enable:
        return _all_refused(
            asked,
            ErrorCode.INVALID_REQUEST
            if call.api_version < _FIRST_WITH_DISABLED
            else ErrorCode.TOPIC_DELETION_DISABLED,
            "Topic deletion is disabled." if call.api_version >= _FIRST_WITH_DISABLED else None,
        )
    named, by_id, results = _sorted_out(asked)
    if request.timeout_ms <= 0 and (named or by_id):
        return _all_refused(asked, ErrorCode.REQUEST_TIMED_OUT, None)
    async with broker.engine.turn:
        doomed = _found(broker, named, by_id, results)
        results += await _remove(broker, doomed, request.timeout_ms)
    return DeleteTopicsResponse(responses=results)


def _sorted_out(
    asked: Sequence[DeleteTopicState],
) -> tuple[list[str], list[bytes], list[DeletableTopicResult]]:
    """The names and the ids that were asked for once, and the answers to all else."""
    results = []
    for topic in asked:
        if topic.name is None and topic.topic_id == _NO_ID:
            results.append(_bad(None, _NO_ID, "Neither topic name nor id were specified."))
        elif topic.name is not None and topic.topic_id != _NO_ID:
            message = "You may not specify both topic name and topic id."
            results.append(_bad(topic.name, topic.topic_id, message))
    names = Counter(t.name for t in asked if t.name is not None and t.topic_id == _NO_ID)
    ids = Counter(t.topic_id for t in asked if t.name is None and t.topic_id != _NO_ID)
    results += [_bad(n, _NO_ID, "Duplicate topic name.") for n in names if names[n] > 1]
    results += [_bad(None, i, "Duplicate topic id.") for i in ids if ids[i] > 1]
    return [n for n in names if names[n] == 1], [i for i in ids if ids[i] == 1], results


def _found(
    broker: Broker, named: list[str], by_id: list[bytes], results: list[DeletableTopicResult]
) -> dict[str, bytes]:
    """The topics to delete, with their ids; `results` gets the answers to the others."""
    doomed = {}
    for name in named:
        topic = broker.image.topics.get(name)
        if topic is None:
            results.append(_unknown(name, _NO_ID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
        elif topic.id in by_id:
            message = "The provided topic name maps to an ID that was already supplied."
            results.append(_bad(name, topic.id, message))
            by_id.remove(topic.id)
        else:
            doomed[name] = topic.id
    for topic_id in by_id:
        topic = broker.image.topic_by_id(topic_id)
        if topic is None:
            results.append(_unknown(None, topic_id, ErrorCode.UNKNOWN_TOPIC_ID))
        else:
            doomed[topic.name] = topic_id
    return doomed


async def _remove(
    broker: Broker, doomed: dict[str, bytes], timeout_ms: int
) -> list[DeletableTopicResult]:
    if not doomed:
        return []
    code, message = ErrorCode.NONE, None
    try:
        if not await broker.remove_topics(doomed, timeout_ms=timeout_ms):
            code = ErrorCode.REQUEST_TIMED_OUT  # They are deleted; what they held is let go later.
    except (Error, OSError) as error:
        code, message = ErrorCode.KAFKA_STORAGE_ERROR, str(error)
    return [
        DeletableTopicResult(name=name, topic_id=topic_id, error_code=code, error_message=message)
        for name, topic_id in doomed.items()
    ]


def _bad(name: str | None, topic_id: bytes, message: str) -> DeletableTopicResult:
    return DeletableTopicResult(
        name=name, topic_id=topic_id, error_code=ErrorCode.INVALID_REQUEST, error_message=message
    )


def _unknown(name: str | None, topic_id: bytes, code: ErrorCode) -> DeletableTopicResult:
    what = "topic ID" if code is ErrorCode.UNKNOWN_TOPIC_ID else "topic-partition"
    return DeletableTopicResult(
        name=name,
        topic_id=topic_id,
        error_code=code,
        error_message=f"This server does not host this {what}.",
    )


def _all_refused(
    asked: Sequence[DeleteTopicState], code: ErrorCode, message: str | None
) -> DeleteTopicsResponse:
    return DeleteTopicsResponse(
        responses=[
            DeletableTopicResult(
                name=topic.name, topic_id=topic.topic_id, error_code=code, error_message=message
            )
            for topic in asked
        ]
    )
