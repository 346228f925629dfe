"""Derives protocol/messages.txt and protocol/messages.pyi from Apache Kafka's own definitions.

The definitions lie as JSON inside Kafka's jars. This script takes the facts out of them (names,
types, versions, nullability, tags, defaults; no prose) and writes them as a compact table, which is
committed and never edited by hand, and as a typed stub, so that mypy knows every message.

    python tools/derive_messages.py --libs DIR            write both files
    python tools/derive_messages.py --libs DIR --check    compare with what is committed; exit 1 and
                                                          a diff when they differ
    python tools/derive_messages.py --fetch [--check]     get the jars with Maven first

The table's grammar is described in src/meghna/protocol/table.py, which reads it.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator

KAFKA_VERSION = "4.3.0"
# Each jar and the prefix of the kinds of its records: two jars may use one record id.
JARS = {
    "kafka-clients": "",
    "kafka-group-coordinator": "group-",
    "kafka-transaction-coordinator": "transaction-",
    "kafka-share-coordinator": "share-",
    "kafka-metadata": "",
    "kafka-storage": "storage-",
}
KINDS = {"coordinator-key": "key", "coordinator-value": "value"}
PROTOCOL = Path(__file__).resolve().parent.parent / "src" / "meghna" / "protocol"
HEADER = (
    f"# Apache Kafka {KAFKA_VERSION} (Apache-2.0),"
    " derived by tools/derive_messages.py: do not edit."
)
PYTHON_TYPES = {
    "bool": "bool",
    "float64": "float",
    "uuid": "bytes",
    "string": "str",
    "bytes": "bytes",
    "records": "bytes",
} | dict.fromkeys(("int8", "int16", "uint16", "int32", "uint32", "int64"), "int")
LINE_WIDTH = 100
# Field names that a tuple's own methods have already.
TUPLE_METHODS = {"count", "index"}

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: str  # a primitive or the class name of a struct, [] before it for an array
    versions: str
    nullable: str | None
    tag: int | None
    tagged_versions: str | None
    flexible_versions: str | None
    default: str  # as in the table: a literal, "null", or "" for the type's own zero
    is_ignorable: bool

    @property
    def element(self) -> str:
        return self.type.removeprefix("[]")


@dataclass(frozen=True, slots=True)
class Struct:
    class_name: str
    fields: tuple[Field, ...]


@dataclass(slots=True)
class Message:
    name: str
    kind: str
    api_key: int | None
    versions: str
    flexible: str
    listeners: tuple[str, ...]
    is_latest_unstable: bool
    structs: list[Struct] = field(default_factory=list)  # the message itself first


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--libs", type=Path, help="folder that holds Kafka's jars")
    source.add_argument("--fetch", action="store_true", help="get the jars with Maven")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    if arguments.libs is not None:
        return run(arguments.libs, check=arguments.check)
    with tempfile.TemporaryDirectory() as folder:
        fetch(Path(folder))
        return run(Path(folder), check=arguments.check)


def run(libs: Path, *, check: bool) -> int:
    messages = load(libs)
    derived = {
        PROTOCOL / "messages.txt": table_text(messages),
        PROTOCOL / "messages.pyi": stub_text(messages),
    }
    is_same = True
    for path, text in derived.items():
        if not check:
            path.write_text(text, encoding="utf-8")
            continue
        committed = path.read_text(encoding="utf-8") if path.exists() else ""
        if committed != text:
            is_same = False
            sys.stdout.writelines(
                difflib.unified_diff(
                    committed.splitlines(keepends=True),
                    text.splitlines(keepends=True),
                    f"committed/{path.name}",
                    f"derived/{path.name}",
                )
            )
    return 0 if is_same else 1


def fetch(folder: Path) -> None:
    pom = Path(__file__).resolve().parent / "kafka" / "pom.xml"
    subprocess.run(
        [
            "mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies",
            "-DincludeGroupIds=org.apache.kafka", f"-DoutputDirectory={folder}",
        ],
        check=True,
    )  # fmt: skip


# From the jars to messages.


def load(libs: Path) -> list[Message]:
    definitions = list(read_definitions(libs))
    names = Counter(
        struct_name for _, definition in definitions for struct_name in struct_names(definition)
    )
    messages = [convert(prefix, definition, names) for prefix, definition in definitions]
    return sorted(messages, key=order)


def read_definitions(libs: Path) -> Iterator[tuple[str, Json]]:
    for name, prefix in JARS.items():
        with zipfile.ZipFile(libs / f"{name}-{KAFKA_VERSION}.jar") as jar:
            for entry in jar.namelist():
                if entry.endswith(".json"):
                    definition = cast(
                        "Json", json.loads(without_comments(jar.read(entry).decode()))
                    )
                    if definition["validVersions"] != "none":  # Removed: the id stays reserved.
                        yield prefix, definition


def without_comments(text: str) -> str:
    """Drops // comments; a // inside a string (a URL in an `about`) stays."""
    return re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*', lambda found: found[1] or "", text)


