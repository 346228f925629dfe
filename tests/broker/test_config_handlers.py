"""DescribeConfigsRequest, IncrementalAlterConfigsRequest, AlterConfigsRequest and
ListConfigResourcesRequest.

The answers are those of Apache Kafka 4.3.0 to the same requests.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from broker.running import ask, create, running
from meghna.broker import alterations, loggers, resources
from meghna.broker.settings import Settings
from meghna.config import load
from meghna.errors import ErrorCode
from meghna.metadata.image import Image
from meghna.metadata.records import ConfigChanged
from meghna.protocol import messages as m

if TYPE_CHECKING:
    from pathlib import Path

    from meghna.broker.broker import Broker

TOPIC, BROKER, LOGGER, GROUP = 2, 4, 8, 32
SET, DELETE, APPEND, SUBTRACT = range(4)


async def described(broker: Broker, kind: int, name: str, *keys: str, version: int = 4) -> Any:
    answer = await ask(
        broker, "describe_configs", version,
        resources=[m.DescribeConfigsResource(kind, name, keys or None)],
        include_synonyms=True, include_documentation=version >= 3,
    )  # fmt: skip
    (result,) = answer.results
    return result


async def altered(
    broker: Broker, kind: int, name: str, *changes: tuple[str, int, str | None], dry: bool = False
) -> int:
    configs = [m.IncrementalAlterConfigsRequestAlterableConfig(*change) for change in changes]
    resource = m.IncrementalAlterConfigsRequestAlterConfigsResource(kind, name, configs)
    answer = await ask(
        broker, "incremental_alter_configs", 1, resources=[resource], validate_only=dry
    )
    code: int = answer.responses[0].error_code
    return code


def told(result: Any) -> dict[str, tuple[str | None, int]]:
    return {config.name: (config.value, config.config_source) for config in result.configs}


@pytest.mark.parametrize("version", range(1, 5))
async def test_a_topic_is_described_in_every_version(tmp_path: Path, version: int) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t", retention_ms="5", cleanup_policy="delete, compact")
        result = await described(broker, TOPIC, "t", version=version)
        assert (result.error_code, len(result.configs)) == (0, 33)
        values = told(result)
        assert values["retention.ms"] == ("5", 1)
        assert values["cleanup.policy"] == ("delete,compact", 1)
        assert values["segment.bytes"] == ("1073741824", 5)
        assert values["min.insync.replicas"] == ("1", 3)
        synonyms = {c.name: [tuple(s) for s in c.synonyms] for c in result.configs}
        assert synonyms["segment.bytes"] == [("log.segment.bytes", "1073741824", 5)]
        assert synonyms["retention.ms"] == [("retention.ms", "5", 1)]
        assert synonyms["segment.ms"] == []
        kinds = {c.name: (c.config_type, c.documentation) for c in result.configs}
        if version >= 3:
            assert kinds["retention.ms"][0] == 5
            assert "-1 keeps" in kinds["retention.ms"][1]


async def test_a_broker_and_all_brokers_are_described(tmp_path: Path) -> None:
    async with running(tmp_path, {"log.retention.hours": "24"}) as broker:
        result = await described(broker, BROKER, "1")
        assert (result.error_code, len(result.configs)) == (0, 340)
        configs = {config.name: config for config in result.configs}
        hours = configs["log.retention.hours"]
        assert (hours.value, hours.config_source, hours.read_only) == ("24", 4, True)
        assert [tuple(s) for s in hours.synonyms] == [
            ("log.retention.hours", "24", 4), ("log.retention.hours", "168", 5),
        ]  # fmt: skip
        assert (configs["log.retention.ms"].value, configs["log.retention.ms"].synonyms) == (
            None,
            (),
        )
        assert configs["ssl.keystore.password"].is_sensitive
        assert configs["listeners"].value == "PLAINTEXT://127.0.0.1:0"
        assert told(await described(broker, BROKER, "")) == {"min.insync.replicas": ("1", 3)}
        result = await described(broker, BROKER, "1", "num.partitions", "nonsense")
        assert told(result) == {"num.partitions": ("1", 5)}
        assert told(await described(broker, LOGGER, "1", "root"))["root"][1] == 6


@pytest.mark.parametrize(
    ("kind", "name", "code"),
    [
        (TOPIC, "none", 3), (TOPIC, "", 17), (TOPIC, "bad name", 17), (BROKER, "2", 42),
        (BROKER, "x", 42), (LOGGER, "", 42), (LOGGER, "2", 42), (3, "", 42), (127, "x", 42),
        (16, "x", 42), (GROUP, "", 42),
    ],
)  # fmt: skip
async def test_what_cannot_be_described(tmp_path: Path, kind: int, name: str, code: int) -> None:
    async with running(tmp_path) as broker:
        assert (await described(broker, kind, name)).error_code == code


async def test_an_unknown_kind_refuses_the_whole_request(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        asked = [m.DescribeConfigsResource(kind, "t", None) for kind in (TOPIC, 3)]
        answer = await ask(broker, "describe_configs", 4, resources=asked)
        assert [result.error_code for result in answer.results] == [42, 42]


async def test_a_change_takes_effect_on_what_runs_and_survives(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        assert await altered(broker, TOPIC, "t", ("retention.ms", SET, "5"), dry=True) == 0
        assert broker.topics.config("t").retention_ms == 604800000
        assert await altered(broker, TOPIC, "t", ("retention.ms", SET, "5")) == 0
        assert broker.topics.config("t").retention_ms == 5
        assert await altered(broker, BROKER, "", ("message.max.bytes", SET, "5000")) == 0
        assert broker.topics.config("t").max_message_bytes == 5000
        assert told(await described(broker, TOPIC, "t"))["max.message.bytes"] == ("5000", 3)
    async with running(tmp_path) as broker:
        assert broker.topics.config("t").retention_ms == 5
        assert await altered(broker, TOPIC, "t", ("retention.ms", DELETE, None)) == 0
        assert broker.topics.config("t").retention_ms == 604800000
        assert broker.topics.config("t").max_message_bytes == 5000


async def test_lists_are_added_to_and_taken_from(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        for operation, value, policy in (
            (APPEND, "compact", "delete,compact"),
            (APPEND, "compact", "delete,compact"),
            (SUBTRACT, "delete", "compact"),
            (SUBTRACT, "nothing", "compact"),
        ):
            assert await altered(broker, TOPIC, "t", ("cleanup.policy", operation, value)) == 0
            assert broker.image.config(TOPIC, "t")["cleanup.policy"] == policy


@pytest.mark.parametrize(
    ("kind", "name", "change", "code"),
    [
        (TOPIC, "t", ("retention.ms", SET, "x"), ErrorCode.INVALID_CONFIG),
        (TOPIC, "t", ("retention.ms", APPEND, "5"), ErrorCode.INVALID_CONFIG),
        (TOPIC, "t", ("retention.ms", SET, None), ErrorCode.INVALID_REQUEST),
        (TOPIC, "t", ("retention.ms", 7, "5"), ErrorCode.UNKNOWN_SERVER_ERROR),
        (TOPIC, "t", ("foo", SET, "5"), ErrorCode.INVALID_CONFIG),
        (TOPIC, "t", ("foo", DELETE, None), ErrorCode.NONE),
        (TOPIC, "none", ("retention.ms", SET, "5"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "none", ("retention.ms", SET, "x"), ErrorCode.INVALID_CONFIG),
        (TOPIC, "", ("retention.ms", SET, "5"), ErrorCode.INVALID_REQUEST),
        (TOPIC, "bad name", ("retention.ms", SET, "5"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (BROKER, "1", ("num.partitions", SET, "2"), ErrorCode.INVALID_REQUEST),
        (BROKER, "", ("listeners", SET, "PLAINTEXT://:1"), ErrorCode.INVALID_REQUEST),
        (BROKER, "1", ("ssl.keystore.password", SET, "x"), ErrorCode.INVALID_REQUEST),
        (BROKER, "1", ("sasl.kerberos.min.time.before.relogin", SET, "58000"), ErrorCode.NONE),
        (BROKER, "1", ("log.retention.ms", SET, "x"), ErrorCode.INVALID_REQUEST),
        (BROKER, "2", ("log.retention.ms", SET, "5"), ErrorCode.INVALID_REQUEST),
        (BROKER, "x", ("log.retention.ms", SET, "5"), ErrorCode.INVALID_REQUEST),
        (BROKER, "1", ("min.insync.replicas", SET, "1"), ErrorCode.INVALID_CONFIG),
        (BROKER, "", ("min.insync.replicas", DELETE, None), ErrorCode.INVALID_CONFIG),
        (BROKER, "1", ("log.retention.ms", SET, "5"), ErrorCode.NONE),
        (BROKER, "1", ("foo", SET, "5"), ErrorCode.NONE),
        (LOGGER, "1", ("nope", SET, "INFO"), ErrorCode.INVALID_CONFIG),
        (LOGGER, "1", ("root", SET, "LOUD"), ErrorCode.INVALID_CONFIG),
        (LOGGER, "1", ("root", DELETE, None), ErrorCode.INVALID_REQUEST),
        (LOGGER, "1", ("root", APPEND, "INFO"), ErrorCode.INVALID_REQUEST),
        (LOGGER, "2", ("root", SET, "INFO"), ErrorCode.INVALID_REQUEST),
        (3, "x", ("a", SET, "1"), ErrorCode.INVALID_REQUEST),
        (GROUP, "", ("consumer.session.timeout.ms", SET, "46000"), ErrorCode.INVALID_REQUEST),
        (GROUP, "g", ("consumer.session.timeout.ms", SET, "46000"), ErrorCode.NONE),
        (GROUP, "g", ("consumer.session.timeout.ms", SET, "x"), ErrorCode.INVALID_CONFIG),
        (GROUP, "g", ("consumer.session.timeout.ms", SET, "1"), ErrorCode.INVALID_CONFIG),
        (GROUP, "g", ("consumer.session.timeout.ms", SET, "70000"), ErrorCode.INVALID_CONFIG),
        (GROUP, "g", ("consumer.session.timeout.ms", APPEND, "1"), ErrorCode.INVALID_CONFIG),
        (GROUP, "g", ("group.consumer.session.timeout.ms", SET, "46000"), ErrorCode.INVALID_CONFIG),
        (GROUP, "g", ("foo", DELETE, None), ErrorCode.NONE),
        (GROUP, "g", ("streams.num.standby.replicas", SET, "3"), ErrorCode.INVALID_CONFIG),
        (GROUP, "g", ("share.auto.offset.reset", SET, "by_duration:PT1H"), ErrorCode.NONE),
        (GROUP, "g", ("share.auto.offset.reset", SET, "by_duration:x"), ErrorCode.INVALID_CONFIG),
        (GROUP, "g", ("share.auto.offset.reset", SET, "EARLIEST"), ErrorCode.INVALID_CONFIG),
    ],
)  # fmt: skip
async def test_changes_are_judged_as_by_kafka(
    tmp_path: Path, kind: int, name: str, change: tuple[str, int, str | None], code: ErrorCode
) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        assert await altered(broker, kind, name, change, dry=True) == code


async def test_a_value_that_no_record_holds_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        long = ",".join(["0:1"] * alterations.VALUE_SIZE_MAX)
        change = alterations.Alteration(
            (TOPIC, "t"), {"leader.replication.throttled.replicas": long}
        )
        fault = alterations.alteration_fault(broker, change)
        assert fault is not None
        assert fault.code is ErrorCode.INVALID_CONFIG


async def test_a_resource_or_a_key_twice_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t")
        twice = (("retention.ms", SET, "5"), ("retention.ms", SET, "6"))
        assert await altered(broker, TOPIC, "t", *twice) == 42
        for name, kind in (
            ("incremental_alter_configs", m.IncrementalAlterConfigsRequestAlterConfigsResource),
            ("alter_configs", m.AlterConfigsRequestAlterConfigsResource),
        ):
            answer = await ask(broker, name, 0, resources=[kind(TOPIC, "t", ())] * 2)
            assert [response.error_code for response in answer.responses] == [42, 42]


async def test_levels_of_loggers(tmp_path: Path) -> None:
    before = logging.getLogger("meghna").level
    async with running(tmp_path) as broker:
        try:
            assert await altered(broker, LOGGER, "1", ("meghna", SET, "TRACE")) == 0
            assert loggers.level("meghna") == "DEBUG"
            assert await altered(broker, LOGGER, "1", ("meghna", SET, "WARN")) == 0
            assert told(await described(broker, LOGGER, "1"))["meghna"] == ("WARN", 6)
        finally:
            logging.getLogger("meghna").setLevel(before)


@pytest.mark.parametrize("version", range(3))
async def test_alter_replaces_all_settings(tmp_path: Path, version: int) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "t", retention_ms="5", segment_ms="6")

        async def alter(name: str, *configs: tuple[str, str | None], kind: int = TOPIC) -> int:
            pairs = [m.AlterConfigsRequestAlterableConfig(*pair) for pair in configs]
            resource = m.AlterConfigsRequestAlterConfigsResource(kind, name, pairs)
            answer = await ask(broker, "alter_configs", version, resources=[resource])
            code: int = answer.responses[0].error_code
            return code

        assert await alter("t", ("segment.ms", "7")) == 0
        assert broker.image.config(TOPIC, "t") == {"segment.ms": "7"}
        assert await alter("t", ("segment.ms", None)) == 42
        assert await alter("t", ("foo", "1")) == ErrorCode.INVALID_CONFIG
        assert await alter("none", ("segment.ms", "1")) == 3
        assert await alter("1", kind=LOGGER) == 42
        assert await alter("", kind=BROKER) == ErrorCode.INVALID_CONFIG
        assert await alter("t") == 0
        assert broker.image.config(TOPIC, "t") == {}


async def test_a_groups_settings_are_kept_whether_it_exists_or_not(tmp_path: Path) -> None:
    key = "consumer.session.timeout.ms"
    async with running(tmp_path) as broker:
        assert len((await described(broker, GROUP, "g")).configs) == 17
        assert told(await described(broker, GROUP, "g", key, "foo")) == {key: ("45000", 5)}
        assert await altered(broker, GROUP, "g", (key, SET, "46000")) == 0
        answer = await ask(broker, "list_config_resources", 1, resource_types=[GROUP])
        assert [tuple(r) for r in answer.config_resources] == [("g", GROUP)]
    async with running(tmp_path) as broker:
        (config,) = (await described(broker, GROUP, "g", key)).configs
        assert (config.value, config.config_source) == ("46000", 8)
        assert [tuple(synonym) for synonym in config.synonyms] == [
            (key, "46000", 8), ("group.consumer.session.timeout.ms", "45000", 5),
        ]  # fmt: skip
        (config,) = (await described(broker, GROUP, "g", "share.isolation.level")).configs
        assert [tuple(synonym) for synonym in config.synonyms] == [
            ("share.isolation.level", "read_uncommitted", 5)
        ]
        assert await altered(broker, GROUP, "g", (key, DELETE, None)) == 0
        assert told(await described(broker, GROUP, "g", key)) == {key: ("45000", 5)}


async def test_resources_are_listed(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await create(broker, "a", "b")
        answer = await ask(broker, "list_config_resources", 0)
        assert not answer.config_resources
        answer = await ask(broker, "list_config_resources", 1)
        assert {tuple(r) for r in answer.config_resources} == {
            ("1", LOGGER), ("1", BROKER), ("a", TOPIC), ("b", TOPIC),
        }  # fmt: skip
        answer = await ask(broker, "list_config_resources", 1, resource_types=[TOPIC])
        assert len(answer.config_resources) == 2
        answer = await ask(broker, "list_config_resources", 1, resource_types=[3])
        assert answer.error_code == ErrorCode.UNSUPPORTED_VERSION


async def test_a_name_that_is_no_broker_is_told_why(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        code, message = resources.broker_fault(broker, "2", may_be_empty=True)
        assert (code, message) == (42, "Unexpected broker id, expected 1 or empty string, but "
                                       "received 2")  # fmt: skip
        assert resources.broker_fault(broker, "1", may_be_empty=False)[0] is ErrorCode.NONE


def test_the_nearest_of_four_places_decides(tmp_path: Path) -> None:
    config = load({"message.max.bytes": "1"}, data_directory=str(tmp_path))
    image = Image()
    assert Settings(config, image).by_key()["message.max.bytes"] == "1"
    image = image.apply([ConfigChanged(BROKER, "", "message.max.bytes", "2")])
    assert Settings(config, image).by_key()["message.max.bytes"] == "2"
    image = image.apply([ConfigChanged(BROKER, "1", "message.max.bytes", "3")])
    settings = Settings(config, image)
    (entry,) = settings.broker_entries(["message.max.bytes"])
    assert (entry.value, entry.source) == ("3", 2)
    assert [s.source for s in entry.synonyms] == [2, 3, 4, 5]
    assert settings.running_config().static == config.static
