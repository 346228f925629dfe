"""meghna serve: a broker in the foreground, until Ctrl-C or SIGTERM.

Standard output gets one line when requests are answered: where clients connect. Standard error
gets the log, one line an event. Settings come from `--config`, then the `KAFKA_*` environment, then
`--set`, `--listen` and `--data`; a later one wins.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from meghna.cli.outcome import CommandError, Exit, concluded, note
from meghna.config import (
    DEFAULT_DATA_DIRECTORY,
    DEFAULT_LISTEN,
    check_names,
    from_environment,
    from_properties,
    load,
    parse_address,
    without_effect,
)
from meghna.errors import ConfigError, Error

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.config import BrokerConfig


def run(args: list[str]) -> int:
    options = parser().parse_args(args)
    return concluded(lambda: serve(options))


def parser() -> ArgumentParser:
    made = ArgumentParser(prog="meghna serve", description="Run a broker until it is told to stop.")
    made.add_argument(
        "--listen", metavar="HOST:PORT", help=f"default {DEFAULT_LISTEN}; port 0: any"
    )
    made.add_argument(
        "--data", metavar="DIR", help=f"data directory, default {DEFAULT_DATA_DIRECTORY}"
    )
    made.add_argument("--config", metavar="FILE", help="a server.properties file")
    made.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="settings",
        help="a setting by Kafka's name, repeatable",
    )
    made.add_argument("--verbose", action="store_true", help="log also what goes well")
    return made


def serve(options: Namespace) -> Exit:
    config = configuration(options)
    _without_tls_modules()
    import asyncio  # noqa: PLC0415 - after the line above

    from meghna.broker.broker import Broker  # noqa: PLC0415 - only when the options are fine

    start_log(verbose=options.verbose)
    broker = Broker(config)
    try:
        broker.start()
    except OSError as error:
        raise CommandError(_why_not_started(error, config)) from error
    except Error as error:
        raise CommandError(str(error)) from error
    asyncio.run(_run(broker))
    return Exit.OK


async def _run(broker: Broker) -> None:
    import asyncio  # noqa: PLC0415 - as above

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, broker.stop)
    await broker.run(lambda: announce(broker))


def announce(broker: Broker) -> None:
    """Tell whoever started us where clients connect."""
    sys.stdout.write(f"meghna: bootstrap {broker.bootstrap()} data {broker.directory.path}\n")
    sys.stdout.flush()


def _without_tls_modules() -> None:
    """Let asyncio do without the ssl module: its loop has no sockets here, TLS is the server's, and
    the module costs 10 ms and 4 MB."""
    if "asyncio" not in sys.modules:
        sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]


def _why_not_started(error: OSError, config: BrokerConfig) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {error.filename}: the port is taken; name another with --listen"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on {error.filename}: this machine has no such address"
    if error.errno == errno.EACCES and error.filename and ":" in str(error.filename):
        return f"cannot listen on {error.filename}: not permitted"
    if error.errno == errno.EEXIST:
        return f"{error.filename} is not a directory"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk that holds {', '.join(config.data_directories)} is full"
    return f"{error.filename or config.data_directories[0]}: {error.strerror or error}"


# ---- Settings ----


def configuration(options: Namespace) -> BrokerConfig:
    """What file, environment and options say together.

    Raises:
        CommandError: an unknown name or a bad value, and where it stands.
    """
    try:
        settings = file_settings(options.config) if options.config else {}
        inherited, unknown = from_environment(os.environ)
        for variable in unknown:
            note(f"{variable} in the environment is no setting that is known here")
        settings.update(inherited)
        given = option_settings(options.settings)
        settings.update(given)
        if options.listen:
            parse_address("--listen", options.listen)
        config = load(
            settings,
            listen=options.listen,
            data_directory=options.data,
            cluster_id=os.environ.get("CLUSTER_ID"),
        )
    except ConfigError as error:
        raise CommandError(str(error), Exit.USAGE) from error
    for name in without_effect(config):
        note(f"warning: {name} has no effect here")
    return config


def file_settings(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    settings = from_properties(text, path)
    check_names(settings, path)
    return settings


def option_settings(pairs: list[str]) -> dict[str, str]:
    settings = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise ConfigError(f"--set {pair}: is not of the form KEY=VALUE")
        settings[name.strip()] = value
    check_names(settings, "--set")
    return settings


# ---- The log ----


def start_log(*, verbose: bool) -> None:
    """One line an event on standard error: time, level, what happened."""
    import logging  # noqa: PLC0415 - not before the options are known to be fine

    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)-7s %(message)s")
    formatter.datefmt = "%Y-%m-%dT%H:%M:%S"
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbose else logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
