"""A data directory read beside the one who writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import meghna
from engine.reads import values
from meghna.errors import ClosedError, UnsupportedError

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_wrong_with_a_read_only_log_is_said(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log:
        log.topic("t", create=True).append(b"v")
        with meghna.open(tmp_path, read_only=True) as beside:
            topic = beside.topic("t")
            assert values(topic) == [b"v"]
            log["t"].append(b"w")
            assert values(topic) == [b"v", b"w"]
            with pytest.raises(UnsupportedError, match="was opened read-only"):
                topic.append(b"")
            with pytest.raises(UnsupportedError, match="was opened read-only"):
                beside.topic("new", create=True)
            tail = iter(topic.tail("earliest", timeout=10))
            assert [next(tail).value, next(tail).value] == [b"v", b"w"]
            log["t"].append(b"x")
            assert next(tail).value == b"x"
            log.topic("later", create=True)
            beside.refresh()
            assert beside.topics() == ["later", "t"]


def test_a_topic_deleted_and_made_anew_is_noticed(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log, meghna.open(tmp_path, read_only=True) as beside:
        for word in (b"first", b"second"):
            log.topic("t", create=True).append(word)
            beside.refresh()
            assert values(beside.topic("t")) == [word]
            log.delete_topic("t")
            beside.refresh()
            assert beside.topics() == []


def test_records_deleted_by_the_writer_are_gone_for_the_reader(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log, meghna.open(tmp_path, read_only=True) as beside:
        log.topic("t", create=True).append_many([b"a", b"b", b"c"])
        beside.refresh()
        assert values(beside.topic("t")) == [b"a", b"b", b"c"]
        log._writer().raise_start(("t", 0), 2)
        assert values(beside.topic("t")) == [b"c"]


def test_objects_of_a_deleted_topic_say_so_beside_the_writer(tmp_path: Path) -> None:
    with meghna.open(tmp_path) as log, meghna.open(tmp_path, read_only=True) as beside:
        log.topic("t", create=True).append(b"v")
        topic = beside.topic("t")
        tail = iter(topic.tail("earliest", timeout=10))
        assert next(tail).value == b"v"
        log["t"].append(b"w")
        assert (len(topic), topic[1].value) == (2, b"w")
        log.delete_topic("t")
        log.topic("t", create=True)
        with pytest.raises(ClosedError, match="topic 't' was deleted"):
            topic.read()
        with pytest.raises(ClosedError, match="topic 't' was deleted"):
            list(tail)
        assert len(beside["t"]) == 0
