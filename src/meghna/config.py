"""What a broker is told: settings from a file, the environment and options, checked and frozen.

`BrokerConfig` and `TopicConfig` hold the keys that change something here, under Kafka's names with
`_` for `.`. Everything else that Kafka knows is accepted, kept in `static` and described back.
A setting that nobody knows is refused where a person wrote it down (file, option) and only told
about where a whole environment is inherited.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from meghna.config_keys import Key, Value, nearest, parse_value, table
from meghna.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_DATA_DIRECTORY: Final = "meghna-data"
DEFAULT_LISTEN: Final = "127.0.0.1:9092"
_NODE_ID: Final = "1"
_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000
_FOUR_HEX_DIGITS: Final = re.compile("[0-9a-fA-F]{4}")
# Settings of TLS and SASL: for all listeners, or for one and there perhaps one mechanism.
_SECURED_LISTENERS: Final = re.compile(r"(listener\.name\.[^.]+\.(.+\.)?)?(ssl|sasl)\.")

# Environment of Kafka's images that is about the JVM or the image, not about the broker.
_FOREIGN_ENVIRONMENT: Final = (
    "KAFKA_CFG_",
    "KAFKA_CLUSTERS_",
    "KAFKA_GC_LOG",
    "KAFKA_HEAP_OPTS",
    "KAFKA_HOME",
    "KAFKA_JMX_",
    "KAFKA_JVM_",
    "KAFKA_LOG4J_",
    "KAFKA_OPTS",
    "KAFKA_VERSION",
)


@dataclass(frozen=True, slots=True)
class Listener:
    """An address to listen on, and the one that clients are told."""

    name: str
    host: str
    port: int
    advertised_host: str
    advertised_port: int
    """0: the port that was bound."""


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """A broker's settings; immutable, a change makes a new one."""

    static: Mapping[str, str]
    """What was set before the start, as written, by Kafka's key."""
    listeners: tuple[Listener, ...]
    data_directories: tuple[str, ...]
    """The one with the metadata first."""
    cluster_id: str | None

    node_id: int
    broker_rack: str | None
    auto_create_topics_enable: bool
    connections_max_idle_ms: int
    default_replication_factor: int
    delete_topic_enable: bool
    fetch_max_bytes: int
    group_initial_rebalance_delay_ms: int
    group_max_session_timeout_ms: int
    group_max_size: int
    group_min_session_timeout_ms: int
    log_cleaner_backoff_ms: int
    log_cleaner_dedupe_buffer_size: int
    log_cleaner_enable: bool
    log_cleaner_io_max_bytes_per_second: float
    log_flush_offset_checkpoint_interval_ms: int
    log_flush_start_offset_checkpoint_interval_ms: int
    log_retention_check_interval_ms: int
    log_initial_task_delay_ms: int
    max_connections: int
    max_connections_per_ip: int
    max_incremental_fetch_session_cache_slots: int
    max_request_partition_size_limit: int
    num_partitions: int
    num_recovery_threads_per_data_dir: int
    offset_metadata_max_bytes: int
    offsets_commit_timeout_ms: int
    offsets_retention_check_interval_ms: int
    offsets_retention_minutes: int
    offsets_topic_num_partitions: int
    offsets_topic_segment_bytes: int
    producer_id_expiration_ms: int
    replica_high_watermark_checkpoint_interval_ms: int
    socket_request_max_bytes: int
    socket_send_buffer_bytes: int
    transaction_max_timeout_ms: int
    transaction_state_log_num_partitions: int
    queued_max_request_bytes: int

    reactors: int
    """0: by the number of cores; else num.network.threads as it was set."""


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """A topic's settings that change something here, after all defaults."""

    cleanup_policy: tuple[str, ...]
    compression_type: str
    delete_retention_ms: int
    file_delete_delay_ms: int
    flush_messages: int
    flush_ms: int
    index_interval_bytes: int
    max_compaction_lag_ms: int
    max_message_bytes: int
    message_timestamp_after_max_ms: int
    message_timestamp_before_max_ms: int
    message_timestamp_type: str
    min_cleanable_dirty_ratio: float
    min_compaction_lag_ms: int
    min_insync_replicas: int
    retention_bytes: int
    retention_ms: int
    segment_bytes: int
    segment_index_bytes: int
    segment_jitter_ms: int
    segment_ms: int

    @property
    def is_compacted(self) -> bool:
        return "compact" in self.cleanup_policy

    @property
    def is_deleted(self) -> bool:
        """Whether retention applies."""
        return "delete" in self.cleanup_policy

    @property
    def append_time(self) -> bool:
        return self.message_timestamp_type == "LogAppendTime"


