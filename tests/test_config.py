"""Settings from files, environment and options, and what they come to."""

from __future__ import annotations

import dataclasses

import pytest

from meghna.config import (
    BrokerConfig,
    TopicConfig,
    check_names,
    check_topic_settings,
    from_environment,
    from_properties,
    load,
    topic_config,
    with_overrides,
    without_effect,
)
from meghna.config_keys import table
from meghna.errors import ConfigError


def test_defaults_are_kafkas_but_for_where_we_listen_and_write() -> None:
    config = load({})
    assert (config.node_id, config.num_partitions, config.auto_create_topics_enable) == (1, 1, True)
    assert config.data_directories == ("meghna-data",)
    assert [(each.host, each.port) for each in config.listeners] == [("127.0.0.1", 9092)]
    assert config.reactors == 0


def test_every_field_is_a_key_or_one_of_ours() -> None:
    ours = {"static", "listeners", "data_directories", "cluster_id", "reactors"}
    names = {field.name.replace("_", ".") for field in dataclasses.fields(BrokerConfig)}
    assert names - set(table().broker) == {name.replace("_", ".") for name in ours} - {"listeners"}
    topic = {field.name.replace("_", ".") for field in dataclasses.fields(TopicConfig)}
    assert topic <= set(table().topic)


def test_a_compose_files_environment() -> None:
    # What the seed's compose file sets.
    settings, unknown = from_environment(
        {
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://localhost:9092",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@kafka:9093",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "KAFKA_LOG_DIRS": "data/kafka",
            "KAFKA_HEAP_OPTS": "-Xmx1G",
            "KAFKA_CLUSTERS_0_NAME": "local",
            "KAFKA_NO_SUCH_KEY": "1",
            "PATH": "/bin",
        }
    )
    assert unknown == ["KAFKA_NO_SUCH_KEY"]
    config = load(settings, cluster_id="MkU3OEVBNTcwNTJENDM2Qg")
    (listener,) = config.listeners
    assert (listener.name, listener.host, listener.port) == ("PLAINTEXT", "0.0.0.0", 9092)
    assert (listener.advertised_host, listener.advertised_port) == ("localhost", 9092)
    assert config.data_directories == ("data/kafka",)
    assert config.cluster_id == "MkU3OEVBNTcwNTJENDM2Qg"
    assert without_effect(config) == []


def test_kafkas_own_file_is_taken_without_a_warning() -> None:
    text = """
        process.roles=broker,controller
        node.id=1
        controller.quorum.bootstrap.servers=localhost:9093
        listeners=PLAINTEXT://:9092,CONTROLLER://:9093
        inter.broker.listener.name=PLAINTEXT
        advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
        controller.listener.names=CONTROLLER
        listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL
        log.dirs=kraft
    """
    config = load(from_properties(text, "f"))
    assert [each.name for each in config.listeners] == ["PLAINTEXT"]
    assert without_effect(config) == []


def test_what_does_nothing_here_is_named() -> None:
    settings = {
        "ssl.client.auth": "required",
        "ssl.keystore.location": "k",
        "ssl.protocol": "TLSv1.3",  # the default
        "ssl.key.password": "",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.plaintext.plain.sasl.jaas.config": "j",
        "listener.name.plaintext.max.connections": "5",
        "zookeeper.connect": "z:2181",
        "authorizer.class.name": " ",
    }
    assert without_effect(load(settings)) == [
        "listener.name.plaintext.plain.sasl.jaas.config",
        "sasl.enabled.mechanisms",
        "ssl.client.auth",
        "ssl.keystore.location",
        "zookeeper.connect",
    ]


def test_underscores_and_dashes_in_variables() -> None:
    settings, _ = from_environment({"KAFKA_LISTENER_NAME_A__B_SSL___X": "1"})
    assert settings == {"listener.name.a_b.ssl-x": "1"}


