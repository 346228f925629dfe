"""ApiVersions (18), versions 0 to 4: which APIs are served, in which versions.

Exactly what we serve is advertised, with one exception that Kafka makes, too: Produce from 0 on,
although 0 to 2 are refused, since older librdkafka takes a higher minimum for a broker that knows
no compression. Of a version that nobody knows the answer is version 0 with our own range (KIP-511).
No feature is advertised as finalized that does not hold: a client that saw transaction.version 2
would use transactions that are not there yet.
"""

from __future__ import annotations

import functools
import pkgutil
import re
from typing import TYPE_CHECKING

from meghna.broker.dispatch import HANDLERS, handler
from meghna.errors import ErrorCode
from meghna.protocol.messages import (
    ApiVersion,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)

if TYPE_CHECKING:
    from meghna.broker.broker import Broker
    from meghna.broker.call import Call
    from meghna.protocol.messages import ApiVersionsRequest

API_KEY = 18
VERSIONS = (0, 4)

# Answered by the server itself.
EXPRESS_VERSIONS = {0: (0, 13), 1: (4, 18)}

_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")
_DECLARATION = re.compile(rb"^VERSIONS = \((\d+), (\d+)\)$", re.MULTILINE)
_FIRST_WITH_SOFTWARE = 3
# The one feature there is, and what of it we can read.
_METADATA_VERSIONS = (7, 30)


async def handle(broker: Broker, request: ApiVersionsRequest, call: Call) -> ApiVersionsResponse:
    if call.api_version >= _FIRST_WITH_SOFTWARE and not (
        _SOFTWARE.fullmatch(request.client_software_name)
        and _SOFTWARE.fullmatch(request.client_software_version)
    ):
        return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
    first, last = _METADATA_VERSIONS
    return ApiVersionsResponse(
        api_keys=_served(),
        supported_features=(
            SupportedFeatureKey(name="metadata.version", min_version=first, max_version=last),
        ),
        finalized_features_epoch=broker.image.version,
        finalized_features=tuple(
            FinalizedFeatureKey(name=name, max_version_level=level, min_version_level=level)
            for name, level in broker.image.features.items()
            if name == "metadata.version"
        ),
    )


@functools.cache
def _served() -> tuple[ApiVersion, ...]:
    ranges = {**EXPRESS_VERSIONS, **{key: _declared(key) for key in HANDLERS}}
    return tuple(
        ApiVersion(api_key=key, min_version=first, max_version=last)
        for key, (first, last) in sorted(ranges.items())
    )


def _declared(key: int) -> tuple[int, int]:
    """The versions that a handler's file declares.

    This is the first thing that a client asks, and to import every handler for it would make the
    first record wait 30 ms longer; so the line is read where it stands.
    """
    try:
        text = pkgutil.get_data("meghna.broker.handlers", f"{HANDLERS[key]}.py")
    except OSError:  # An installation without sources.
        text = None
    match = _DECLARATION.search(text or b"")
    if match is None:
        found = handler(key)
        assert found is not None, key
        return found.VERSIONS
    return int(match[1]), int(match[2])


def unsupported() -> ApiVersionsResponse:
    """The answer, in version 0, to a version that is not served."""
    first, last = VERSIONS
    return ApiVersionsResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION,
        api_keys=(ApiVersion(api_key=API_KEY, min_version=first, max_version=last),),
    )
