"""Reads messages.txt: what Kafka's messages are made of. Parsed one message at a time.

The broker is to start within 150 ms and to idle in 40 MB, so nothing is parsed before it is asked
for: the file is one string, a message is found in it by name and its section parsed on first use.

A section of the table, for one message:

    =MetadataRequest request 3 0-13 9+ listeners=broker      name kind key versions flexible …
    topics []MetadataRequestTopic 0+ null=1+                 name type versions …
    allow_auto_topic_creation bool 4+ default=true ignorable
    @MetadataRequestTopic                                    a struct; its fields follow
    topic_id uuid 10+ ignorable
    name string 0+ null=10+

Words after the third are `null=`, `tag=<tag>:<versions>`, `flexible=`, `default=` and `ignorable`;
a default that is not given is the type's own zero. Types are Kafka's, or the name of a struct's
class; `[]` makes an array. Kinds are request, response, header, data, metadata, and
`<coordinator>-key` and `<coordinator>-value`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

VERSION_MAX = 32767  # an int16 on the wire; the end of an open range


class Versions(NamedTuple):
    """A closed range of versions; empty when `last` is before `first`."""

    first: int
    last: int

    def has(self, version: int) -> bool:
        return self.first <= version <= self.last


NONE = Versions(0, -1)


class Field(NamedTuple):  # A NamedTuple: a thousand are made while a broker starts.
    name: str
    type: str
    is_array: bool
    versions: Versions
    nullable: Versions
    tag: int
    tagged: Versions
    flexible: Versions
    default: str
    is_ignorable: bool


@dataclass(frozen=True, slots=True)
class Definition:
    """One message. `structs` maps class names to fields; the message itself comes first."""

    name: str
    kind: str
    api_key: int
    versions: Versions
    flexible: Versions
    listeners: tuple[str, ...]
    is_latest_unstable: bool
    structs: dict[str, tuple[Field, ...]]


# What was parsed. Names and keys that do not exist are not kept: they come from clients.
BY_NAME: dict[str, Definition] = {}
BY_KEY: dict[tuple[str, int], Definition] = {}


@cache
def text() -> str:
    return Path(__file__).with_name("messages.txt").read_text(encoding="utf-8")


def message(name: str) -> Definition | None:
    """The message of that name, or None."""
    found = BY_NAME.get(name)
    if found is None:
        start = text().find(f"\n={name} ")
        if start < 0:
            return None
        found = BY_NAME[name] = parse(start)
    return found


def message_with_key(kind: str, api_key: int) -> Definition | None:
    """The request, response or record with that key, or None."""
    found = BY_KEY.get((kind, api_key))
    if found is None:
        found = message_around(f" {kind} {api_key} ")
        if found is not None:
            BY_KEY[kind, api_key] = found
    return found


def message_with_class(class_name: str) -> Definition | None:
    """The message that the class, its own or one of its structs, belongs to, or None."""
    return message(class_name) or message_around(f"\n@{class_name}\n")


def message_around(words: str) -> Definition | None:
    """The message in whose section the words are, or None."""
    found = text().find(words)
    if found < 0:
        return None
    start = text().rfind("\n=", 0, found) + len("\n=")
    return message(text()[start : text().index(" ", start)])


def messages() -> tuple[str, ...]:
    """The names of all messages, in the table's order."""
    lines = text().splitlines()
    return tuple(line[1 : line.index(" ")] for line in lines if line.startswith("="))


def class_names() -> tuple[str, ...]:
    """The names of all classes: messages and structs, in the table's order."""
    lines = text().splitlines()
    return tuple(line[1:].partition(" ")[0] for line in lines if line[:1] in ("=", "@"))


def parse(start: int) -> Definition:
    end = text().find("\n\n", start)
    header, *lines = text()[start + 1 : end if end >= 0 else None].splitlines()
    name, kind, api_key, versions, flexible, *more = header[1:].split(" ")
    listeners: tuple[str, ...] = ()
    if more and more[0].startswith("listeners="):
        listeners = tuple(more[0].removeprefix("listeners=").split(","))
    structs: dict[str, list[Field]] = {name: []}
    fields = structs[name]
    for line in lines:
        if line[0] == "@":
            fields = structs[line[1:]] = []
        else:
            fields.append(parse_field(line))
    return Definition(
        name=name,
        kind=kind,
        api_key=-1 if api_key == "-" else int(api_key),
        versions=parse_versions(versions),
        flexible=parse_versions(flexible),
        listeners=listeners,
        is_latest_unstable="unstable" in more,
        structs={name: tuple(fields) for name, fields in structs.items()},
    )


def parse_field(line: str) -> Field:
    name, declared, versions, *more = line.split(" ")
    nullable = tagged = NONE
    flexible = Versions(0, VERSION_MAX)
    tag = -1
    default = ""
    for word in more:
        key, _, value = word.partition("=")
        if key == "default":
            default = value
        elif key == "null":
            nullable = parse_versions(value)
        elif key == "tag":
            number, _, value = value.partition(":")
            tag, tagged = int(number), parse_versions(value)
        elif key == "flexible":
            flexible = parse_versions(value)
    return Field(
        name,
        declared.removeprefix("[]"),
        declared.startswith("[]"),
        parse_versions(versions),
        nullable,
        tag,
        tagged,
        flexible,
        default,
        "ignorable" in more,
    )


@cache
def parse_versions(word: str) -> Versions:
    if word == "none":
        return NONE
    if word.endswith("+"):
        return Versions(int(word[:-1]), VERSION_MAX)
    first, _, last = word.partition("-")
    return Versions(int(first), int(last or first))
