from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meghna._native.batch import Record
from meghna.cli.outcome import CommandError, Exit
from meghna.cli.record_text import (
    Incoming,
    Outgoing,
    formatter,
    from_json,
    line_parser,
    rfc3339,
    to_json,
)

RECORD = Record(7, 1_700_000_000_123, b"key", b"value", (("a", b"1"), ("b", None)))
INCOMING = Incoming("orders", 2, RECORD)


def test_every_token_shows_its_part() -> None:
    render = formatter(r"%t/%p/%o %k=%v (%K %S) %h %T %d%%\t\n")
    expected = "orders/2/7 key=value (3 5) a=1,b= 1700000000123 2023-11-14T22:13:20.123Z%\t\n"
    assert render(INCOMING) == expected.encode()


def test_null_key_and_value_show_as_nothing_with_size_minus_one() -> None:
    record = RECORD._replace(key=None, value=None)
    assert formatter("%k|%v|%K|%S")(Incoming("t", 0, record)) == b"||-1|-1"


@pytest.mark.parametrize("text", ["%x", "%", r"\q", "ends with \\"])
def test_unknown_tokens_and_escapes_are_a_usage_error(text: str) -> None:
    with pytest.raises(CommandError) as raised:
        formatter(text)
    assert raised.value.code == Exit.USAGE


def test_a_time_that_no_calendar_has_is_shown_as_its_number() -> None:
    assert rfc3339(2**62) == str(2**62)
    assert rfc3339(-1) == "1969-12-31T23:59:59.999Z"


def test_lines_are_split_at_what_stands_between_the_fields() -> None:
    assert line_parser(r"%k\t%v")(b"a\tb\tc") == Outgoing(b"b\tc", key=b"a")
    assert line_parser(r"%p,%T,%v\n")(b"3,99,x") == Outgoing(b"x", partition=3, timestamp=99)
    assert line_parser("%v")(b"anything") == Outgoing(b"anything")


@pytest.mark.parametrize("text", ["%k", "%v%v", "%h %v"])
def test_a_format_that_lacks_the_value_or_repeats_is_a_usage_error(text: str) -> None:
    with pytest.raises(CommandError) as raised:
        line_parser(text)
    assert raised.value.code == Exit.USAGE


@pytest.mark.parametrize("line", [b"no separator", b"x,y,v"])
def test_a_line_of_another_shape_is_refused(line: bytes) -> None:
    with pytest.raises(CommandError):
        line_parser(r"%p,%T,%v")(line)


@given(
    key=st.none() | st.binary(max_size=9),
    value=st.none() | st.binary(max_size=9),
    headers=st.lists(st.tuples(st.text(max_size=4), st.none() | st.binary(max_size=4)), max_size=3),
    timestamp=st.integers(-1, 2**50),
)
def test_json_brings_back_what_was_written(
    key: bytes | None,
    value: bytes | None,
    headers: list[tuple[str, bytes | None]],
    timestamp: int,
) -> None:
    written = Record(0, timestamp, key, value, tuple(headers))
    read = from_json(to_json(Incoming("t", 0, written)).encode())
    assert read == Outgoing(value, key, tuple(headers), timestamp)


def test_hand_written_json_may_be_short() -> None:
    assert from_json(b'{"value": "x"}') == Outgoing(b"x")
    assert from_json(b'{"value": {"n": 1}}') == Outgoing(b'{"n": 1}')
    assert from_json(b'{"value": null, "headers": {"a": "b"}}') == Outgoing(
        None, headers=(("a", b"b"),)
    )
    assert from_json(b'{"value": "x", "headers": [["a", "b"]]}').headers == (("a", b"b"),)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        {},
        {"value": "x", "headers": [1]},
        {"value": "x", "headers": [{"value": "no key"}]},
        {"value": "x", "timestamp": "soon"},
        {"value_base64": "?"},
    ],
)
def test_json_of_another_shape_is_refused(fields: object) -> None:
    with pytest.raises(CommandError):
        from_json(json.dumps(fields).encode())


def test_bytes_that_are_no_json_are_refused() -> None:
    with pytest.raises(CommandError):
        from_json(b"\xff{")
