"""Producer ids, handed out one by one from blocks that the metadata log reserves.

A block is durable before its first id is handed out, so no id is ever handed out twice; what is
left of a block at a stop is lost, as with Kafka.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.metadata.records import ProducerIdsReserved

if TYPE_CHECKING:
    from meghna.metadata.engine import LocalEngine

_BLOCK_COUNT = 1000


class ProducerIds:
    """The block that is being handed out."""

    __slots__ = ("_end", "_engine", "_next", "_node_id")

    def __init__(self, engine: LocalEngine, node_id: int) -> None:
        self._engine = engine
        self._node_id = node_id
        self._next = self._end = 0

    async def take(self) -> int:
        """An id that nobody had.

        Raises:
            StorageError: no new block could be reserved.
        """
        while self._next == self._end:
            async with self._engine.turn:
                if self._next == self._end:
                    await self._reserve()
        taken = self._next
        self._next += 1
        return taken

    async def _reserve(self) -> None:
        first = self._engine.image.next_producer_id
        end = first + _BLOCK_COUNT
        await self._engine.commit(
            [ProducerIdsReserved(broker_id=self._node_id, next_producer_id=end)]
        )
        self._next, self._end = first, end
