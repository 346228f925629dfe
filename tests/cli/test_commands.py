"""The client commands as a user runs them, against a live broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from meghna.cli import consume, group, produce, topic
from meghna.cli.outcome import Exit
from support.broker import BrokerProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

COMMANDS = {"consume": consume, "group": group, "produce": produce, "topic": topic}


def command(name: str, *arguments: str) -> list[str]:
    assert name in COMMANDS
    return [sys.executable, "-m", "meghna.cli.main", name, *arguments]


class Shell:
    """Runs commands against one broker."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def run(
        self, *words: str, stdin: bytes = b"", code: int = 0
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            command(*words, "-b", self.bootstrap),
            input=stdin,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr.decode()
        assert b"Traceback" not in done.stderr
        return done

    def lines(self, *words: str) -> list[str]:
        return self.run(*words).stdout.decode().splitlines()

    def new_topic(self, *options: str) -> str:
        name = f"cli-{uuid.uuid4().hex[:8]}"
        self.run("topic", "create", name, *options)
        return name


@pytest.fixture
def shell(bootstrap: str) -> Shell:
    return Shell(bootstrap)


def as_lines(values: Sequence[str]) -> bytes:
    return "".join(f"{value}\n" for value in values).encode()


def test_a_topic_is_created_listed_described_and_deleted(shell: Shell) -> None:
    name = shell.new_topic("--partitions", "3", "--config", "retention.ms=60000")
    (row,) = [r for r in json.loads(shell.run("topic", "list", "-o", "json").stdout)
              if r["topic"] == name]  # fmt: skip
    assert row == {"topic": name, "partitions": 3, "replication_factor": 1, "internal": False}
    (found,) = json.loads(shell.run("topic", "describe", name, "-o", "json").stdout)
    assert found["settings"] == {"retention.ms": "60000"}
    assert [p["partition"] for p in found["partitions"]] == [0, 1, 2]
    assert "retention.ms=60000" in shell.lines("topic", "describe", name)[0]
    shell.run("topic", "create", name, code=Exit.FAILED)
    shell.run("topic", "create", name, "--if-not-exists")
    shell.run("topic", "delete", name)
    shell.run("topic", "delete", name, code=Exit.NOT_FOUND)
    shell.run("topic", "describe", name, code=Exit.NOT_FOUND)


@pytest.fixture
def one_offline(tmp_path: Path) -> Iterator[tuple[Shell, str]]:
    """A topic of three partitions with a record each, of which the last cannot be opened."""
    with BrokerProcess(tmp_path) as process:
        shell = Shell(process.bootstrap)
        name = shell.new_topic("--partitions", "3")
        for partition in "012":
            shell.run("produce", name, "-p", partition, stdin=as_lines([partition]))
        process.stop()
        segment = process.data / f"{name}-2" / f"{0:020}.log"
        segment.unlink()
        segment.mkdir()
        process.start()
        yield shell, name


def test_an_offline_partition_hides_no_other(one_offline: tuple[Shell, str]) -> None:
    shell, name = one_offline
    began = time.monotonic()
    (found,) = json.loads(shell.run("topic", "describe", name, "-o", "json").stdout)
    assert time.monotonic() - began < 10
    told = [(p["error"], p["end_offset"]) for p in found["partitions"]]
    assert told == [(None, 1), (None, 1), ("LEADER_NOT_AVAILABLE", None)]
    shell.run("produce", name, "-p", "1", stdin=b"b\n")
    assert shell.lines("consume", name, "-p", "1", "--exit-at-end") == ["1", "b"]
    for line in (b"c\n", b"d\n", b"e\n"):  # without a key a record goes where it can
        shell.run("produce", name, stdin=line)
    done = shell.run("consume", name, "--exit-at-end", code=Exit.PARTIAL)
    assert sorted(done.stdout.split()) == [b"0", b"1", b"b", b"c", b"d", b"e"]
    assert b"partition 2: leader not available" in done.stderr
    done = shell.run("produce", name, "-p", "2", "--timeout", "1", stdin=b"f\n", code=3)
    assert b"LEADER_NOT_AVAILABLE" in done.stderr
    done = shell.run("consume", name, "-p", "2", "--timeout", "1", code=Exit.UNREACHABLE)
    assert b"LEADER_NOT_AVAILABLE" in done.stderr


def test_some_of_several_is_a_partial_failure(shell: Shell) -> None:
    name = shell.new_topic()
    done = shell.run("topic", "describe", name, "no-such-topic", code=Exit.PARTIAL)
    assert b"no-such-topic" in done.stderr
    shell.run("topic", "delete", name, "no-such-topic", code=Exit.PARTIAL)


