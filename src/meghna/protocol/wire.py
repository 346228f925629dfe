"""Requests, replies and coordinator records as values of `protocol.messages`, both directions.

This module knows what surrounds a message: request and response headers (which header version a
message version has), the frame's size, the version that precedes a record. The fields themselves
are the codec's. Everything here is pure: bytes in, values out, and the other way round.

Whatever is wrong with bytes from outside raises ProtocolError and names message and field. A value
of our own that does not fit the version asked for raises ValueError: that is a bug.

    request frame    int32 size · header · body
    header v1        int16 api key · int16 version · int32 correlation id · string client id
    header v2        the same (the client id is not compact) · tag section
    reply frame      int32 size · int32 correlation id · payload
    payload          tag section, where the response header is v1 · body
    coordinator      key:   int16 record id · fields of version 0
                     value: int16 version · fields
    metadata record  uvarint 1 (the frame's version) · uvarint record id · uvarint version · fields
"""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING, TypeVar, cast

from meghna.errors import ProtocolError
from meghna.protocol import table
from meghna.protocol.codec import Plan
from meghna.protocol.plans import plan

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from meghna.protocol.messages import RequestHeader

Message = tuple[object, ...]
MessageT = TypeVar("MessageT", bound=Message)

# Values (array elements and their fields) of one message from outside. Each takes at most some 64
# bytes of Python, so a request costs no more than 64 MB whatever it says; a request for 50,000
# partitions has a fifth of it.
REQUEST_VALUES_MAX = 1_000_000
# Replies come from brokers that our own client chose, and list whole clusters.
RESPONSE_VALUES_MAX = 16_000_000

API_VERSIONS_KEY = 18
API_KEY_AND_VERSION = struct.Struct(">hh")
EMPTY_TAG_SECTION = b"\0"
RECORD_FRAME_VERSION = 1
# A response header v1 behind its correlation id: tagged fields, of which Kafka has none.
RESPONSE_TAGS = Plan("ResponseHeader v1", tuple, True, ())


# Which APIs there are.


def api_name(api_key: int) -> str | None:
    """The name of an API (`"Metadata"`), or None when Kafka has no such key."""
    request = table.message_with_key("request", api_key)
    return None if request is None else request.name.removesuffix("Request")


def is_flexible(api_key: int, version: int) -> bool:
    """Whether that version's fields are compact and tagged; of unknown versions too.

    Raises ProtocolError when Kafka has no such key.
    """
    return definition("request", api_key).flexible.has(version)


def definition(kind: str, api_key: int) -> table.Definition:
    found = table.message_with_key(kind, api_key)
    if found is None:
        raise ProtocolError(f"there is no {kind} with api key {api_key}")
    return found


# Only what exists is kept: a client cannot fill these with keys and versions of its own.


@cache
def request_plan(api_key: int, version: int) -> Plan:
    return plan(definition("request", api_key).name, version)


@cache
def response_plan(api_key: int, version: int) -> tuple[Plan, bytes]:
    """The plan and the tag section of the header, which is part of the payload."""
    found = definition("response", api_key)
    # A client cannot know whether the broker understood its ApiVersions request, so the header of
    # that reply never became flexible (KIP-511).
    has_tags = found.api_key != API_VERSIONS_KEY and found.flexible.has(version)
    return plan(found.name, version), EMPTY_TAG_SECTION if has_tags else b""


# Requests.


def decode_request_header(frame: Buffer) -> tuple[RequestHeader, int]:
    """Return the header and where the body begins. `frame` is what follows the size.

    A version that Kafka does not have is no error here: ApiVersions answers those.
    """
    try:
        api_key, version = API_KEY_AND_VERSION.unpack_from(frame)
    except struct.error:
        raise ProtocolError("RequestHeader: ends early") from None
    header_version = 2 if is_flexible(api_key, version) else 1
    header, end = plan("RequestHeader", header_version).decode(frame, 0, REQUEST_VALUES_MAX)
    return cast("RequestHeader", header), end


def decode_request(api_key: int, version: int, body: Buffer) -> Message:
    """Return the request. `body` is what follows the header, to the end of the frame.

    Bytes behind the request are ignored, as Kafka 4.3 ignores them (tried with Metadata 4 to 12
    and ApiVersions 3).
    """
    return request_plan(api_key, version).decode(body, 0, REQUEST_VALUES_MAX)[0]


def encode_request(
    api_key: int, version: int, request: Message, *, correlation_id: int, client_id: str | None
) -> bytes:
    """Return the whole frame, its size included."""
    from meghna.protocol.messages import RequestHeader  # noqa: PLC0415 (made on first use)

    header = RequestHeader(api_key, version, correlation_id, client_id)
    header_version = 2 if is_flexible(api_key, version) else 1
    prefix = plan("RequestHeader", header_version).encode(header, b"")
    frame = request_plan(api_key, version).encode(request, prefix)
    return len(frame).to_bytes(4, "big") + frame


