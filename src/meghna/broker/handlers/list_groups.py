"""ListGroups: every group, or those in some states (v4) or of some types (v5), in any case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meghna.protocol.messages import ListedGroup, ListGroupsResponse

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import ListGroupsRequest

API_KEY = 16
VERSIONS = (0, 5)

CLASSIC = "classic"


async def handle(broker: Broker, request: ListGroupsRequest, _: Call) -> ListGroupsResponse:
    states = {state.lower() for state in request.states_filter}
    types = {name.lower() for name in request.types_filter}
    if types and CLASSIC not in types:
        return ListGroupsResponse()
    return ListGroupsResponse(
        groups=[
            ListedGroup(group.group_id, group.protocol_type or "", group.state.value, CLASSIC)
            for group in broker.groups.list_groups()
            if not states or group.state.value.lower() in states
        ]
    )
