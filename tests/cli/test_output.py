from __future__ import annotations

import json
from typing import TYPE_CHECKING

from meghna.cli.output import Row, print_rows

if TYPE_CHECKING:
    import pytest

ROWS: list[Row] = [
    {"topic": "orders", "end_offset": 12, "internal": False, "isr": [1, 2], "leader": None},
    {"topic": "a", "end_offset": 3, "internal": True, "isr": [], "leader": 1},
]


def test_a_table_aligns_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, output="table")
    assert capsys.readouterr().out.splitlines() == [
        "TOPIC   END-OFFSET  INTERNAL  ISR  LEADER",
        "orders  12          no        1,2  -",
        "a       3           yes       -    1",
    ]


def test_nothing_found_is_an_empty_table_and_an_empty_array(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_rows([], output="table")
    print_rows([], output="json")
    assert capsys.readouterr().out == "[]\n"


def test_both_forms_of_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, output="json")
    whole = json.loads(capsys.readouterr().out)
    print_rows(ROWS, output="ndjson")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert whole == lines == ROWS
