"""The table of keys, and values checked with the messages that Kafka 4.3 gives."""

from __future__ import annotations

import pytest

from meghna.config_keys import Key, format_value, nearest, parse_value, table
from meghna.errors import ConfigError, ErrorCode


def test_the_table_has_what_kafka_describes() -> None:
    keys = table()
    assert sum(key.is_described for key in keys.broker.values()) == 340
    assert sum(key.is_described for key in keys.topic.values()) == 33
    assert keys.topic["retention.ms"].synonyms == (
        "log.retention.ms",
        "log.retention.minutes",
        "log.retention.hours",
    )
    assert keys.broker["ssl.keystore.password"].is_sensitive
    assert keys.broker["node.id"].required
    assert keys.broker["log.roll.ms"].default is None
    assert keys.broker["authorizer.class.name"].default == ""


def test_every_default_is_a_value_of_its_key_and_is_written_as_it_stands() -> None:
    for key in [*table().broker.values(), *table().topic.values()]:
        assert format_value(key, parse_value(key, key.default)) == key.default, key.name


def test_every_topic_synonym_is_a_broker_key() -> None:
    for key in table().topic.values():
        assert all(synonym in table().broker for synonym in key.synonyms), key.name


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("retention.ms", "x", "Invalid value x for configuration retention.ms: "
         "Not a number of type LONG"),
        ("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: "
         "Value must be at least -1"),
        ("segment.bytes", "99999999999", "Invalid value 99999999999 for configuration "
         "segment.bytes: Not a number of type INT"),
        ("segment.bytes", "1_000_000_000", "Invalid value 1_000_000_000 for configuration "
         "segment.bytes: Not a number of type INT"),
        ("min.cleanable.dirty.ratio", "2", "Invalid value 2.0 for configuration "
         "min.cleanable.dirty.ratio: Value must be no more than 1"),
        ("preallocate", "yes", "Invalid value yes for configuration preallocate: "
         "Expected value to be either true or false"),
        ("cleanup.policy", "x", "Invalid value x for configuration cleanup.policy: "
         "String must be one of: compact, delete"),
        ("message.timestamp.type", "createtime", "Invalid value createtime for configuration "
         "message.timestamp.type: String must be one of: CreateTime, LogAppendTime"),
        ("compression.gzip.level", "0", "Invalid value 0 for configuration "
         "compression.gzip.level: Value must be between 1 and 9 or equal to -1"),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_in_kafkas_words(name: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_value(table().topic[name], value)
    assert str(raised.value) == message
    assert raised.value.code is ErrorCode.INVALID_CONFIG


@pytest.mark.parametrize(
    ("name", "value", "meant"),
    [
        ("retention.ms", " 5 ", 5),
        ("max.message.bytes", "+5", 5),
        ("preallocate", "TRUE", True),
        ("cleanup.policy", "delete, compact", ("delete", "compact")),
        ("cleanup.policy", "", ()),
        ("cleanup.policy", "delete,delete", ("delete", "delete")),
        ("compression.gzip.level", "-1", -1),
        ("retention.bytes", "-9", -9),
        ("leader.replication.throttled.replicas", "*", ("*",)),
        ("leader.replication.throttled.replicas", "0:1,1:1", ("0:1", "1:1")),
    ],
)
def test_what_kafka_takes_is_taken(name: str, value: str, meant: object) -> None:
    assert parse_value(table().topic[name], value) == meant


def test_replicas_to_throttle_have_a_form() -> None:
    with pytest.raises(ConfigError, match="must be the literal"):
        parse_value(table().topic["leader.replication.throttled.replicas"], "x")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, "0.5"),
        (1.0, "1.0"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (1e7, "1.0E7"),
        (123456789.5, "1.234567895E8"),
        (0.0001, "1.0E-4"),
        (9999999.0, "9999999.0"),
    ],
)
def test_doubles_are_written_as_java_does(value: float, text: str) -> None:
    key = Key("x", "double", None, False, "*", "static", (), "")
    assert format_value(key, value) == text


def test_a_slip_has_a_nearest_name() -> None:
    assert nearest("num.partition", list(table().broker)) == "num.partitions"
    assert nearest("qqqq", list(table().broker)) is None