def struct_names(definition: Json) -> Iterator[str]:
    """The names of the message and of its structs, each once."""
    yield cast("str", definition["name"])
    for name, _ in walk_structs(definition):
        yield name


def walk_structs(definition: Json) -> Iterator[tuple[str, list[Json]]]:
    """Every struct below the message: where it is first used, then the common ones."""

    def walk(fields: list[Json]) -> Iterator[tuple[str, list[Json]]]:
        for entry in fields:
            if "fields" in entry:
                nested = cast("list[Json]", entry["fields"])
                yield cast("str", entry["type"]).removeprefix("[]"), nested
                yield from walk(nested)

    yield from walk(cast("list[Json]", definition.get("fields", [])))
    for common in cast("list[Json]", definition.get("commonStructs", [])):
        nested = cast("list[Json]", common["fields"])
        yield cast("str", common["name"]), nested
        yield from walk(nested)


def convert(prefix: str, definition: Json, names: Counter[str]) -> Message:
    name = cast("str", definition["name"])
    kind = cast("str", definition["type"])
    api_key = cast("int | None", definition.get("apiKey"))
    if api_key is not None and kind not in ("request", "response"):
        kind = prefix + KINDS.get(kind, kind)
    class_names = {
        struct: struct if names[struct] == 1 else name + struct
        for struct, _ in walk_structs(definition)
    }
    message = Message(
        name=name,
        kind=kind,
        api_key=api_key,
        versions=cast("str", definition["validVersions"]),
        flexible=cast("str", definition.get("flexibleVersions", "none")),
        listeners=tuple(cast("list[str]", definition.get("listeners", []))),
        is_latest_unstable=bool(definition.get("latestVersionUnstable", False)),
    )
    top = (name, cast("list[Json]", definition.get("fields", [])))
    for struct, fields in (top, *walk_structs(definition)):
        message.structs.append(
            Struct(
                class_name=class_names.get(struct, struct),
                fields=tuple(convert_field(entry, class_names) for entry in fields),
            )
        )
    return message


def convert_field(entry: Json, class_names: dict[str, str]) -> Field:
    declared = cast("str", entry["type"])
    array = "[]" if declared.startswith("[]") else ""
    element = declared.removeprefix("[]")
    tagged_versions = cast("str | None", entry.get("taggedVersions"))
    nullable = cast("str | None", entry.get("nullableVersions"))
    return Field(
        name=snake(cast("str", entry["name"])),
        type=array + class_names.get(element, element),
        # Kafka reads a field without `versions` as one that exists where it is tagged.
        versions=cast("str", entry.get("versions", tagged_versions)),
        nullable=None if nullable == "none" else nullable,
        tag=cast("int | None", entry.get("tag")),
        tagged_versions=tagged_versions,
        flexible_versions=cast("str | None", entry.get("flexibleVersions")),
        default=default_text(entry, declared),
        is_ignorable=bool(entry.get("ignorable", False)),
    )


def default_text(entry: Json, declared: str) -> str:
    value = entry.get("default")
    if value is None:  # Kafka's own generator takes a JSON null for no default at all.
        return "null" if declared == "records" else ""
    if value == "null":
        return "null"
    if isinstance(value, bool) or declared == "bool":
        return str(value).lower() if str(value).lower() == "true" else ""
    if declared in ("string", "bytes"):
        assert value == "", entry  # No definition has another; the table has no quoting.
        return ""
    number = int(str(value), 0)
    return str(number) if number else ""