def load(
    settings: Mapping[str, str],
    *,
    listen: str | None = None,
    data_directory: str | None = None,
    cluster_id: str | None = None,
) -> BrokerConfig:
    """The configuration that checked `settings` and the options stand for.

    Raises:
        ConfigError: a value of the wrong type or out of bounds, or settings that contradict.
    """
    static = dict(settings)
    static.setdefault("node.id", static.get("broker.id", _NODE_ID))
    if static.setdefault("broker.id", static["node.id"]) != static["node.id"]:
        raise ConfigError("node.id and broker.id are both set, to different numbers")
    if listen is not None:
        static["listeners"] = f"PLAINTEXT://{listen}"
        static.pop("advertised.listeners", None)
    static.setdefault("listeners", f"PLAINTEXT://{DEFAULT_LISTEN}")
    if data_directory is not None:
        static["log.dirs"] = data_directory
    static.setdefault("log.dirs", static.get("log.dir", DEFAULT_DATA_DIRECTORY))
    static.setdefault("process.roles", "broker,controller")
    _check_served(static)
    listeners = _listeners(static)
    static.setdefault("advertised.listeners", static["listeners"])
    return build(
        static,
        overrides={},
        listeners=listeners,
        data_directories=(data_directory,) if data_directory else _directories(static),
        cluster_id=cluster_id or None,
    )


def build(
    static: Mapping[str, str],
    *,
    overrides: Mapping[str, str],
    listeners: tuple[Listener, ...],
    data_directories: tuple[str, ...],
    cluster_id: str | None,
) -> BrokerConfig:
    """A configuration whose `overrides`, set while running, go before what is static.

    Raises:
        ConfigError: as `load`.
    """
    keys = table().broker
    known: dict[str, Value] = {}
    for name, text in {**static, **overrides}.items():
        if name in keys:
            known[name] = parse_value(keys[name], text)
    values = {
        field.name: known[name] if name in known else _default(keys[name])
        for field in fields(BrokerConfig)
        if (name := field.name.replace("_", ".")) in keys and field.name != "listeners"
    }
    return BrokerConfig(
        static=static,
        listeners=listeners,
        data_directories=data_directories,
        cluster_id=cluster_id,
        reactors=int(str(known.get("num.network.threads", 0))),
        **values,  # type: ignore[arg-type]
    )


def with_overrides(config: BrokerConfig, overrides: Mapping[str, str]) -> BrokerConfig:
    """`config` as it is while `overrides` are in force (broker configs altered at run time).

    Raises:
        ConfigError: as `load`.
    """
    return build(
        config.static,
        overrides=overrides,
        listeners=config.listeners,
        data_directories=config.data_directories,
        cluster_id=config.cluster_id,
    )


def _default(key: Key) -> Value:
    return parse_value(key, key.default)


def _check_served(static: Mapping[str, str]) -> None:
    """Refuse what would leave a broker open, or useless, that was asked to be otherwise.

    Raises:
        ConfigError: naming the setting.
    """
    if static.get("authorizer.class.name", "").strip():
        raise ConfigError(
            "authorizer.class.name: access control is not served yet; remove the setting"
        )
    roles = [role.strip() for role in static["process.roles"].split(",")]
    if "broker" not in roles:
        raise ConfigError(
            f"process.roles: {static['process.roles']!r} has no broker, and that is what runs here"
        )


def without_effect(config: BrokerConfig) -> list[str]:
    """The settings of `config` that somebody may rely on, and that do nothing here.

    All listeners are PLAINTEXT, so TLS and SASL never come into play.
    """
    keys = table().broker
    return sorted(
        name
        for name, text in config.static.items()
        if name == "zookeeper.connect"
        or (
            _SECURED_LISTENERS.match(name)
            and text.strip()
            and text.strip() != (keys[name].default if name in keys else None)
        )
    )


def _directories(static: Mapping[str, str]) -> tuple[str, ...]:
    """log.dirs, the one with the metadata first.

    Raises:
        ConfigError: none, one twice, or metadata.log.dir is not one of them.
    """
    named = [part.strip() for part in static["log.dirs"].split(",") if part.strip()]
    if not named:
        raise ConfigError("log.dirs names no directory; one is needed")
    if len({os.path.abspath(path) for path in named}) < len(named):
        raise ConfigError("log.dirs names a directory twice")
    first = static.get("metadata.log.dir", "").strip() or named[0]
    others = [path for path in named if os.path.abspath(path) != os.path.abspath(first)]
    if len(others) == len(named):
        raise ConfigError("metadata.log.dir: it has to be one of log.dirs here")
    return (first, *others)


# ---- Topics ----


