"""The table of configuration keys: what Kafka calls them, their types, defaults and bounds.

The facts lie in `config_keys.txt`, whose head explains its notation. Here they are read, once,
and values are checked against them with the messages that Kafka's users know. Which keys do
something, and what, is decided by `config.py` and by those who use it.
"""

from __future__ import annotations

import functools
import math
import os
import re
from typing import NamedTuple

from meghna.errors import ConfigError

Value = bool | int | float | str | tuple[str, ...] | None

_LIMITS = {
    "short": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
}
_THROTTLED_REPLICA = re.compile(r"\d+:\d+")
_RESET_DURATION = re.compile(
    r"by_duration:\+?P(?=.)(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+(?:[.,]\d{0,9})?S)?)?",
    re.IGNORECASE,
)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")


class Key(NamedTuple):
    """A line of the table."""

    name: str
    kind: str
    default: str | None
    """None: not set."""
    required: bool
    bounds: str
    mode: str
    synonyms: tuple[str, ...]
    meaning: str

    @property
    def is_dynamic(self) -> bool:
        return self.mode in ("broker", "cluster")

    @property
    def is_described(self) -> bool:
        return self.mode != "hidden"

    @property
    def is_sensitive(self) -> bool:
        return self.kind == "password"


class Table(NamedTuple):
    """All keys; `accepted` are names that mean nothing here but may stand in a file."""

    broker: dict[str, Key]
    topic: dict[str, Key]
    group: dict[str, Key]
    dynamic_only: dict[str, Key]
    accepted: frozenset[str]


@functools.cache
def table() -> Table:
    """The table, read from its file at the first call."""
    sections: dict[str, dict[str, Key]] = {}
    accepted: set[str] = set()
    section = ""
    path = os.path.join(os.path.dirname(__file__), "config_keys.txt")
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("["):
                section = line.strip("[]\n")
                sections[section] = {}
            elif line.startswith("#") or line == "\n":
                continue
            elif section == "accepted":
                accepted.add(line.strip())
            else:
                key = _parse_line(line)
                sections[section][key.name] = key
    return Table(
        broker=sections["broker"],
        topic=sections["topic"],
        group=sections["group"],
        dynamic_only=sections["dynamic only"],
        accepted=frozenset(accepted),
    )


def _parse_line(line: str) -> Key:
    facts, _, meaning = line.rstrip("\n").partition("  ; ")
    facts, _, synonyms = facts.partition(" [")
    name, kind, default, bounds, mode = facts.split(" ")
    is_set = default not in ("null", "required")
    return Key(
        name=name,
        kind=kind,
        default=default.replace('""', "") if is_set else None,
        required=default == "required",
        bounds=bounds,
        mode=mode,
        synonyms=tuple(synonyms.rstrip("]").split()),
        meaning=meaning,
    )


def parse_value(key: Key, text: str | None) -> Value:
    """The value that `text` stands for.

    Raises:
        ConfigError: not of the key's type, or out of its bounds.
    """
    if text is None:
        return None
    value = _parse_type(key, text)
    _check_bounds(key, value)
    return value


def _parse_type(key: Key, text: str) -> Value:
    trimmed = text.strip()
    if key.kind == "bool":
        if trimmed.lower() in ("true", "false"):
            return trimmed.lower() == "true"
        raise _invalid(key, text, "Expected value to be either true or false")
    if key.kind in _LIMITS:
        low, high = _LIMITS[key.kind]
        if _WHOLE_NUMBER.fullmatch(trimmed) and len(trimmed) < 24 and low <= int(trimmed) <= high:
            return int(trimmed)
        raise _invalid(key, text, f"Not a number of type {key.kind.upper()}")
    if key.kind == "double":
        try:
            return float(trimmed)
        except ValueError:
            raise _invalid(key, text, "Not a number of type DOUBLE") from None
    if key.kind == "list":
        return tuple(part.strip() for part in trimmed.split(",")) if trimmed else ()
    return text if key.kind == "password" else trimmed


def _check_bounds(key: Key, value: Value) -> None:
    kind, rest = key.bounds[0], key.bounds[1:]
    if kind == "*":
        return
    if kind == "+":
        if value in ("", ()):
            raise _invalid(key, "", "must be non-empty")
    elif key.bounds == "=throttled":
        _check_throttled_replicas(key, value)
    elif key.bounds == "=reset":
        _check_reset(key, str(value))
    elif kind in "=~":
        _check_choice(key, value, rest.split("|"), any_case=kind == "~")
    else:
        assert isinstance(value, int | float), key
        _check_range(key, value)


def _check_range(key: Key, value: float) -> None:
    span, _, extra = key.bounds.partition("|")
    low, high = span.split("..")
    if extra:
        if value != float(extra) and not float(low) <= value <= float(high):
            reason = f"Value must be between {low} and {high} or equal to {extra}"
            raise _invalid(key, format_value(key, value), reason)
        return
    if not value >= float(low):  # Also where it is no number at all.
        raise _invalid(key, format_value(key, value), f"Value must be at least {low}")
    if high and value > float(high):
        raise _invalid(key, format_value(key, value), f"Value must be no more than {high}")


def _check_choice(key: Key, value: Value, choices: list[str], *, any_case: bool) -> None:
    if isinstance(value, tuple):
        for part in value:
            if part not in choices:
                raise _invalid(key, part, f"String must be one of: {', '.join(choices)}")
    elif any_case:
        if str(value).upper() not in choices:
            raise _invalid(key, value, f"String must be one of: {', '.join(choices)}")
    elif value not in choices:
        raise _invalid(key, value, f"String must be one of: {', '.join(choices)}")


def _check_throttled_replicas(key: Key, value: Value) -> None:
    assert isinstance(value, tuple), key
    if value not in ((), ("*",)) and not all(_THROTTLED_REPLICA.fullmatch(part) for part in value):
        raise _invalid(
            key,
            format_value(key, value),
            f"{key.name} must be the literal '*' or a list of replicas in the following format: "
            "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
        )


def _check_reset(key: Key, value: str) -> None:
    if value not in ("earliest", "latest") and not _RESET_DURATION.fullmatch(value):
        raise _invalid(
            key,
            value,
            f"Invalid value `{value}` for configuration {key.name}. The value must be either "
            "'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.",
        )


def _invalid(key: Key, value: Value, reason: str) -> ConfigError:
    return ConfigError(f"Invalid value {value} for configuration {key.name}: {reason}")


def format_value(key: Key, value: Value) -> str | None:
    """`value` as Kafka writes it in answers."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(value)
    if key.kind == "double":
        assert isinstance(value, int | float), key
        return _format_double(float(value))
    return str(value)


def _format_double(value: float) -> str:
    """As Java writes a double: plain from a thousandth to ten millions, else with an E."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    from decimal import Decimal  # noqa: PLC0415 - takes 2 ms to load, for one default of all

    # The shortest digits that mean this number, with one of them before the point.
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int), value
    first, rest = digits[0], "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{first}.{rest}E{exponent + len(digits) - 1}"


def nearest(name: str, known: list[str]) -> str | None:
    """The known name that `name` was probably meant to be."""
    import difflib  # noqa: PLC0415 - only a mistake pays for it

    found = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return found[0] if found else None
