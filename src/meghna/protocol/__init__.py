"""Kafka's protocol: messages as named tuples, and the codec between them and bytes.

`messages` has the classes, `wire` what surrounds a message on a socket or in a log; the names that
handlers, coordinators and clients need are here.
"""

from meghna.protocol.wire import (
    api_name,
    decode_coordinator_record,
    decode_fields,
    decode_metadata_record,
    decode_record,
    decode_request,
    decode_request_header,
    decode_response,
    encode_fields,
    encode_record,
    encode_request,
    encode_response,
    is_flexible,
)

__all__ = [
    "api_name",
    "decode_coordinator_record",
    "decode_fields",
    "decode_metadata_record",
    "decode_record",
    "decode_request",
    "decode_request_header",
    "decode_response",
    "encode_fields",
    "encode_record",
    "encode_request",
    "encode_response",
    "is_flexible",
]
