"""What people write for places, durations and sizes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from meghna.engine.moments import EARLIEST, LATEST, Bound, bound, duration_ms, size_bytes
from meghna.errors import ConfigError

NOW_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("7d", 604_800_000),
        ("1w", 604_800_000),
        ("1h30m", 5_400_000),
        ("1h 30m", 5_400_000),
        ("500ms", 500),
        ("2m", 120_000),
        (timedelta(seconds=1.5), 1_500),
    ],
)
def test_durations(text: str | timedelta, milliseconds: int) -> None:
    assert duration_ms(text) == milliseconds


@pytest.mark.parametrize("text", ["", "7", "d", "7 days", "-1h", "1.5h", 7, None])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ConfigError, match="is no duration"):
        duration_ms(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "count"),
    [(5, 5), ("5", 5), ("10GB", 10**10), ("10 gb", 10**10), ("512MiB", 2**29), ("1k", 1000)],
)
def test_sizes(size: int | str, count: int) -> None:
    assert size_bytes(size) == count


@pytest.mark.parametrize("size", ["", "GB", "-1", -1, 1.5, True, "1.5GB", "1Gb/s"])
def test_what_is_no_size_is_refused(size: object) -> None:
    with pytest.raises(ConfigError, match="is no size"):
        size_bytes(size)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, LATEST),
        (0, Bound(offset=0)),
        (-5, Bound(offset=-5)),
        ("earliest", EARLIEST),
        ("latest", LATEST),
        (datetime(2026, 1, 1, tzinfo=UTC), Bound(time_ms=1_767_225_600_000)),
        (
            datetime(2026, 1, 1, 0, 0, 0, 1999, tzinfo=timezone(timedelta(hours=6))),
            Bound(time_ms=1_767_225_600_001 - 6 * 3_600_000),
        ),
        ("2026-01-01T00:00:00Z", Bound(time_ms=1_767_225_600_000)),
        (timedelta(hours=1), Bound(time_ms=NOW_MS - 3_600_000)),
        (timedelta(hours=-1), Bound(time_ms=NOW_MS - 3_600_000)),
        ("-1h", Bound(time_ms=NOW_MS - 3_600_000)),
    ],
)
def test_places(value: object, found: Bound) -> None:
    assert bound(value, now_ms=NOW_MS, default=LATEST) == found  # type: ignore[arg-type]


def test_a_day_begins_at_its_local_midnight() -> None:
    midnight = datetime(2026, 1, 1).timestamp() * 1000
    for value in (date(2026, 1, 1), "2026-01-01"):
        assert bound(value, now_ms=NOW_MS, default=LATEST) == Bound(time_ms=int(midnight))


@pytest.mark.parametrize("value", [True, 1.5, "soon", "-1x", b"earliest", "7d"])
def test_what_is_no_place_is_refused(value: object) -> None:
    with pytest.raises(ConfigError):
        bound(value, now_ms=NOW_MS, default=LATEST)  # type: ignore[arg-type]


def test_a_time_of_pandas_without_a_zone_is_local_as_any_other() -> None:
    pd = pytest.importorskip("pandas")
    moment = datetime(2026, 1, 1, 12)
    for value in (moment, pd.Timestamp(moment)):
        assert bound(value, now_ms=NOW_MS, default=LATEST) == Bound(
            time_ms=int(moment.timestamp() * 1000)
        )
