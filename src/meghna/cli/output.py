"""Prints what a command found: a table for people, JSON for programs.

Rows are dictionaries with the same keys in the same order; the keys are the column titles and the
JSON names, so that both forms say the same. JSON is one array, ndjson one object a line.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence

Cell = str | int | bool | None | list["Cell"] | dict[str, "Cell"]
Row = dict[str, Cell]

FORMATS = ("table", "json", "ndjson")


def add_output_option(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", choices=FORMATS, default="table", help="table (default), json or ndjson"
    )


def print_rows(rows: Sequence[Row], *, output: str) -> None:
    ascii_only = sys.stdout.encoding.lower() != "utf-8"  # then JSON's own escapes
    if output == "json":
        print(json.dumps(list(rows), ensure_ascii=ascii_only, indent=2))
    elif output == "ndjson":
        for row in rows:
            print(json.dumps(row, ensure_ascii=ascii_only))
    elif rows:
        print_table(rows)


def print_table(rows: Sequence[Row]) -> None:
    titles = list(rows[0])
    lines = [[title.upper().replace("_", "-") for title in titles]]
    lines += [[shown(row[title]) for title in titles] for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, list):
        return ",".join(map(shown, cell)) or "-"
    if isinstance(cell, dict):
        return ",".join(f"{key}={shown(value)}" for key, value in cell.items()) or "-"
    return str(cell)
