"""meghna serve: what it prints, how it ends, and what it says when it cannot start."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import meghna
from meghna.cli.outcome import CommandError, Exit
from meghna.cli.serve import configuration, parser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from meghna.config import BrokerConfig

SOURCE = str(Path(__file__).parents[2] / "src")


def environment(**variables: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("KAFKA_", "CLUSTER_ID"))}
    return {**inherited, "PYTHONPATH": SOURCE, **variables}


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "meghna.cli.main", "serve", *args]


def refused(*args: str, **variables: str) -> tuple[int, str]:
    """Exit code and what was said of a start that fails."""
    ended = subprocess.run(
        command(*args), env=environment(**variables), capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


@contextmanager
def serving(
    path: Path, listen: str = "127.0.0.1:0", *options: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A broker process and the line that it prints."""
    started = subprocess.Popen(
        command("--listen", listen, "--data", str(path), *options),
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert started.stdout is not None
        yield started, started.stdout.readline()
    finally:
        started.kill()
        started.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_clients_connect_and_ends_cleanly(tmp_path: Path, number: int) -> None:
    with serving(tmp_path) as (process, line):
        match = re.fullmatch(r"meghna: bootstrap 127\.0\.0\.1:(\d+) data (\S+)\n", line)
        assert match is not None
        assert match[2] == str(tmp_path)
        with socket.create_connection(("127.0.0.1", int(match[1])), 5):
            process.send_signal(number)
            out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
    assert (tmp_path / ".kafka_cleanshutdown").exists()


def test_an_ipv6_address_is_told_in_brackets(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serving(tmp_path, "[::1]:0") as (_, line):
        assert re.match(r"meghna: bootstrap \[::1\]:\d+ data ", line)


def test_verbose_tells_what_goes_well(tmp_path: Path) -> None:
    def ask(line: str, *words: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "meghna.cli.main", *words, "--bootstrap", line.split()[2]],
            env=environment(), check=True, timeout=30, stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    with serving(tmp_path) as (process, line):
        ask(line, "topic", "create", "t")
        process.kill()
        assert process.communicate(timeout=20)[1] == ""
    with serving(tmp_path, "127.0.0.1:0", "--verbose") as (process, line):
        ask(line, "topic", "delete", "t")
        ask(line, "topic", "create", "u")
        process.terminate()
        _, err = process.communicate(timeout=20)
    for said in (
        "INFO    t-0: checked 0 bytes of 1 segments; all is well",
        "INFO    topic t deleted",
        "INFO    topic u created with 1 partitions",
        "INFO    stopping",
        "INFO    stopped",
    ):
        assert f"Z {said}\n" in err


def test_a_taken_port_and_a_taken_directory(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, line):
        address = line.split()[2]
        code, said = refused("--listen", address, "--data", str(tmp_path / "other"))
        assert code == Exit.FAILED
        assert said == (
            f"meghna: cannot listen on {address}: the port is taken; name another with --listen\n"
        )
        code, said = refused("--listen", "127.0.0.1:0", "--data", str(tmp_path))
        assert code == Exit.FAILED
        assert f"in use by process {process.pid};" in said


def test_damaged_metadata_is_told_in_one_line_and_its_last_resort_works(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with meghna.open(data) as log:
        for name in ("t", "u"):
            log.topic(name, create=True, retention="1h").append(b"v")
    metadata = data / "__cluster_metadata-0"
    (segment,) = metadata.glob("*.log")
    bad = bytearray(segment.read_bytes())
    bad[len(bad) // 2] ^= 1
    segment.write_bytes(bad)
    code, said = refused("--listen", "127.0.0.1:0", "--data", str(data))
    assert code == Exit.FAILED
    assert said.count("\n") == 1
    assert said.startswith(f"meghna: {metadata}: the metadata log is damaged at offset ")
    metadata.rename(tmp_path / "away")
    with serving(data) as (process, line):
        assert line.startswith("meghna: bootstrap")
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert "WARNING taking in topic t as it lies there" in err
    assert "WARNING taking in topic u as it lies there" in err
    assert "settings are not known, and defaults hold, retention too" in err


def test_a_directory_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    code, said = refused("--listen", "127.0.0.1:0", "--data", str(tmp_path))
    assert code == Exit.FAILED
    assert "holds no Meghna or Kafka data" in said


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, said = refused("--listen", "127.0.0.1:0", "--data", str(tmp_path / "file"))
    assert (code, said) == (Exit.FAILED, f"meghna: {tmp_path / 'file'} is not a directory\n")
    code, said = refused("--listen", "127.0.0.1:0", "--data", str(tmp_path / "file" / "data"))
    assert code == Exit.FAILED
    assert "Not a directory" in said


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--set", "num.partition=3"], "--set: unknown setting num.partition; did you mean num.p"),
        (["--set", "x"], "--set x: is not of the form KEY=VALUE"),
        (["--set", "num.partitions=many"], "Invalid value many for configuration num.partitions"),
        (["--listen", "9092"], "--listen: '9092' is not of the form host:port"),
        (["--listen", "[::1]:99999"], "'[::1]:99999': the port is out of range, 0 to 65535"),
        (["--listen", "a:" + "9" * 5000], "the port is out of range"),
        (["--config", "no/such/file"], "no/such/file: cannot be read: No such file"),
    ],
)
def test_settings_that_cannot_be(args: list[str], said: str) -> None:
    with pytest.raises(CommandError) as raised:
        configuration(parser().parse_args(args))
    assert raised.value.code is Exit.USAGE
    assert said in str(raised.value)


def configured(*args: str) -> BrokerConfig:
    return configuration(parser().parse_args(args))


def test_a_later_source_of_settings_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "server.properties"
    file.write_text("num.partitions=2\nnode.id=4\nlisteners=PLAINTEXT://127.0.0.1:7\nlog.dirs=a\n")
    assert configured("--config", str(file)).num_partitions == 2
    monkeypatch.setenv("KAFKA_NUM_PARTITIONS", "3")
    monkeypatch.setenv("KAFKA_NUM_PARTITION", "3")
    monkeypatch.setenv("CLUSTER_ID", "MkU3OEVBNTcwNTJENDM2Qg")
    config = configured("--config", str(file))
    assert (config.num_partitions, config.node_id, config.listeners[0].port) == (3, 4, 7)
    assert config.cluster_id == "MkU3OEVBNTcwNTJENDM2Qg"
    assert "KAFKA_NUM_PARTITION in the environment" in capsys.readouterr().err
    config = configured(
        "--config", str(file), "--set", "num.partitions=4", "--listen", "127.0.0.1:8", "--data", "b"
    )
    assert (config.num_partitions, config.listeners[0].port) == (4, 8)
    assert config.data_directories == ("b",)


@pytest.mark.parametrize("source", ["file", "environment", "option"])
def test_access_control_that_is_asked_for_is_never_ignored(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args: list[str] = []
    if source == "environment":
        monkeypatch.setenv("KAFKA_AUTHORIZER_CLASS_NAME", "x.Acl")
    elif source == "file":
        file = tmp_path / "server.properties"
        file.write_text("authorizer.class.name=x.Acl\n")
        args = ["--config", str(file)]
    else:
        args = ["--set", "authorizer.class.name=x.Acl"]
    with pytest.raises(CommandError, match="access control is not served yet") as raised:
        configured(*args)
    assert raised.value.code is Exit.USAGE


def test_an_advertised_address_counts_without_listeners() -> None:
    (listener,) = configured("--set", "advertised.listeners=PLAINTEXT://outside:7").listeners
    assert (listener.host, listener.port) == ("127.0.0.1", 9092)
    assert (listener.advertised_host, listener.advertised_port) == ("outside", 7)
    with pytest.raises(CommandError, match="OUT is not one of listeners"):
        configured("--set", "advertised.listeners=OUT://outside:7")


def test_what_has_no_effect_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    configured("--set", "zookeeper.connect=z:1", "--set", "ssl.client.auth=required")
    assert capsys.readouterr().err == (
        "meghna: warning: ssl.client.auth has no effect here\n"
        "meghna: warning: zookeeper.connect has no effect here\n"
    )


def test_an_unknown_key_in_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "server.properties"
    file.write_text("auto.create.topic.enable=false\n")
    with pytest.raises(CommandError, match=r"did you mean auto\.create\.topics\.enable"):
        configured("--config", str(file))
