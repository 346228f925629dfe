"""Plans: which fields a version has, and what they are there."""

from __future__ import annotations

import pytest

from meghna.errors import ProtocolError
from meghna.protocol.messages import MetadataRequest, MetadataRequestTopic
from meghna.protocol.plans import plan
from protocol.random_values import all_versions


def test_a_plan_is_made_once() -> None:
    assert plan("MetadataRequest", 12) is plan("MetadataRequest", 12)
    assert plan("MetadataRequest", 12) is not plan("MetadataRequest", 11)


def test_a_plan_knows_its_class_and_says_what_it_is() -> None:
    assert plan("MetadataRequest", 12).cls is MetadataRequest
    assert plan("MetadataRequest", 12).label == "MetadataRequest v12"


def test_versions_that_kafka_lacks_are_refused() -> None:
    for version in (-1, 14, 32767):
        with pytest.raises(ProtocolError, match=f"MetadataRequest has no version {version}"):
            plan("MetadataRequest", version)


def test_an_unknown_message_is_a_bug() -> None:
    with pytest.raises(KeyError):
        plan("NoSuchRequest", 0)


def test_every_version_of_every_message_has_a_plan() -> None:
    versions = list(all_versions())
    assert len(versions) > 700
    for definition, version in versions:
        assert plan(definition.name, version).size_min >= 0


def test_the_smallest_size_is_the_size_of_empty_fields() -> None:
    nulls = MetadataRequest(topics=None)
    assert plan("MetadataRequest", 1).size_min == len(plan("MetadataRequest", 1).encode(nulls, b""))
    # A compact null array, two bools and the tag section.
    assert plan("MetadataRequest", 12).size_min == 4


def test_a_field_moves_into_the_version_that_has_it() -> None:
    topic = MetadataRequest(topics=[MetadataRequestTopic(name="a")])
    assert plan("MetadataRequest", 4).encode(topic, b"") == b"\0\0\0\1\0\1a\1"
    assert plan("MetadataRequest", 9).encode(topic, b"") == b"\2\2a\0\1\0\0\0"
    assert plan("MetadataRequest", 12).encode(topic, b"") == b"\2" + bytes(16) + b"\2a\0\1\0\0"
