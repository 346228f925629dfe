"""The golden frames of the C wire tests are what kio, an independent codec, writes.

`native/tests/wire/golden_frames.h` holds one Produce and one Fetch request and reply of every
version, as hex, so that the C tests need no Python. This test makes them again and compares.
To write the file anew: `python tests/test_wire_golden.py`.
"""

from __future__ import annotations

import dataclasses
import datetime
import io
import struct
import types
import typing
import uuid
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

HEADER = Path(__file__).parent.parent / "native/tests/wire/golden_frames.h"
LINE_MAX = 100

PRODUCE_VERSIONS = range(3, 14)
FETCH_VERSIONS = range(4, 19)
FLEXIBLE_FROM = {"produce": 9, "fetch": 12}

Value = Mapping[str, object] | Sequence[object] | object

ALPHA = uuid.UUID(bytes=bytes(range(16)))
BETA = uuid.UUID(bytes=bytes(range(16, 32)))
DIRECTORY = uuid.UUID(bytes=bytes(range(32, 48)))

ENDPOINTS = (
    {"node_id": 2, "host": "host", "port": 9092, "rack": "rack"},
    {"node_id": 3, "host": "h", "port": 9093, "rack": None},
)

PRODUCE_REQUEST = {
    "transactional_id": "tx-1",
    "acks": -1,
    "timeout": datetime.timedelta(milliseconds=30_000),
    "topic_data": (
        {
            "name": "alpha",
            "topic_id": ALPHA,
            "partition_data": (
                {"index": 0, "records": b"records zero"},
                {"index": 7, "records": None},
            ),
        },
        {"name": "beta", "topic_id": BETA, "partition_data": ({"index": 3, "records": b""},)},
    ),
}

PRODUCE_REPLY = {
    "responses": (
        {
            "name": "alpha",
            "topic_id": ALPHA,
            "partition_responses": (
                {
                    "index": 0,
                    "error_code": 0,
                    "base_offset": 41,
                    "log_append_time": datetime.datetime.fromtimestamp(1_700_000_000, datetime.UTC),
                    "log_start_offset": 2,
                    "record_errors": (),
                    "error_message": None,
                },
                {
                    "index": 7,
                    "error_code": 87,
                    "base_offset": -1,
                    "log_append_time": None,
                    "log_start_offset": -1,
                    "record_errors": (
                        {"batch_index": 3, "batch_index_error_message": "bad"},
                        {"batch_index": 4, "batch_index_error_message": None},
                    ),
                    "error_message": "worse",
                },
            ),
        },
        {
            "name": "beta",
            "topic_id": BETA,
            "partition_responses": (
                {
                    "index": 3,
                    "error_code": 6,
                    "base_offset": -1,
                    "log_append_time": None,
                    "log_start_offset": -1,
                    "record_errors": (),
                    "error_message": None,
                    "current_leader": {"leader_id": 2, "leader_epoch": 9},
                },
            ),
        },
    ),
    "throttle_time": datetime.timedelta(milliseconds=5),
    "node_endpoints": ENDPOINTS,
}

FETCH_REQUEST = {
    "cluster_id": "c1",
    "replica_id": 5,
    "replica_state": {"replica_id": 5, "replica_epoch": 8},
    "max_wait": datetime.timedelta(milliseconds=500),
    "min_bytes": 1,
    "max_bytes": 52_428_800,
    "isolation_level": 1,
    "session_id": 12345,
    "session_epoch": 6,
    "topics": (
        {
            "topic": "alpha",
            "topic_id": ALPHA,
            "partitions": (
                {
                    "partition": 0,
                    "current_leader_epoch": 3,
                    "fetch_offset": 100,
                    "last_fetched_epoch": 2,
                    "log_start_offset": 10,
                    "partition_max_bytes": 1_048_576,
                    "replica_directory_id": DIRECTORY,
                    "high_watermark": 90,
                },
                {
                    "partition": 1,
                    "current_leader_epoch": -1,
                    "fetch_offset": 200,
                    "last_fetched_epoch": -1,
                    "log_start_offset": -1,
                    "partition_max_bytes": 64,
                },
            ),
        },
        {
            "topic": "beta",
            "topic_id": BETA,
            "partitions": (
                {
                    "partition": 5,
                    "current_leader_epoch": 1,
                    "fetch_offset": 0,
                    "last_fetched_epoch": -1,
                    "log_start_offset": -1,
                    "partition_max_bytes": 32,
                },
            ),
        },
    ),
    "forgotten_topics_data": (
        {"topic": "alpha", "topic_id": ALPHA, "partitions": (8, 9)},
        {"topic": "beta", "topic_id": BETA, "partitions": (1,)},
    ),
    "rack_id": "r1",
}

