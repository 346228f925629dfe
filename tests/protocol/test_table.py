"""The table of messages: what it says, how it is read, and that Kafka's jars still say it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from meghna.protocol import table
from meghna.protocol.table import Versions

ROOT = Path(__file__).parents[2]
KAFKA_LIBS = Path(os.environ.get("MEGHNA_KAFKA_LIBS", ROOT / "build" / "kafka" / "libs"))


def found(name: str) -> table.Definition:
    definition = table.message(name)
    assert definition is not None
    return definition


def test_a_message_is_read_with_its_structs() -> None:
    metadata = found("MetadataRequest")
    assert metadata.kind == "request"
    assert metadata.api_key == 3
    assert metadata.versions == (0, 13)
    assert metadata.flexible == (9, table.VERSION_MAX)
    assert metadata.listeners == ("broker",)
    assert list(metadata.structs) == ["MetadataRequest", "MetadataRequestTopic"]
    topics = metadata.structs["MetadataRequest"][0]
    assert (topics.name, topics.type, topics.is_array) == ("topics", "MetadataRequestTopic", True)
    assert topics.nullable == (1, table.VERSION_MAX)


def test_a_message_is_found_by_key_and_by_the_class_of_a_struct() -> None:
    assert table.message_with_key("response", 3) is found("MetadataResponse")
    assert table.message_with_class("MetadataResponseTopic") is found("MetadataResponse")
    assert table.message_with_class("MetadataResponse") is found("MetadataResponse")


def test_what_kafka_does_not_have_is_not_found() -> None:
    assert table.message("LeaderAndIsrRequest") is None  # removed in Kafka 4.0
    assert table.message("MetadataRequestTopic") is None
    assert table.message_with_key("request", 4) is None
    assert table.message_with_key("request", -1) is None
    assert table.message_with_class("topics") is None
    assert table.message_with_class("") is None


def test_every_request_has_its_response_in_the_same_versions() -> None:
    requests = [found(name) for name in table.messages() if name.endswith("Request")]
    assert len(requests) == 89
    for request in requests:
        response = table.message_with_key("response", request.api_key)
        assert response is not None
        assert response.versions == request.versions, request.name
        assert response.flexible == request.flexible, request.name


def test_class_names_are_unique() -> None:
    names = table.class_names()
    assert len(names) == len(set(names))


def test_the_one_unstable_version_is_marked() -> None:
    unstable = [name for name in table.messages() if found(name).is_latest_unstable]
    assert unstable == ["InitProducerIdRequest"]


@pytest.mark.parametrize(
    ("word", "versions"),
    [("none", (0, -1)), ("3", (3, 3)), ("0-4", (0, 4)), ("9+", (9, table.VERSION_MAX))],
)
def test_versions_are_closed_ranges(word: str, versions: tuple[int, int]) -> None:
    parsed = table.parse_versions(word)
    assert parsed == versions
    assert not parsed.has(versions[0] - 1)
    assert parsed.has(versions[1]) == (word != "none")
    assert Versions(2, 1).has(1) is Versions(2, 1).has(2) is False


@pytest.mark.skipif(
    not (KAFKA_LIBS / "kafka-clients-4.3.0.jar").exists(), reason="needs Kafka's jars"
)
def test_the_committed_table_is_what_the_jars_say() -> None:
    script = ROOT / "tools" / "derive_messages.py"
    command = [sys.executable, str(script), "--libs", str(KAFKA_LIBS), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
