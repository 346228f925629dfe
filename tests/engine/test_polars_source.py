"""A topic in polars, DuckDB and pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import meghna


def test_polars_duckdb_and_pandas_read_a_scan(log: meghna.Log) -> None:
    duckdb = pytest.importorskip("duckdb")
    pl = pytest.importorskip("polars")
    pytest.importorskip("pandas")
    topic = log.topic("q", create=True, partitions=2)
    topic.append_many([(b"%d" % (i % 5), b"value number %d" % i) for i in range(1000)])
    scan = topic.scan()
    assert pl.DataFrame(scan).height == scan.to_polars().height == 1000
    lazy = scan.to_polars_lazy().filter(pl.col("key") == b"3").select("value").head(3)
    assert lazy.collect().height == 3
    query = "select count(*), count(distinct key) from scan where octet_length(value) > 5"
    assert duckdb.sql(query).fetchall() == [(1000, 5)]
    assert duckdb.sql("select count(*) from topic").fetchall() == [(1000,)]
    assert pl.DataFrame(topic).height == 1000
    frame = scan.to_pandas()
    assert sorted(frame["value"])[0] == b"value number 0"
