"""Where to begin and where to end, and how long: what people write, as offsets and milliseconds.

    5, -10                       an offset; a negative one counts from the end
    "earliest", "latest"         the ends of what is there
    datetime, "2026-11-01T12:00" a moment; without a time zone it is local time, as in Python. (An
                                 array's column of times without a zone is UTC, as in Arrow.)
    timedelta, "-1h", "-7d12h"   so long ago

Durations are a timedelta, or text of numbers with units: w d h m s ms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from meghna.errors import ConfigError

Moment = int | str | date | timedelta
Duration = timedelta | str

_UNITS_MS: Final = {
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_PART: Final = re.compile(r"(\d+)\s*(ms|[wdhms])\s*")
_SIZES: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12} | {
    "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40,
}  # fmt: skip
_SIZE: Final = re.compile(r"(\d+)\s*([kmgt]i?|)b?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range: an offset (negative: from the log's end), a time, or neither."""

    offset: int | None = None
    time_ms: int | None = None
    at_end: bool = False


EARLIEST: Final = Bound()
LATEST: Final = Bound(at_end=True)
_ENDS: Final = {"earliest": EARLIEST, "latest": LATEST}


def duration_ms(value: Duration) -> int:
    """Milliseconds of a duration.

    Raises:
        ConfigError: not a duration.
    """
    if isinstance(value, timedelta):
        return value // timedelta(milliseconds=1)
    if not isinstance(value, str):
        raise ConfigError(f"{value!r} is no duration; write a timedelta, or text like '7d'")
    parts = _PART.findall(value)
    if not parts or _PART.sub("", value).strip():
        raise ConfigError(f"{value!r} is no duration; write it like '7d', '1h30m' or '500ms'")
    return sum(int(count) * _UNITS_MS[unit] for count, unit in parts)


def size_bytes(value: int | str) -> int:
    """Bytes of a size: a number, or text like '10GB' (10^9) or '512MiB' (2^20).

    Raises:
        ConfigError: not a size.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ConfigError(f"{value!r} is no size; write bytes, or text like '10GB' or '512MiB'")
    return int(match[1]) * _SIZES[match[2].lower()]


def bound(value: Moment | None, *, now_ms: int, default: Bound) -> Bound:
    """What somebody meant by `value`; None means `default`.

    Raises:
        ConfigError: nothing that can be understood.
    """
    match value:
        case None:
            return default
        case int() if not isinstance(value, bool):
            return Bound(offset=value)
        case datetime() | date():
            return Bound(time_ms=_moment_ms(value))
        case timedelta():
            return Bound(time_ms=now_ms - abs(duration_ms(value)))
        case str():
            return _text_bound(value, now_ms=now_ms)
    raise ConfigError(_no_bound(value))


def _text_bound(text: str, *, now_ms: int) -> Bound:
    if text in _ENDS:
        return _ENDS[text]
    if text.startswith("-"):
        return Bound(time_ms=now_ms - duration_ms(text[1:]))
    try:
        return Bound(time_ms=_moment_ms(datetime.fromisoformat(text)))
    except ValueError:
        raise ConfigError(_no_bound(text)) from None


def _no_bound(value: object) -> str:
    return (
        f"{value!r} is no place in a topic; write an offset, 'earliest', 'latest', a datetime or "
        "its ISO text, a timedelta, or text like '-1h'"
    )


def _moment_ms(moment: date) -> int:
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    if moment.tzinfo is None and type(moment) is not datetime:
        # Subclasses may mean UTC by it, as pandas.Timestamp does; here it is one rule for all.
        moment = datetime.combine(moment.date(), moment.time())
    # Exact where a float of seconds would round a millisecond away.
    return int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000
