"""DeleteGroups: empty groups go, with the offsets that they committed. v2 flexible."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from meghna.errors import ErrorCode
from meghna.protocol.messages import DeletableGroupResult, DeleteGroupsResponse

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import DeleteGroupsRequest

API_KEY = 42
VERSIONS = (0, 2)


async def handle(broker: Broker, request: DeleteGroupsRequest, _: Call) -> DeleteGroupsResponse:
    group_ids = list(dict.fromkeys(request.groups_names))
    refusals = await asyncio.gather(*map(broker.groups.delete_group, group_ids))
    return DeleteGroupsResponse(
        results=[
            DeletableGroupResult(
                group_id, ErrorCode.NONE if refusal is None else ErrorCode[refusal.name]
            )
            for group_id, refusal in zip(group_ids, refusals, strict=True)
        ]
    )
