"""Requests of the control queue: decoded, handed to their handler, answered.

Each request is a task of the broker's group. There are at most as many as connections, since a
connection's next request waits in the server until this one is answered. However a task ends, its
token is answered exactly once, by the callback of its end: a task that is cancelled before its
first step never runs. What a handler cannot answer closes the connection, as Kafka does:

    unknown API, unsupported version    closed; ApiVersions answers its version 0 instead (KIP-511)
    malformed request                   closed
    a bug of ours                       closed, and logged once for each place
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from typing import TYPE_CHECKING, Protocol, cast

from meghna._native.server import Appended, PartitionAdvanced, PartitionFailed, Request
from meghna.broker.call import Call
from meghna.errors import ProtocolError
from meghna.protocol.wire import decode_request, encode_response

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from meghna._native.server import Event, Server
    from meghna.broker.broker import Broker

logger = logging.getLogger(__name__)

API_VERSIONS_KEY = 18

# By API key, the module that answers it. What the server answers itself is not here.
HANDLERS = {
    2: "list_offsets",
    3: "metadata",
    8: "offset_commit",
    9: "offset_fetch",
    10: "find_coordinator",
    11: "join_group",
    12: "heartbeat",
    13: "leave_group",
    14: "sync_group",
    15: "describe_groups",
    16: "list_groups",
    18: "api_versions",
    19: "create_topics",
    20: "delete_topics",
    21: "delete_records",
    22: "init_producer_id",
    23: "offset_for_leader_epoch",
    32: "describe_configs",
    33: "alter_configs",
    35: "describe_log_dirs",
    37: "create_partitions",
    42: "delete_groups",
    44: "incremental_alter_configs",
    47: "offset_delete",
    60: "describe_cluster",
    61: "describe_producers",
    74: "list_config_resources",
    75: "describe_topic_partitions",
}


class Handler(Protocol):
    """A module of `handlers`."""

    API_KEY: int
    VERSIONS: tuple[int, int]
    """The lowest and the highest version that are served and advertised."""

    def handle(
        self, broker: Broker, request: object, call: Call
    ) -> Coroutine[object, object, tuple[object, ...]]: ...


def handler(api_key: int) -> Handler | None:
    """The handler of an API, imported when it is first asked for."""
    name = HANDLERS.get(api_key)
    if name is None:
        return None
    return cast("Handler", importlib.import_module(f"meghna.broker.handlers.{name}"))


class Dispatcher:
    """Takes the server's events and sees each to its end. Belongs to the event loop's thread."""

    __slots__ = ("_awaited", "_broker", "_next_token", "_seen", "_server", "_tasks")

    def __init__(self, broker: Broker, server: Server, tasks: asyncio.TaskGroup) -> None:
        self._broker = broker
        self._server = server
        self._tasks = tasks
        self._awaited: dict[int, asyncio.Future[Appended]] = {}
        self._next_token = 0
        self._seen: set[tuple[object, ...]] = set()

    def start(self) -> None:
        asyncio.get_running_loop().add_reader(self._server.fileno(), self._take)

    def stop(self) -> None:
        """Take no more events. What is under way is the task group's to end."""
        asyncio.get_running_loop().remove_reader(self._server.fileno())
        for future in self._awaited.values():
            future.cancel()

    def expect(self) -> tuple[int, asyncio.Future[Appended]]:
        """A token for `Server.append` or `remove_partition`, and what will hold its event."""
        self._next_token += 1
        future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        self._awaited[self._next_token] = future
        return self._next_token, future

    def _take(self) -> None:
        for event in self._server.take():
            try:
                self._see(event)
            except Exception:
                # The events behind it are taken, too: who waits for them would wait for ever.
                logger.exception("%s could not be dealt with", type(event).__name__)

    def _see(self, event: Event) -> None:
        if isinstance(event, Request):
            self._start(event)
        elif isinstance(event, Appended):
            future = self._awaited.pop(event.token)
            if not future.done():
                future.set_result(event)
        elif isinstance(event, PartitionFailed):
            self._broker.partition_failed(event)
        elif isinstance(event, PartitionAdvanced):
            self._broker.upkeep.checkpoint_soon()
        else:
            self._broker.partition_full(event)

    def _start(self, request: Request) -> None:
        task = self._tasks.create_task(self._answer(request))
        task.add_done_callback(lambda ended: self._finish(request.token, ended))

    def _finish(self, token: int, ended: asyncio.Task[bytes | None]) -> None:
        payload = None if ended.cancelled() or ended.exception() else ended.result()
        self._server.reply(token, payload)

    async def _answer(self, request: Request) -> bytes | None:
        try:
            return await self._reply_payload(request)
        except ProtocolError as error:
            logger.debug("malformed request from %s: %s", request.peer_host, error)
        except Exception as error:  # noqa: BLE001 - the one boundary between requests
            self._tell_once(request, error)
        return None

    async def _reply_payload(self, request: Request) -> bytes | None:
        key, version = request.api_key, request.api_version
        found = handler(key)
        if found is None:
            return None
        first, last = found.VERSIONS
        call = Call(version, request.client_id, request.peer_host, request.listener)
        if not first <= version <= last:
            if key != API_VERSIONS_KEY:
                return None
            from meghna.broker.handlers.api_versions import unsupported  # noqa: PLC0415

            return encode_response(key, 0, unsupported())
        message = decode_request(key, version, request.body)
        return encode_response(key, version, await found.handle(self._broker, message, call))

    def _tell_once(self, request: Request, error: Exception) -> None:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        place = (request.api_key, type(error), where and (where.tb_frame.f_code, where.tb_lineno))
        if place not in self._seen:
            self._seen.add(place)
            logger.error(
                "request of API %d version %d failed; the connection is closed",
                request.api_key,
                request.api_version,
                exc_info=error,
            )