def snake(name: str) -> str:
    name = name.replace("KRaft", "Kraft")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def order(message: Message) -> tuple[int, str, int, str]:
    is_api = message.kind in ("request", "response")
    key = -1 if message.api_key is None else message.api_key
    if is_api:
        return 0, "", 2 * key + (message.kind == "response"), message.name
    family = message.kind.removesuffix("-key").removesuffix("-value")
    return 1, family, 2 * key + message.kind.endswith("-value"), message.name


# From messages to the table.


def table_text(messages: list[Message]) -> str:
    lines = [HEADER]
    for message in messages:
        lines.append("")
        lines.append(message_line(message))
        for position, struct in enumerate(message.structs):
            if position > 0:
                lines.append(f"@{struct.class_name}")
            lines.extend(field_line(entry) for entry in struct.fields)
    return "\n".join(lines) + "\n"


def message_line(message: Message) -> str:
    words = ["=" + message.name, message.kind]
    words.append("-" if message.api_key is None else str(message.api_key))
    words += [message.versions, message.flexible]
    if message.listeners:
        words.append("listeners=" + ",".join(message.listeners))
    if message.is_latest_unstable:
        words.append("unstable")
    return " ".join(words)


def field_line(entry: Field) -> str:
    words = [entry.name, entry.type, entry.versions]
    if entry.nullable is not None:
        words.append(f"null={entry.nullable}")
    if entry.tag is not None:
        words.append(f"tag={entry.tag}:{entry.tagged_versions}")
    if entry.flexible_versions is not None:
        words.append(f"flexible={entry.flexible_versions}")
    if entry.default:
        words.append(f"default={entry.default}")
    if entry.is_ignorable:
        words.append("ignorable")
    return " ".join(words)


# From messages to the stub.


def stub_text(messages: list[Message]) -> str:
    lines = [
        HEADER,
        "from collections.abc import Sequence",
        "from typing import NamedTuple",
    ]
    for message in messages:
        lines.append("")
        key = "" if message.api_key is None else f", api key {message.api_key}"
        if "-" in message.kind or message.kind == "metadata":
            key = key.replace("api key", "record id")
        lines.append(
            f"# {message.name}: {message.kind}{key}, versions {message.versions},"
            f" flexible {message.flexible}"
        )
        for struct in message.structs:
            lines.append("")
            lines.append(f"class {struct.class_name}(NamedTuple):")
            lines.extend(f"    {stub_field(entry)}" for entry in struct.fields)
            if not struct.fields:
                lines.append("    pass")
    return "\n".join(lines) + "\n"


def stub_field(entry: Field) -> str:
    python = PYTHON_TYPES.get(entry.element, entry.element)
    default = stub_default(entry)
    if entry.type.startswith("[]"):
        python = f"Sequence[{python}]"
    # A default of null makes the field optional even where no version may send null.
    if entry.nullable is not None or default == "None":
        python += " | None"
    ignore = "  # type: ignore[assignment]" if entry.name in TUPLE_METHODS else ""
    line = f"{entry.name}: {python} = {default}{ignore}"
    if len(line) > LINE_WIDTH - len("    "):
        assert python.startswith("Sequence["), line  # The one long shape that there is.
        name = python.removeprefix("Sequence[").removesuffix("]")
        line = f"{entry.name}: Sequence[\n        {name}\n    ] = {default}{ignore}"
    return line


def stub_default(entry: Field) -> str:
    if entry.default == "null":
        return "None"
    if entry.type.startswith("[]"):
        return "()"
    if entry.default:
        return entry.default.capitalize() if entry.type == "bool" else entry.default
    zeros = {"bool": "False", "float64": "0.0", "string": '""', "uuid": "...", "bytes": 'b""'}
    return zeros.get(entry.type, "0" if entry.type in PYTHON_TYPES else "...")


if __name__ == "__main__":
    sys.exit(main())