def test_what_is_not_there_is_said_in_one_way(shell: Shell) -> None:
    said = "meghna: topic 'nope': no such topic or partition (UNKNOWN_TOPIC_OR_PARTITION)\n"
    for words in (["topic", "describe"], ["topic", "delete"], ["consume"]):
        assert shell.run(*words, "nope", code=Exit.NOT_FOUND).stderr.decode() == said
    done = shell.run("group", "describe", "nope", code=Exit.NOT_FOUND)
    assert done.stderr == b"meghna: group 'nope': no such group (GROUP_ID_NOT_FOUND)\n"


def test_refusals_say_why(shell: Shell) -> None:
    done = shell.run("topic", "create", "bad name", code=Exit.FAILED)
    assert b"INVALID_TOPIC_EXCEPTION" in done.stderr
    shell.run("topic", "create", "x", "--config", "novalue", code=Exit.USAGE)
    name = f"cli-{uuid.uuid4().hex[:8]}"
    shell.run("topic", "create", name, "--dry-run")
    shell.run("topic", "describe", name, code=Exit.NOT_FOUND)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_lines_come_back_in_order(shell: Shell, codec: str) -> None:
    name = shell.new_topic("--partitions", "1")
    values = [f"line {i}" for i in range(25_000)]
    done = shell.run("produce", name, "--compression", codec, stdin=as_lines(values))
    assert done.stderr.decode() == f"meghna: 25000 records to {name}\n"
    assert shell.lines("consume", name, "--exit-at-end") == values


def test_keys_headers_and_partitions_are_kept(shell: Shell) -> None:
    name = shell.new_topic("--partitions", "4")
    shell.run("produce", name, "-f", r"%k\t%v", "-H", "h:1:2", stdin=b"a\t1\nb\t2\na\t3\n")
    shell.run("produce", name, "-p", "3", "-k", "fixed", "-Z", stdin=b"here\n\n")
    got = sorted(shell.lines("consume", name, "--exit-at-end", "-f", r"%k %S %h\n"))
    assert got == ["a 1 h=1:2", "a 1 h=1:2", "b 1 h=1:2", "fixed -1 ", "fixed 4 "]
    fixed = shell.lines("consume", name, "-p", "3", "--exit-at-end", "-f", r"%p %k\n")
    assert "3 fixed" in fixed
    shell.run("produce", name, "-p", "9", stdin=b"x\n", code=Exit.NOT_FOUND)


def test_ndjson_of_consume_goes_into_produce(shell: Shell) -> None:
    first, second = shell.new_topic("-p", "1"), shell.new_topic("-p", "1")
    shell.run("produce", first, "-k", "é", "-H", "a=b", stdin=b"one\n\xff\xfe\n")
    written = shell.run("consume", first, "--exit-at-end", "-O", "ndjson").stdout
    shell.run("produce", second, "-i", "ndjson", stdin=written)
    again = shell.run("consume", second, "--exit-at-end", "-O", "ndjson").stdout
    assert again == written.replace(first.encode(), second.encode())
    array = json.loads(shell.run("consume", second, "--exit-at-end", "-O", "json").stdout)
    assert array == [json.loads(line) for line in again.splitlines()]


def test_offsets_say_where_to_begin(shell: Shell) -> None:
    name = shell.new_topic("--partitions", "1")
    shell.run("produce", name, stdin=as_lines([str(i) for i in range(10)]))
    time.sleep(0.01)
    middle_ms = time.time_ns() // 1_000_000
    shell.run("produce", name, stdin=as_lines([str(i) for i in range(10, 20)]))

    def read(*options: str) -> list[str]:
        return shell.lines("consume", name, "--exit-at-end", *options)

    everything = [str(i) for i in range(20)]
    assert read("-o", "earliest") == everything
    assert read("-o", "latest") == []
    assert read("-o", "7") == everything[7:]
    assert read("-o", "-3") == everything[17:]
    assert read("-o", "-99") == everything
    assert read("-o", f"@{middle_ms}") == everything[10:]
    assert read("-o", "@2001-01-01T00:00:00Z") == everything
    assert read("-n", "4") == everything[:4]
    shell.run("consume", name, "-o", "21", "-n", "1", code=Exit.FAILED)
    shell.run("consume", name, "-o", "tomorrow", code=Exit.USAGE)
    shell.run("consume", "no-such-topic", "--exit-at-end", code=Exit.NOT_FOUND)
    shell.run("consume", name, "-o", "latest", "--deadline", "0.2", code=Exit.DEADLINE)


@pytest.mark.parametrize("count", ["-1", "1.5", "many", ""])
def test_a_count_that_counts_nothing_is_a_usage_error(shell: Shell, count: str) -> None:
    done = shell.run("consume", "t", f"--count={count}", code=Exit.USAGE)
    assert f"not a whole number: {count!r}".encode() in done.stderr


