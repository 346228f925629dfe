"""A broker: everything it owns, in the order in which it starts and stops.

    start   listen · take the directory · metadata · logs · server image · groups · reactors
    stop    groups · requests under way · drain · logs · checkpoints · clean mark · unlock

It lives on one event loop; disk work goes to `off_loop`. There are no globals: two brokers in one
process are two of these. Of the settings, `config` is what holds now, with what was altered while
running.
"""

from __future__ import annotations

import asyncio
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from meghna._native.server import Limits, PartitionFailed, Server
from meghna.broker.dispatch import Dispatcher
from meghna.broker.producer_ids import ProducerIds
from meghna.broker.settings import Settings
from meghna.broker.sparing import Sparing
from meghna.broker.topics import Topics
from meghna.broker.upkeep import Upkeep
from meghna.clock import SystemClock
from meghna.codecs import decompress
from meghna.errors import Error, ErrorCode
from meghna.metadata.engine import LocalEngine
from meghna.metadata.internal_topics import OFFSETS_TOPIC
from meghna.storage.directory import METADATA_PARTITION, DataDirectory
from meghna.storage.places import take_all
from meghna.storage.reserve import Reserve
from meghna.storage.start import open_logs, prepare_metadata
from meghna.storage.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from meghna._native.server import Partition, PartitionFull
    from meghna.broker.offsets_topic import OffsetsTopic
    from meghna.clock import Clock
    from meghna.config import BrokerConfig
    from meghna.groups.coordinator import GroupCoordinator
    from meghna.metadata.image import Image
    from meghna.storage.checkpoint import TopicPartition

logger = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")

# Threads for disk work of the control plane: metadata, creation, look-ups, upkeep.
_WORKERS = 4
# How long replies and fetches under way may take at a stop.
_DRAIN_MS = 2_000
# As much of a client's word as the log shows.
_SHOWN_ID_LENGTH = 100


class _StoppedError(Exception):
    """Ends the task group of a broker that was told to stop."""