def topic_config(overrides: Mapping[str, str], broker: Mapping[str, str]) -> TopicConfig:
    """A topic's effective settings: its own `overrides`, then what `broker` sets, then defaults.

    `broker` holds the broker's settings by key, dynamic ones over static ones; both are checked.
    """
    keys = table().topic
    values = {
        field.name: _topic_value(keys[field.name.replace("_", ".")], overrides, broker)
        for field in fields(TopicConfig)
    }
    return TopicConfig(**values)  # type: ignore[arg-type]


def _topic_value(key: Key, overrides: Mapping[str, str], broker: Mapping[str, str]) -> Value:
    if key.name in overrides:
        return parse_value(key, overrides[key.name])
    for synonym in key.synonyms:
        if synonym in broker:
            return parse_value(key, convert_synonym(key, synonym, broker[synonym]))
    return _default(key)


def convert_synonym(key: Key, synonym: str, text: str) -> str:
    """A broker's setting in the topic key's unit: hours and minutes become milliseconds."""
    unit = _HOUR_MS if synonym.endswith(".hours") else _MINUTE_MS
    if not synonym.endswith((".hours", ".minutes")):
        return text
    count = int(text)
    if count < 0 and key.name == "retention.ms":
        return "-1"
    return str(count * unit)


def check_topic_settings(settings: Mapping[str, str], broker: Mapping[str, str]) -> None:
    """Accept a topic's own settings as Kafka would.

    Raises:
        ConfigError: an unknown name, a bad value, or settings that contradict each other.
    """
    keys = table().topic
    for name in settings:
        if name not in keys:
            raise ConfigError(f"Unknown topic config name: {name}")
    values = {
        name: _topic_value(keys[name], settings, broker)
        for name in (
            *settings,
            "min.compaction.lag.ms",
            "max.compaction.lag.ms",
            "remote.storage.enable",
            "retention.ms",
            "retention.bytes",
            "local.retention.ms",
            "local.retention.bytes",
            "remote.log.copy.disable",
            "remote.log.delete.on.disable",
        )
    }
    if _number(values["min.compaction.lag.ms"]) > _number(values["max.compaction.lag.ms"]):
        raise ConfigError(
            "conflict topic config setting min.compaction.lag.ms "
            f"({values['min.compaction.lag.ms']}) > max.compaction.lag.ms "
            f"({values['max.compaction.lag.ms']})"
        )
    if values["remote.storage.enable"]:
        raise ConfigError(
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage."
        )


def _number(value: Value) -> int:
    assert isinstance(value, int), value
    return value


# ---- Listeners ----


def _listeners(static: Mapping[str, str]) -> tuple[Listener, ...]:
    """The broker's own listeners; those of a controller are for other machines than this one."""
    ours = _addresses("listeners", static["listeners"])
    told = _addresses("advertised.listeners", static.get("advertised.listeners", ""))
    for name in told:
        if name not in ours:
            raise ConfigError(f"advertised.listeners: {name} is not one of listeners")
    protocols = _protocols(static)
    controllers = static.get("controller.listener.names", "").replace(" ", "").split(",")
    listeners = []
    for name, (host, port) in ours.items():
        if name in controllers:
            continue
        protocol = protocols.get(name) or ("PLAINTEXT" if name == "PLAINTEXT" else "")
        if not protocol:
            raise ConfigError(f"listeners: {name} is not in listener.security.protocol.map")
        if protocol != "PLAINTEXT":
            raise ConfigError(
                f"listeners: {name} asks for {protocol}; only PLAINTEXT listeners are served yet"
            )
        advertised_host, advertised_port = told.get(name, (host, 0))
        if advertised_host in ("0.0.0.0", "::") and name in told:
            raise ConfigError(
                f"advertised.listeners: clients cannot connect to {advertised_host}; name the host"
            )
        listeners.append(
            Listener(
                name=name,
                host=host or "0.0.0.0",
                port=port,
                advertised_host=_reachable(advertised_host),
                advertised_port=advertised_port,
            )
        )
    if not listeners:
        raise ConfigError("listeners: none for the broker itself")
    return tuple(listeners)


def _reachable(host: str) -> str:
    """The host that clients are told when we listen on every address."""
    if host not in ("", "0.0.0.0", "::"):
        return host
    import socket  # noqa: PLC0415 - not needed where an address is named

    return socket.gethostname()


def _protocols(static: Mapping[str, str]) -> dict[str, str]:
    text = static.get("listener.security.protocol.map") or (
        table().broker["listener.security.protocol.map"].default or ""
    )
    pairs = (part.partition(":") for part in text.split(",") if part.strip())
    return {name.strip(): protocol.strip() for name, _, protocol in pairs}