def test_a_line_that_is_no_record_ends_after_those_before_it(shell: Shell) -> None:
    name = shell.new_topic("--partitions", "1")
    lines = b'{"value": "a"}\n\n{"value": "b"}\nnonsense\n{"value": "c"}\n'
    done = shell.run("produce", name, "-i", "ndjson", stdin=lines, code=Exit.FAILED)
    assert done.stderr.startswith(b"meghna: line 4: not a record: b'nonsense'")
    assert done.stderr.endswith(b"; 2 records written before that\n")
    assert shell.lines("consume", name, "--exit-at-end") == ["a", "b"]
    done = shell.run("produce", name, "-f", "%p %v", stdin=b"0 c\n7 d\n", code=Exit.NOT_FOUND)
    assert done.stderr.startswith(f"meghna: line 2: topic '{name}' partition 7: ".encode())
    assert done.stderr.endswith(b"; 1 record written before that\n")
    assert shell.lines("consume", name, "--exit-at-end") == ["a", "b", "c"]


def test_a_refusal_says_how_many_were_written(shell: Shell) -> None:
    name = shell.new_topic("--partitions", "2", "--config", "max.message.bytes=1000")
    lines = b"0 small\n" + b"1 " + b"x" * 2000 + b"\n"
    done = shell.run("produce", name, "-f", "%p %v", stdin=lines, code=Exit.FAILED)
    assert b"MESSAGE_TOO_LARGE" in done.stderr
    assert done.stderr.endswith(b"; 1 record written before that\n")
    assert shell.lines("consume", name, "--exit-at-end") == ["small"]


def test_following_shows_records_as_they_come_and_ends_with_an_interrupt(shell: Shell) -> None:
    name = shell.new_topic("--partitions", "2")
    with subprocess.Popen(
        command("consume", name, "--follow", "-b", shell.bootstrap), stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            for value in (b"first\n", b"second\n"):
                shell.run("produce", name, stdin=value)
                assert process.stdout.readline() == value
            os.kill(process.pid, signal.SIGINT)
            assert process.wait(10) == Exit.INTERRUPTED
        finally:
            process.kill()


def test_a_typed_line_is_sent_without_waiting_for_more(shell: Shell) -> None:
    name = shell.new_topic("--partitions", "1")
    with subprocess.Popen(
        command("produce", name, "-b", shell.bootstrap),
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"typed\n")
        process.stdin.flush()
        assert shell.lines("consume", name, "-n", "1") == ["typed"]
        process.stdin.close()
        assert process.wait(10) == Exit.OK


# The confluent client leaves its own threads' sockets to the collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_groups_show_commits_lag_and_members(shell: Shell) -> None:
    from confluent_kafka import Consumer  # noqa: PLC0415  (only here)

    name = shell.new_topic("--partitions", "1")
    group_name = f"group-{name}"
    shell.run("produce", name, stdin=as_lines(["a", "b", "c"]))
    consumer = Consumer(
        {
            "bootstrap.servers": shell.bootstrap,
            "group.id": group_name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([name])
    try:
        message = None
        deadline = time.monotonic() + 30
        while message is None and time.monotonic() < deadline:
            message = consumer.poll(1.0)
        assert message is not None
        consumer.commit(message=message, asynchronous=False)
        (found,) = json.loads(shell.run("group", "describe", group_name, "-o", "json").stdout)
        assert found["state"] == "Stable"
        assert found["lag"] == 2
        (member,) = found["members"]
        assert member["partitions"] == [f"{name}-0"]
        assert found["offsets"][0]["member"] == member["member"]
        assert any(name in line for line in shell.lines("group", "describe", group_name))
        rows = json.loads(shell.run("group", "list", "-o", "json").stdout)
        assert group_name in [row["group"] for row in rows]
    finally:
        consumer.close()
    shell.run("group", "describe", "no-such-group", code=Exit.NOT_FOUND)


@pytest.mark.parametrize(
    "words",
    [("topic", "list"), ("produce", "t"), ("consume", "t"), ("group", "list")],
)
def test_an_unreachable_broker_is_exit_code_three(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        command(*words, "-b", f"127.0.0.1:{free_port()}"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == Exit.UNREACHABLE
    assert done.stdout == ""
    assert done.stderr.startswith("meghna: cannot reach 127.0.0.1:")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_and_usage_errors_have_their_codes(name: str) -> None:
    shown = subprocess.run(command(name, "--help"), capture_output=True, text=True, check=False)
    assert shown.returncode == 0
    assert f"meghna {name}" in shown.stdout
    wrong = subprocess.run(command(name, "--no-such-option"), capture_output=True, check=False)
    assert wrong.returncode == Exit.USAGE