FETCH_REPLY = {
    "throttle_time": datetime.timedelta(milliseconds=6),
    "error_code": 0,
    "session_id": 12345,
    "responses": (
        {
            "topic": "alpha",
            "topic_id": ALPHA,
            "partitions": (
                {
                    "partition_index": 0,
                    "error_code": 0,
                    "high_watermark": 100,
                    "last_stable_offset": 90,
                    "log_start_offset": 1,
                    "aborted_transactions": (
                        {"producer_id": 1000, "first_offset": 50},
                        {"producer_id": 1001, "first_offset": 60},
                    ),
                    "preferred_read_replica": 3,
                    "records": b"RECORDS",
                },
                {
                    "partition_index": 1,
                    "error_code": 1,
                    "high_watermark": -1,
                    "last_stable_offset": -1,
                    "log_start_offset": -1,
                    "aborted_transactions": None,
                    "records": b"",
                },
            ),
        },
        {
            "topic": "beta",
            "topic_id": BETA,
            "partitions": (
                {
                    "partition_index": 5,
                    "error_code": 0,
                    "high_watermark": 7,
                    "last_stable_offset": 7,
                    "log_start_offset": 0,
                    "diverging_epoch": {"epoch": 4, "end_offset": 44},
                    "current_leader": {"leader_id": 2, "leader_epoch": 9},
                    "snapshot_id": {"end_offset": 33, "epoch": 3},
                    "aborted_transactions": (),
                    "records": None,
                },
            ),
        },
    ),
    "node_endpoints": ENDPOINTS,
}


def _struct_within(hint: object) -> type[object] | None:
    """The dataclass inside `X`, `X | None` or `tuple[X, ...]`, if there is one."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint
    if typing.get_origin(hint) in (tuple, typing.Union, types.UnionType):
        for inner in typing.get_args(hint):
            if (found := _struct_within(inner)) is not None:
                return found
    return None


def _build(kind: type[object], value: Mapping[str, object]) -> object:
    """An object of kio's with those of our fields that it has in this version."""
    hints = typing.get_type_hints(kind)
    fields = {}
    for name in hints.keys() & value.keys():
        given = value[name]
        inner = _struct_within(hints[name])
        if inner is None:
            fields[name] = _error(given) if name == "error_code" else given
        elif isinstance(given, Mapping):
            fields[name] = _build(inner, given)
        elif isinstance(given, Sequence):
            fields[name] = tuple(_build(inner, one) for one in given)
        else:
            fields[name] = given
    return kind(**fields)


def _error(code: object) -> object:
    error_code: Callable[[object], object] = import_module("kio.schema.errors").ErrorCode
    return error_code(code)


def _body(api: str, side: str, version: int, value: Mapping[str, object]) -> bytes:
    module = import_module(f"kio.schema.{api}.v{version}.{side}")
    kind = vars(module)[f"{api.capitalize()}{side.capitalize()}"]
    out = io.BytesIO()
    import_module("kio.serial").entity_writer(kind)(out, _build(kind, value))
    return out.getvalue()


def _reply_frame(api: str, version: int, value: Mapping[str, object], correlation: int) -> bytes:
    header = struct.pack(">i", correlation)
    if version >= FLEXIBLE_FROM[api]:
        header += b"\0"
    frame = header + _body(api, "response", version, value)
    return struct.pack(">i", len(frame)) + frame


def _array(name: str, frames: Mapping[int, bytes]) -> str:
    lines = [f"static const golden_frame {name}[] = {{"]
    for version, frame in frames.items():
        digits = frame.hex()
        room = LINE_MAX - 12
        chunks = [digits[i : i + room] for i in range(0, len(digits), room)]
        quoted = "\n".join(f'     "{chunk}"' for chunk in chunks)
        lines.append(f"    {{{version},\n{quoted}}},")
    return "\n".join([*lines, "};"])


def golden_header() -> str:
    arrays = [
        _array(
            "produce_requests",
            {v: _body("produce", "request", v, PRODUCE_REQUEST) for v in PRODUCE_VERSIONS},
        ),
        _array(
            "produce_replies",
            {v: _reply_frame("produce", v, PRODUCE_REPLY, 77) for v in PRODUCE_VERSIONS},
        ),
        _array(
            "fetch_requests",
            {v: _body("fetch", "request", v, FETCH_REQUEST) for v in FETCH_VERSIONS},
        ),
        _array(
            "fetch_replies",
            {v: _reply_frame("fetch", v, FETCH_REPLY, 78) for v in FETCH_VERSIONS},
        ),
    ]
    return (
        "/* golden_frames.h -- Produce and Fetch in every version, as an independent codec writes"
        " them.\n *\n"
        " * Made by tests/test_wire_golden.py, which also says what the fields hold. Requests are"
        "\n * bodies; replies are whole frames. Not to be edited.\n */\n"
        "#ifndef MG_TESTS_GOLDEN_FRAMES_H\n#define MG_TESTS_GOLDEN_FRAMES_H\n\n"
        "#include <stdint.h>\n\n"
        "typedef struct golden_frame {\n    int16_t version;\n    const char *hex;\n"
        "} golden_frame;\n\n" + "\n\n".join(arrays) + "\n\n#endif\n"
    )


def test_golden_frames_are_what_kio_writes() -> None:
    assert HEADER.read_text() == golden_header()


if __name__ == "__main__":
    HEADER.write_text(golden_header())