def _addresses(key: str, text: str) -> dict[str, tuple[str, int]]:
    """`NAME://host:port,…` by name."""
    found: dict[str, tuple[str, int]] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, separator, address = part.partition("://")
        host, port = parse_address(key, address if separator else part)
        if not separator:
            raise ConfigError(f"{key}: {part!r} is not of the form NAME://host:port")
        if name in found:
            raise ConfigError(f"{key}: {name} is there twice")
        found[name] = (host, port)
    return found


def parse_address(key: str, text: str) -> tuple[str, int]:
    """`host:port`, `[v6]:port` or `:port`.

    Raises:
        ConfigError: it is none of these; the message begins with `key`.
    """
    host, separator, port = text.rpartition(":")
    if not separator or not port.isascii() or not port.isdigit():
        raise ConfigError(f"{key}: {text!r} is not of the form host:port")
    if len(port) > 5 or int(port) > 65535:
        raise ConfigError(f"{key}: {text!r}: the port is out of range, 0 to 65535")
    return host.strip("[]"), int(port)


# ---- Where settings come from ----


def check_names(names: Iterable[str], where: str) -> None:
    """Refuse names that neither Kafka nor its users' files know.

    Raises:
        ConfigError: naming `where` it was found and the nearest known name.
    """
    for name in names:
        if not _is_known(name):
            raise ConfigError(f"{where}: unknown setting {name}{_hint(name)}")


def _hint(name: str) -> str:
    known = table()
    topic = known.topic.get(name)
    if topic is not None and topic.synonyms:
        return f"; that is a topic's, the broker's for all topics is {topic.synonyms[0]}"
    if topic is not None:
        return "; that is a topic's, and the broker has none for all topics"
    guess = nearest(name, [*known.broker, *known.accepted, *known.topic])
    if guess is not None and not _is_known(guess):  # a topic's
        guess = next(iter(known.topic[guess].synonyms), None)
    return f"; did you mean {guess}?" if guess else ""


def _is_known(name: str) -> bool:
    known = table()
    return (
        name in known.broker
        or name in known.accepted
        # Settings of one listener, and those handed on to plugins.
        or name.startswith(("listener.name.", "rsm.config.", "rlmm.config.", "confluent."))
    )


def from_environment(environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The settings in `KAFKA_*` variables, and the variables that nobody knows.

    A name is the key in capitals with `_` for `.`, `__` for `_` and `___` for `-`.
    """
    settings: dict[str, str] = {}
    unknown: list[str] = []
    for variable, value in sorted(environment.items()):
        if not variable.startswith("KAFKA_") or variable.startswith(_FOREIGN_ENVIRONMENT):
            continue
        name = (
            variable.removeprefix("KAFKA_")
            .lower()
            .replace("___", "-")
            .replace("__", "\0")
            .replace("_", ".")
            .replace("\0", "_")
        )
        if _is_known(name):
            settings[name] = value
        else:
            unknown.append(variable)
    return settings, unknown


def from_properties(text: str, where: str) -> dict[str, str]:
    """The settings of a Java properties file.

    Raises:
        ConfigError: a line that is no setting.
    """
    settings: dict[str, str] = {}
    lines = iter(text.splitlines())
    for number, line in enumerate(lines, 1):
        logical = line.lstrip()
        while _ends_open(logical):
            logical = logical[:-1] + next(lines, "").lstrip()
        if not logical or logical[0] in "#!":
            continue
        name, separator, value = _split_property(logical)
        if not separator and not value:
            raise ConfigError(f"{where}: line {number}: {line.strip()!r} is no setting")
        settings[_unescape(name)] = _unescape(value)
    return settings


def _ends_open(line: str) -> bool:
    """Whether an odd number of backslashes ends the line: it goes on in the next."""
    return bool(line) and line[0] not in "#!" and (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _split_property(line: str) -> tuple[str, str, str]:
    """Name, separator and value: the first `=`, `:` or blank that no backslash hides."""
    position = 0
    while position < len(line):
        if line[position] == "\\":
            position += 2
            continue
        if line[position] in "=: \t":
            name, rest = line[:position], line[position:].lstrip(" \t")
            separator = rest[:1] if rest[:1] in ("=", ":") else " "
            return name, separator, rest[1:].lstrip(" \t") if separator != " " else rest
        position += 1
    return line, "", ""


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text.rstrip()
    out, position = [], 0
    named = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
    while position < len(text):
        letter = text[position]
        if letter == "\\" and position + 1 < len(text):
            position += 1
            letter = text[position]
            code = text[position + 1 : position + 5]
            if letter == "u" and _FOUR_HEX_DIGITS.fullmatch(code):
                letter = chr(int(code, 16))
                position += 4
            else:
                letter = named.get(letter, letter)
        out.append(letter)
        position += 1
    return "".join(out)
