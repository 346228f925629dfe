"""Writes the tables of docs/PROTOCOL.md: the APIs that are served, and those that are not yet.

    python tools/protocol_table.py            write them between the document's markers
    python tools/protocol_table.py --check    compare with what is committed; exit 1 and a diff when
                                              they differ

What is served is read from the handlers (API_KEY, VERSIONS) and, for what the C core answers, from
EXPRESS_VERSIONS in api_versions.py; what Kafka serves from protocol/messages.txt. Nothing is
imported, so it runs before anything is built.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "PROTOCOL.md"
PACKAGE = ROOT / "src" / "meghna"
HANDLERS = PACKAGE / "broker" / "handlers"

# Why an API is not served, by the theme under which it will be, or will not be.
THEMES = {
    "security": (17, 29, 30, 31, 36, 38, 39, 40, 41, 50, 51),
    "transactions": (24, 25, 26, 27, 28, 65, 66),
    "quotas": (48, 49),
    "several directories": (34,),
    "replication": (43, 45, 46, 64),
    "KRaft": (55, 57, 80, 81),
    "consumer groups of KIP-848": (68, 69),
    "telemetry": (71, 72),
    "share groups": (76, 77, 78, 79, 83, 84, 85, 86, 87, 90, 91, 92),
    "streams groups": (88, 89),
}
THEME_OF = {key: theme for theme, keys in THEMES.items() for key in keys}


@dataclass(frozen=True)
class Api:
    """A request that Kafka takes from clients."""

    key: int
    name: str
    versions: str
    has_unstable: bool


def kafka_apis() -> list[Api]:
    """Return what clients may send to a broker of Kafka, by key."""
    line = re.compile(r"^=(\w+)Request request (\d+) (\S+) \S+ listeners=(\S+)(.*)$", re.MULTILINE)
    found = line.findall((PACKAGE / "protocol" / "messages.txt").read_text())
    return sorted(
        (
            Api(int(key), name, versions, "unstable" in rest)
            for name, key, versions, listeners, rest in found
            if "broker" in listeners.split(",")
        ),
        key=lambda api: api.key,
    )


def constants(path: Path) -> dict[str, object]:
    """Return the module's plain constants by name."""
    found: dict[str, object] = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


def served() -> dict[int, tuple[str, str]]:
    """Return the versions that are served, and by whom, by key."""
    answers: dict[int, tuple[str, str]] = {}
    for path in sorted(HANDLERS.glob("[!_]*.py")):
        known = constants(path)
        key, versions = known["API_KEY"], known["VERSIONS"]
        assert isinstance(key, int)
        assert isinstance(versions, tuple)
        answers[key] = (shown(versions), f"`{path.stem}.py`")
    express = constants(HANDLERS / "api_versions.py")["EXPRESS_VERSIONS"]
    assert isinstance(express, dict)
    return answers | {key: (shown(versions), "C core") for key, versions in express.items()}


def shown(versions: tuple[int, int]) -> str:
    first, last = versions
    return str(first) if first == last else f"{first}-{last}"


def tables() -> dict[str, str]:
    """Return the document's generated parts by the name of their marker."""
    here = served()
    rows = ["| key | API | versions | Kafka 4.3 | answered by |", "| --- | --- | --- | --- | --- |"]
    missing = ["| key | API | Kafka 4.3 | theme |", "| --- | --- | --- | --- |"]
    for api in kafka_apis():
        versions = api.versions + (", the last unstable" if api.has_unstable else "")
        if api.key in here:
            ours, who = here[api.key]
            rows.append(f"| {api.key} | {api.name} | {ours} | {versions} | {who} |")
        else:
            missing.append(f"| {api.key} | {api.name} | {versions} | {THEME_OF[api.key]} |")
    return {"served": "\n".join(rows), "not served": "\n".join(missing)}


def written(text: str) -> str:
    """Return the document with its tables written anew."""
    for name, table in tables().items():
        begin, end = f"<!-- {name}: tools/protocol_table.py -->", f"<!-- end of {name} -->"
        head, found, rest = text.partition(begin)
        assert found, begin
        _, found, tail = rest.partition(end)
        assert found, end
        text = f"{head}{begin}\n\n{table}\n\n{end}{tail}"
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the tables of docs/PROTOCOL.md.")
    parser.add_argument("--check", action="store_true", help="compare only")
    options = parser.parse_args()
    before = DOCUMENT.read_text()
    after = written(before)
    if not options.check:
        DOCUMENT.write_text(after)
        return 0
    if before == after:
        return 0
    lines = (before.splitlines(keepends=True), after.splitlines(keepends=True))
    sys.stdout.writelines(difflib.unified_diff(*lines, "committed", "as it is"))
    print("docs/PROTOCOL.md is not what the handlers say: run tools/protocol_table.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
