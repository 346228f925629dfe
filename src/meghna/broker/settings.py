"""Where each setting comes from, and what is told about it.

A broker's setting may come from four places; the first that has it decides:

    dynamic, this broker     altered while running, for resource (broker, node id)
    dynamic, all brokers     altered while running, for resource (broker, "")
    static                   file, environment, options
    default                  the table of keys

A topic's or a group's own setting comes before all of them; what it takes from the broker stands
there under another name, its synonym. Sources and synonyms are told exactly as Kafka tells them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from meghna.config import convert_synonym, topic_config, with_overrides
from meghna.config_keys import Key, format_value, parse_value, table
from meghna.metadata.image import BROKER_RESOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from meghna.config import BrokerConfig, TopicConfig
    from meghna.metadata.image import Image

# Kafka's numbers of the sources.
TOPIC_SOURCE = 1
DYNAMIC_BROKER_SOURCE = 2
DYNAMIC_DEFAULT_SOURCE = 3
STATIC_SOURCE = 4
DEFAULT_SOURCE = 5
GROUP_SOURCE = 8

# Keys that are one setting in several units; the first that is set counts.
_FAMILIES = (
    ("log.roll.ms", "log.roll.hours"),
    ("log.roll.jitter.ms", "log.roll.jitter.hours"),
    ("log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
    ("log.retention.ms", "log.retention.minutes", "log.retention.hours"),
)
_FAMILY = {name: family for family in _FAMILIES for name in family if family[1] != name}
_FAMILY |= {
    name: family for family in (_FAMILIES[0], _FAMILIES[1], _FAMILIES[3]) for name in family
}


class Synonym(NamedTuple):
    """One place where a setting has a value."""

    name: str
    value: str | None
    source: int


class Entry(NamedTuple):
    """A setting as it is told."""

    key: Key
    value: str | None
    source: int
    read_only: bool
    synonyms: tuple[Synonym, ...]


class Settings:
    """The settings of one broker at one version of the image."""

    __slots__ = ("_by_key", "_config", "_layers", "_plain")

    def __init__(self, config: BrokerConfig, image: Image) -> None:
        self._config = config
        self._layers = (
            (DYNAMIC_BROKER_SOURCE, image.config(BROKER_RESOURCE, str(config.node_id))),
            (DYNAMIC_DEFAULT_SOURCE, image.config(BROKER_RESOURCE, "")),
            (STATIC_SOURCE, config.static),
        )
        self._by_key: dict[str, str] = {}
        for _, layer in reversed(self._layers):
            self._by_key.update(layer)
        self._plain: TopicConfig | None = None

    def by_key(self) -> Mapping[str, str]:
        """What is set for this broker, defaults left out."""
        return self._by_key

    def topic_config(self, configs: Mapping[str, str]) -> TopicConfig:
        """A topic's settings after all defaults; most topics have none of their own."""
        if configs:
            return topic_config(configs, self._by_key)
        if self._plain is None:
            self._plain = topic_config({}, self._by_key)
        return self._plain

    def running_config(self) -> BrokerConfig:
        """The configuration with what was altered while running."""
        dynamic = {**self._layers[1][1], **self._layers[0][1]}
        known = {name: value for name, value in dynamic.items() if name in table().broker}
        return with_overrides(self._config, known) if known else self._config

    # ---- Telling ----

    def broker_entries(self, names: Iterable[str] | None) -> list[Entry]:
        """A broker's settings, or those of `names` that there are."""
        keys = table().broker
        wanted = keys if names is None else [name for name in names if name in keys]
        entries = [
            self._broker_entry(keys[name])
            for name in dict.fromkeys(wanted)
            if keys[name].is_described
        ]
        dynamic = table().dynamic_only
        told = [n for n in dynamic if n in self._by_key and (names is None or n in set(names))]
        return entries + [self._broker_entry(dynamic[name]) for name in told]

    def _broker_entry(self, key: Key) -> Entry:
        synonyms = self._synonyms(key, key.name)
        text = self._by_key.get(key.name, key.default)
        return Entry(
            key=key,
            value=None if key.is_sensitive else _told(key, text),
            source=synonyms[0].source if synonyms else DEFAULT_SOURCE,
            read_only=not key.is_dynamic,
            synonyms=synonyms,
        )

    def default_entries(self, names: Iterable[str] | None) -> list[Entry]:
        """What was altered for all brokers."""
        keys = {**table().broker, **table().dynamic_only}
        wanted = None if names is None else set(names)
        entries = []
        for name in self._layers[1][1]:
            if name not in keys or (wanted is not None and name not in wanted):
                continue
            key = keys[name]
            only = tuple(s for s in self._synonyms(key, name) if s.source == DYNAMIC_DEFAULT_SOURCE)
            value = None if key.is_sensitive else _told(key, self._layers[1][1][name])
            entries.append(Entry(key, value, DYNAMIC_DEFAULT_SOURCE, not key.is_dynamic, only))
        return entries

    def topic_entries(self, configs: Mapping[str, str], names: Iterable[str] | None) -> list[Entry]:
        """A topic's settings, or those of `names` that there are."""
        keys = table().topic
        wanted = keys if names is None else [name for name in names if name in keys]
        return [
            self._topic_entry(keys[name], configs)
            for name in dict.fromkeys(wanted)
            if keys[name].is_described or name in configs
        ]

    def _topic_entry(self, key: Key, configs: Mapping[str, str]) -> Entry:
        # Only the nearest synonym is looked at, whatever its family: what comes from a setting in
        # hours is told as a default. Kafka does so.
        synonyms = self._synonyms(key, key.synonyms[0]) if key.synonyms else ()
        value = _told(key, self.own_text(key, configs))
        if key.name in configs:
            synonyms = (Synonym(key.name, value, TOPIC_SOURCE), *synonyms)
        source = synonyms[0].source if synonyms else DEFAULT_SOURCE
        return Entry(key, value, source, read_only=False, synonyms=synonyms)

    def group_entries(self, configs: Mapping[str, str], names: Iterable[str] | None) -> list[Entry]:
        """A group's settings, or those of `names` that there are."""
        keys = table().group
        wanted = keys if names is None else [name for name in names if name in keys]
        return [self._group_entry(keys[name], configs) for name in dict.fromkeys(wanted)]

    def _group_entry(self, key: Key, configs: Mapping[str, str]) -> Entry:
        value = _told(key, self.own_text(key, configs))
        if key.synonyms:
            synonyms = self._synonyms(key, key.synonyms[0])
        else:
            synonyms = (Synonym(key.name, key.default, DEFAULT_SOURCE),)
        if key.name in configs:
            synonyms = (Synonym(key.name, value, GROUP_SOURCE), *synonyms)
        return Entry(key, value, synonyms[0].source, read_only=False, synonyms=synonyms)

    def created_entries(self, configs: Mapping[str, str]) -> list[Entry]:
        """A topic's settings as the answer to its creation tells them: by the whole family."""
        entries = []
        for key in table().topic.values():
            if not key.is_described and key.name not in configs:
                continue
            text, source = self._resolved(key, configs)
            told = text if source != DEFAULT_SOURCE else _told(key, text)
            entries.append(Entry(key, told, source, read_only=False, synonyms=()))
        return entries

    def _resolved(self, key: Key, configs: Mapping[str, str]) -> tuple[str | None, int]:
        if key.name in configs:
            return configs[key.name], TOPIC_SOURCE
        for source, layer in self._layers:
            for synonym in key.synonyms:
                if synonym in layer:
                    return convert_synonym(key, synonym, layer[synonym]), source
        return key.default, DEFAULT_SOURCE

    def own_text(self, key: Key, configs: Mapping[str, str]) -> str | None:
        """A topic's or a group's setting as text: its own, its broker's, or the default."""
        if key.name in configs:
            return configs[key.name]
        for synonym in key.synonyms:
            if synonym in self._by_key:
                return convert_synonym(key, synonym, self._by_key[synonym])
        return key.default

    def _synonyms(self, key: Key, name: str) -> tuple[Synonym, ...]:
        """Every value of `name` and its family, the deciding one first, from `name` itself on."""
        family = _FAMILY.get(name, (name,))
        keys = table()
        found = []
        for source, layer in self._layers:
            found += [(member, layer[member], source) for member in family if member in layer]
        for member in family:
            known = keys.broker.get(member)
            if known is not None and known.default is not None:
                found.append((member, known.default, DEFAULT_SOURCE))
        while found and found[0][0] != name:
            found.pop(0)
        return tuple(
            Synonym(member, None if key.is_sensitive else value, source)
            for member, value, source in found
        )


def _told(key: Key, text: str | None) -> str | None:
    return format_value(key, parse_value(key, text))
