"""Other people's codecs as oracles: what ours writes, theirs read and write back, byte for byte.

kio has every API and version; kafka-python the client's APIs; Kafka's own generated classes every
message, the records too, where its jars and a Java are at hand. kio's values are compared as well,
so that two fields of one type cannot be swapped.
"""

from __future__ import annotations

import datetime
import enum
import importlib
import io
import os
import pkgutil
import random
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import kafka.protocol
import pytest
from kafka.protocol.api_message import ApiMessage
from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer

from meghna.protocol.plans import plan
from protocol.random_values import all_versions, random_message

if TYPE_CHECKING:
    from meghna.protocol import table

ROOT = Path(__file__).parents[2]
KAFKA_LIBS = Path(os.environ.get("MEGHNA_KAFKA_LIBS", ROOT / "build" / "kafka" / "libs"))
HAS_KAFKA = (KAFKA_LIBS / "kafka-clients-4.3.0.jar").exists() and shutil.which("java") is not None
MESSAGES_EACH = 5

# kafka-python reads this reply by guessing its version, and keeps no later one.
NOT_KAFKA_PYTHON = {"ApiVersionsResponse"}


# kio.


def test_kio_reads_and_writes_the_same_bytes_and_values() -> None:
    rng = random.Random(11)
    compared = 0
    for definition, version in all_versions("request", "response"):
        is_request = definition.kind == "request"
        load = load_request_schema if is_request else load_response_schema
        schema = load(definition.api_key, version)
        read, write = entity_reader(schema), entity_writer(schema)
        for _ in range(MESSAGES_EACH):
            message = random_message(rng, definition, version, tame=True)
            data = plan(definition.name, version).encode(message, b"")
            entity, size = read(data, 0)
            assert size == len(data)
            written = io.BytesIO()
            write(written, entity)
            assert written.getvalue() == data, (definition.name, version)
            assert_same(definition, version, message, entity)
            compared += 1
    assert compared > 3000


def assert_same(
    definition: table.Definition, version: int, ours: tuple[object, ...], theirs: object
) -> None:
    for field, value in zip(definition.structs[type(ours).__name__], ours, strict=True):
        name = field.name
        if not field.versions.has(version):
            continue
        # kio avoids builtins' names, and drops the unit where it makes a duration of a number.
        names = (name, f"{name}_", name.removesuffix("_ms"), name.replace("kraft", "k_raft"))
        other = getattr(theirs, next(each for each in names if hasattr(theirs, each)))
        if value is None:
            assert other is None, (definition.name, version, name)
            continue
        values = value if field.is_array and isinstance(value, tuple) else (value,)
        others = other if isinstance(other, tuple) else (other,)
        assert len(values) == len(others), (definition.name, version, name)
        for one, another in zip(values, others, strict=True):
            if isinstance(one, tuple):
                assert_same(definition, version, one, another)
            else:
                assert plain(another, field.type) == one, (definition.name, version, name)


def plain(value: object, kind: str) -> object:
    """Kio's value as ours."""
    if isinstance(value, uuid.UUID):
        return value.bytes
    if value is None and kind == "uuid":
        return bytes(16)
    if value is None and kind == "int64":
        return -1
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.timedelta):
        return value // datetime.timedelta(milliseconds=1)
    if isinstance(value, datetime.datetime):
        return round(value.timestamp() * 1000)
    return value


# kafka-python.


def kafka_python_classes() -> dict[str, type[ApiMessage]]:
    found = {}
    for module in pkgutil.walk_packages(kafka.protocol.__path__, "kafka.protocol."):
        if ".old" not in module.name and "generate" not in module.name:
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, type) and issubclass(value, ApiMessage):
                    found[name] = value
    return found


def test_kafka_python_reads_and_writes_the_same_bytes() -> None:
    rng = random.Random(12)
    classes = kafka_python_classes()
    compared = 0
    for definition, version in all_versions("request", "response"):
        theirs = classes.get(definition.name)
        if theirs is None or version > theirs.max_version or definition.name in NOT_KAFKA_PYTHON:
            continue
        for _ in range(MESSAGES_EACH):
            data = plan(definition.name, version).encode(
                random_message(rng, definition, version), b""
            )
            message = theirs.decode(data, version=version)
            message._header = None  # Its decoder leaves out what its encoder looks at.
            assert bytes(message.encode(version=version)) == data, (definition.name, version)
            compared += 1
    assert compared > 2000


# Kafka.


@pytest.mark.skipif(not HAS_KAFKA, reason="needs Kafka's jars and a Java")
def test_kafkas_own_classes_read_and_write_the_same_bytes() -> None:
    rng = random.Random(13)
    lines = []
    for definition, version in all_versions():
        for _ in range(MESSAGES_EACH):
            data = plan(definition.name, version).encode(
                random_message(rng, definition, version), b""
            )
            lines.append((definition.name, version, data.hex()))
    oracle = Path(__file__).with_name("KafkaOracle.java")
    answered = subprocess.run(
        ["java", "-cp", f"{KAFKA_LIBS}/*", str(oracle)],
        input="".join(f"{name} {version} {data}\n" for name, version, data in lines),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = answered.stdout.splitlines()
    assert len(answers) == len(lines)
    for line, answer in zip(lines, answers, strict=True):
        assert answer == line[2], line