class Broker:
    """One broker, from `start` to the end of `run`."""

    def __init__(self, config: BrokerConfig, *, clock: Clock | None = None) -> None:
        self._static_config = config
        self.config = config
        self.clock = SystemClock() if clock is None else clock
        self.ports: list[int] = []
        """The bound port of each listener."""
        self._executor = ThreadPoolExecutor(_WORKERS, thread_name_prefix="meghna-worker")
        self._stopping = asyncio.Event()
        self._offsets_topic: OffsetsTopic | None = None
        self.refused_topics = Sparing(self.clock)
        """Topics that were asked for and cannot be made, as the log was told."""
        self._told_of_transactions = False

    # ---- What handlers look at ----

    @property
    def image(self) -> Image:
        return self.engine.image

    @property
    def cluster_id(self) -> str:
        return self.directory.identity.cluster_id

    @property
    def directory(self) -> DataDirectory:
        """The data directory with the metadata."""
        return self.directories[0]

    def address(self, listener: int) -> tuple[str, int]:
        """What clients of a listener are told to connect to."""
        found = self.config.listeners[listener]
        return found.advertised_host, found.advertised_port or self.ports[listener]

    def bootstrap(self) -> str:
        """The addresses that a client may be given."""
        addresses = map(self.address, range(len(self.ports)))
        return ",".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in addresses
        )

    def partition(self, topic: str, index: int) -> tuple[Partition | None, ErrorCode]:
        """The running partition, or why there is none."""
        found = self.topics.handle(topic, index)
        if found is not None:
            return found, ErrorCode.NONE
        known = self.topics.get(topic)
        if known is None or not 0 <= index < len(known.partitions):
            return None, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return None, ErrorCode.KAFKA_STORAGE_ERROR

    # ---- Work ----

    async def off_loop(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do work that waits for the disk on a worker thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: work(*args, **kwargs))

    def in_background(self, work: Coroutine[object, object, object]) -> asyncio.Task[None]:
        """Do work that nobody has to wait for; the broker ends it."""

        async def told() -> None:
            try:
                await work
            except Exception:
                logger.exception("background work failed")

        return self._tasks.create_task(told())

    # ---- Groups ----

    def _offsets(self) -> OffsetsTopic:
        """The coordinator and its topic, made when the first group asks: a broker without groups
        does without their modules, too."""
        if self._offsets_topic is None:
            from meghna.broker.offsets_topic import OffsetsTopic  # noqa: PLC0415

            self._offsets_topic = OffsetsTopic(self)
            self._offsets_topic.coordinator.start(self._tasks)
            self._tasks.create_task(self._offsets_topic.coordinator.run_timers())
        return self._offsets_topic

    @property
    def groups(self) -> GroupCoordinator:
        return self._offsets().coordinator

    async def ensure_offsets_topic(self) -> None:
        """Let `__consumer_offsets` be there and its groups be served.

        Raises:
            StorageError, OSError: it could not be made.
        """
        await self._offsets().ensure()

    # ---- What changes while running ----

    async def remove_topics(self, names: Iterable[str], *, timeout_ms: float) -> bool:
        """Remove topics and what groups committed for them; whether their logs were let go in
        time. The caller holds the turn.

        Raises:
            StorageError: nothing was removed.
        """
        names = list(names)
        await self.off_loop(self.reserve.look)
        ids = {name: self.image.topics[name].id for name in names}
        if self._offsets_topic is not None and OFFSETS_TOPIC in names:
            self._offsets_topic.unload()
        is_done = await self.topics.remove(names, timeout_ms=timeout_ms)
        if self._offsets_topic is not None:
            self.in_background(self._offsets_topic.coordinator.forget_topics(ids))
        return is_done

    def settings_changed(self) -> None:
        """Take over what the image says about this broker's own settings."""
        self.settings = Settings(self._static_config, self.image)
        self.config = self.settings.running_config()

    def tell_of_transactions(self, transactional_id: str) -> None:
        """Say, once, that a client wants what is not served."""
        if not self._told_of_transactions:
            self._told_of_transactions = True
            shown = transactional_id[:_SHOWN_ID_LENGTH]
            logger.warning(
                "transactions are not served yet: a client asked for the transactional id %r", shown
            )

    def partition_failed(self, event: PartitionFailed) -> None:
        logger.error("%s-%d is offline: %s", event.topic, event.partition, event.message)
        self.topics.fail(event.topic, event.partition)
        if event.topic == OFFSETS_TOPIC and self._offsets_topic is not None:
            self.groups.unload([event.partition])

    def _directory_failed(self, partitions: Iterable[TopicPartition]) -> None:
        """Take what lies in a data directory that failed out of what clients may use."""
        for topic, index in partitions:
            self.partition_failed(PartitionFailed(topic, index, "its data directory failed"))

    def partition_full(self, event: PartitionFull) -> None:
        if event.is_full:
            self.in_background(self.off_loop(self.reserve.look))
            logger.error(
                "%s-%d: the disk is full; records are refused until there is room",
                event.topic,
                event.partition,
            )
        else:
            logger.warning("%s-%d: there is room again", event.topic, event.partition)

    # ---- Life ----

    def start(self) -> None:
        """Bind, take the directory, open everything. Waits for the disk.

        Raises:
            OSError: an address is in use or cannot be bound; or the disk's.
            DirectoryError: the data directory cannot be taken.
            StorageError: the metadata cannot be read.
        """
        config = self.config
        self.server = Server(limits(config), decompress=decompress)
        try:
            for listener in config.listeners:
                self.ports.append(_bind(self.server, listener.host, listener.port))
            self.directories, self._untaken = take_all(
                config.data_directories,
                lambda path, cluster_id: DataDirectory.take(
                    path, node_id=config.node_id, cluster_id=cluster_id
                ),
                cluster_id=config.cluster_id,
            )
        except BaseException:
            self.server.close()
            self._executor.shutdown()
            raise
        try:
            with ExitStack() as undo:
                self._open(undo)
                undo.pop_all()
        except BaseException:
            self.server.close()
            self._release()
            self._executor.shutdown()
            raise

    def _open(self, undo: ExitStack) -> None:
        self.reserve = Reserve(*(directory.path for directory in self.directories))
        self.reserve.look()
        self.store = Store(*self.directories, clock=self.clock)
        self.store.places.failed.update(self._untaken)
        self.engine = LocalEngine.open(
            os.path.join(self.directory.path, METADATA_PARTITION),
            clean=self.directory.was_clean,
            clock=self.clock,
            executor=self._executor,
        )
        undo.callback(self.engine.abandon)
        undo.callback(self.store.abandon)
        undo.callback(self.server.close)  # the first to go: its threads use the logs
        prepare_metadata(self.engine, self.store.places)
        self.settings_changed()
        self.topics = Topics(self)
        self.leftovers = open_logs(
            self.engine,
            self.store,
            config_of=self.topics.config,
            producer_expiry_ms=self.config.producer_id_expiration_ms,
            threads=self.config.num_recovery_threads_per_data_dir,
        )
        self.producer_ids = ProducerIds(self.engine, self.config.node_id)
        self.topics.start_all()

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until `stop`, after `start`. Calls `ready` when requests are answered."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._serve(ready)
                # The group ends what is still under way in it, and nothing else of the loop.
                raise _StoppedError
        except* _StoppedError:
            pass
        finally:
            self._close()

    async def _serve(self, ready: Callable[[], None]) -> None:
        self.dispatcher = Dispatcher(self, self.server, self._tasks)
        self.upkeep = Upkeep(self)
        loop = asyncio.get_running_loop()
        self.store.places.on_failure = lambda lost: loop.call_soon_threadsafe(
            self._directory_failed, lost
        )
        self.dispatcher.start()
        self.server.start()
        if self.topics.get(OFFSETS_TOPIC) is not None:
            self.in_background(self._offsets().load())
        if self.leftovers:
            self.in_background(self.off_loop(self.store.erase, self.leftovers))
        upkeep = self._tasks.create_task(self.upkeep.run())
        recovery_points = self._tasks.create_task(self.upkeep.write_recovery_points())
        compaction = self._tasks.create_task(self.upkeep.run_compaction())
        ready()
        await self._stopping.wait()
        logger.info("stopping")
        upkeep.cancel()
        recovery_points.cancel()
        compaction.cancel()
        self.upkeep.compactor.stop()
        if self._offsets_topic is not None:
            self._offsets_topic.coordinator.stop()
        await self.off_loop(self.server.drain, _DRAIN_MS)
        self.dispatcher.stop()

    def stop(self) -> None:
        """Begin to end `run`. May be called from a signal handler of the loop, and twice."""
        self._stopping.set()

    def _close(self) -> None:
        """Close every log and say that all is clean, if all went well."""
        # First whoever works on a thread: it may have the server or a log in hand.
        self._executor.shutdown()
        self.server.close()
        self.reserve.look()
        try:
            self.store.close()
            self.engine.close()
            self.store.mark_clean()
            logger.info("stopped")
        except (Error, OSError) as error:
            logger.error("not stopped cleanly; the next start checks what there is: %s", error)
        finally:
            self._release()

    def _release(self) -> None:
        for directory in self.directories:
            directory.release()


def limits(config: BrokerConfig) -> Limits:
    """The server's limits as the settings give them."""
    standard = Limits()
    connections = min(config.max_connections, standard.connections_max)
    return standard._replace(
        reactors=config.reactors,
        frame_size_max=config.socket_request_max_bytes,
        connections_max=connections,
        idle_timeout_ms=config.connections_max_idle_ms,
        fetch_size_max=config.fetch_max_bytes,
        fetch_sessions_max=config.max_incremental_fetch_session_cache_slots,
    )


def _bind(server: Server, host: str, port: int) -> int:
    try:
        return server.listen(host, port)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from error