# Replies.


def encode_response(api_key: int, version: int, response: Message) -> bytes:
    """Return the payload: what follows the correlation id, to the end of the frame."""
    made, tags = response_plan(api_key, version)
    return made.encode(response, tags)


def decode_response(api_key: int, version: int, payload: Buffer) -> Message:
    """Return the reply. `payload` is what follows the correlation id, to the end of the frame."""
    made, tags = response_plan(api_key, version)
    start = RESPONSE_TAGS.decode(payload, 0, 0)[1] if tags else 0
    return decode_all(made, payload, start, RESPONSE_VALUES_MAX)


# Records of the coordinators and of the metadata log.


def encode_record(name: str, version: int, value: Message) -> bytes:
    """Return a whole record key or value: its id and version, then its fields.

    `name` is the message's (`"OffsetCommitValue"`, `"TopicRecord"`). A `data` message has nothing
    before its fields.
    """
    return plan(name, version).encode(value, record_prefix(name, version))


def decode_record(name: str, version: int | None, data: Buffer) -> Message:
    """Return a record key or value; the inverse of `encode_record`.

    With `version` None the version is the one that the record begins with. Raises ProtocolError
    too when the record begins with another id or version than those asked for.
    """
    if version is None:
        version = record_version(name, data)
    prefix = record_prefix(name, version)
    if bytes(memoryview(data)[: len(prefix)]) != prefix:
        raise ProtocolError(f"{name} v{version}: begins with another id or version")
    return decode_all(plan(name, version), data, len(prefix), REQUEST_VALUES_MAX)


def decode_coordinator_record(
    coordinator: str, key: Buffer, value: Buffer | None
) -> tuple[str, Message, Message | None]:
    """Return the record's name (`"OffsetCommit"`), its key, and its value or None: a tombstone.

    `coordinator` is group, transaction or share. Raises ProtocolError also where the record id or
    the value's version is unknown.
    """
    record_id = read_int16(f"{coordinator} record key", key)
    key_name = definition(f"{coordinator}-key", record_id).name
    value_name = definition(f"{coordinator}-value", record_id).name
    return (
        key_name.removesuffix("Key"),
        decode_record(key_name, None, key),
        None if value is None else decode_record(value_name, None, value),
    )


def decode_metadata_record(data: Buffer) -> tuple[str, int, Message]:
    """Return a metadata record's name (`"TopicRecord"`), version and value."""
    record_id, version = metadata_prefix(data)
    name = definition("metadata", record_id).name
    return name, version, decode_record(name, version, data)


def record_prefix(name: str, version: int) -> bytes:
    found = table.message(name)
    if found is None:
        raise KeyError(name)
    if found.kind.endswith("metadata"):
        numbers = (RECORD_FRAME_VERSION, found.api_key, version)
        return b"".join(map(uvarint, numbers))
    if found.kind.endswith("-key"):
        return found.api_key.to_bytes(2, "big")
    if found.kind.endswith("-value"):
        return version.to_bytes(2, "big")
    return b""


def record_version(name: str, data: Buffer) -> int:
    found = table.message(name)
    if found is None:
        raise KeyError(name)
    if found.kind.endswith("metadata"):
        return metadata_prefix(data)[1]
    if found.kind.endswith("-value"):
        return read_int16(name, data)
    return found.versions.last  # A key has one version, which is not written.


def metadata_prefix(data: Buffer) -> tuple[int, int]:
    """The record id and version of a metadata record. Both fit one byte in any Kafka so far."""
    view = memoryview(data)
    prefix = bytes(view[:3])
    if len(prefix) < 3 or prefix[0] != RECORD_FRAME_VERSION or max(prefix) > 0x7F:
        raise ProtocolError("metadata record: its frame is of another version")
    return prefix[1], prefix[2]


def read_int16(what: str, data: Buffer) -> int:
    view = memoryview(data)
    if view.nbytes < 2:
        raise ProtocolError(f"{what}: ends early")
    return int.from_bytes(view[:2], "big", signed=True)


def uvarint(value: int) -> bytes:
    assert 0 <= value <= 0x7F, value
    return bytes((value,))


# Fields alone.


def encode_fields(version: int, value: Message) -> bytes:
    """Return a message's fields, with nothing before them."""
    return plan(type(value).__name__, version).encode(value, b"")


def decode_fields(cls: type[MessageT], version: int, data: Buffer) -> MessageT:
    """Return the message of that class whose fields `data` is."""
    return cast("MessageT", decode_all(plan(cls.__name__, version), data, 0, REQUEST_VALUES_MAX))


def decode_all(made: Plan, data: Buffer, start: int, values_max: int) -> Message:
    value, end = made.decode(data, start, values_max)
    left = memoryview(data).nbytes - end
    if left:
        raise ProtocolError(f"{made.label}: {left} bytes are left over")
    return value