def test_properties_files_as_java_reads_them() -> None:
    text = "# note\n! note\n\na=b\\\n   c\nd : e\\=f\ng h\nk=\\u0041\\n\n  i  =  j \n"
    assert from_properties(text, "f") == {"a": "bc", "d": "e=f", "g": "h", "k": "A\n", "i": "j"}
    with pytest.raises(ConfigError, match="f: line 1"):
        from_properties("alone\n", "f")


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"f: unknown setting num.partition; did you mean num\."):
        check_names(["num.partition"], "f")
    with pytest.raises(ConfigError, match=r"the broker's for all topics is log\.segment\.delete\."):
        check_names(["file.delete.delay.ms"], "f")
    with pytest.raises(ConfigError, match=r"a topic's, and the broker has none"):
        check_names(["remote.storage.enable"], "f")
    with pytest.raises(ConfigError, match=r"did you mean log\.segment\.delete\.delay\.ms\?"):
        check_names(["file.delete.delay"], "f")
    check_names(["num.partitions", "zookeeper.connect", "listener.name.x.ssl.key.password"], "f")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"listeners": "SSL://:9092"}, "asks for SSL"),
        ({"listeners": "X://:1", "listener.security.protocol.map": "X:SASL_SSL"}, "SASL_SSL"),
        ({"listeners": "PLAINTEXT://:99999"}, "out of range"),
        ({"listeners": "localhost:9092"}, "not of the form NAME"),
        ({"listeners": "PLAINTEXT://:1,PLAINTEXT://:2"}, "twice"),
        ({"listeners": "C://:1", "controller.listener.names": "C"}, "none for the broker"),
        ({"log.dirs": " , "}, "names no directory"),
        ({"log.dirs": "a,./a"}, "twice"),
        ({"log.dirs": "a,b", "metadata.log.dir": "c"}, "one of log.dirs"),
        ({"node.id": "x"}, "Not a number"),
        ({"node.id": "1", "broker.id": "2"}, "different numbers"),
        ({"num.partitions": "0"}, "at least 1"),
        (
            {"listeners": "PLAINTEXT://:1", "advertised.listeners": "PLAINTEXT://0.0.0.0:1"},
            "cannot connect to 0.0.0.0",
        ),
        ({"authorizer.class.name": "x.Acl"}, r"^authorizer.class.name: access control is not serv"),
        ({"process.roles": "controller"}, "process.roles: 'controller' has no broker"),
        ({"process.roles": ""}, "process.roles: '' has no broker"),
        (
            {"listeners": "PLAINTEXT://:1", "advertised.listeners": "OUT://a:1,PLAINTEXT://a:1"},
            "advertised.listeners: OUT is not one of listeners",
        ),
        ({"listeners": "SECURE://:1"}, "SECURE is not in listener.security.protocol.map"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(settings)


def test_options_go_before_settings() -> None:
    config = load(
        {"listeners": "PLAINTEXT://:1", "advertised.listeners": "PLAINTEXT://a:1", "log.dirs": "x"},
        listen="[::1]:5",
        data_directory="y",
    )
    (listener,) = config.listeners
    assert (listener.host, listener.port, listener.advertised_host) == ("::1", 5, "::1")
    assert config.data_directories == ("y",)
    assert config.static["log.dirs"] == "y"


def test_overrides_change_what_holds_and_not_what_is_static() -> None:
    config = load({"message.max.bytes": "10"})
    changed = with_overrides(config, {"producer.id.expiration.ms": "7"})
    assert changed.producer_id_expiration_ms == 7
    assert changed.static == config.static
    with pytest.raises(ConfigError):
        with_overrides(config, {"producer.id.expiration.ms": "0"})


def test_a_topic_takes_from_itself_then_from_its_broker_then_the_default() -> None:
    assert topic_config({}, {}).retention_ms == 7 * 24 * 3600 * 1000
    assert topic_config({}, {"log.retention.hours": "2"}).retention_ms == 7_200_000
    broker = {"log.retention.hours": "2", "log.retention.minutes": "3"}
    assert topic_config({}, broker).retention_ms == 180_000
    assert topic_config({}, {"log.retention.hours": "-1"}).retention_ms == -1
    assert topic_config({"retention.ms": "5"}, broker).retention_ms == 5
    compacted = topic_config({"cleanup.policy": "compact"}, {})
    assert (compacted.is_compacted, compacted.is_deleted) == (True, False)
    assert topic_config({"message.timestamp.type": "LogAppendTime"}, {}).append_time


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"foo": "1"}, "Unknown topic config name: foo"),
        (
            {"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"},
            r"min.compaction.lag.ms \(10\) > max.compaction.lag.ms \(5\)",
        ),
        ({"remote.storage.enable": "true"}, "Tiered Storage functionality is disabled"),
    ],
)
def test_topic_settings_that_cannot_be(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_topic_settings(settings, {})


def test_the_directory_with_the_metadata_comes_first() -> None:
    assert load({"log.dirs": "a, b,c"}).data_directories == ("a", "b", "c")
    second = load({"log.dirs": "a,b,c", "metadata.log.dir": "b"})
    assert second.data_directories == ("b", "a", "c")
    assert load({"log.dirs": "a,b"}, data_directory="x,y").data_directories == ("x,y",)
