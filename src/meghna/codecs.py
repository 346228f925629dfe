"""Kafka's compression codecs over ready-made libraries, with a hard bound on what may come out.

A compressed batch is a stranger's: it may state a size that it does not have, open to gigabytes,
or end early. So `decompress` never holds much more than `size_max`, believes no stated size that
its bytes cannot have, and takes truncated bytes for corrupt ones, where the libraries may return
what they have.

What is written is what every Kafka client reads: snappy in the framing of Java's xerial library,
LZ4 as one frame of independent blocks (Java refuses linked ones). Read is what Kafka reads: raw
snappy, several gzip members and zstd frames as well.

The libraries take milliseconds to load, so each is loaded where it is first needed.
"""

import mmap
import zlib
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from meghna.errors import CorruptDataError, TooLargeError, UnknownCodecError

if TYPE_CHECKING:
    from collections.abc import Callable

    import zstandard

__all__ = ["OPENED_SIZE_MAX", "Codec", "compress", "decompress"]

# Bytes. The largest batch that clients make by default is 1 MiB; the same wall stands in
# native/base/bounds.h.
OPENED_SIZE_MAX: Final = 64 * 1024 * 1024

_GZIP_WINDOW_BITS: Final = 31  # 15, and 16 for gzip's own header
# Bytes fed at a time. What follows a member's end is copied once a member, and a member may be
# 20 bytes long: fed as one, a megabyte of them would be copied 50,000 times.
_GZIP_PIECE_SIZE: Final = 4096

_XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"
_XERIAL_VERSIONS: Final = b"\x00\x00\x00\x01\x00\x00\x00\x01"  # written, compatible with
_XERIAL_HEADER: Final = _XERIAL_MAGIC + _XERIAL_VERSIONS
_XERIAL_BLOCK_SIZE: Final = 32 * 1024  # as Java writes; readers keep a buffer of this size

# The most bytes that one compressed byte can stand for. LZ4: a byte of match length is 255.
# Snappy: a copy of 64 bytes takes at least two.
_LZ4_RATIO_MAX: Final = 255
_SNAPPY_RATIO_MAX: Final = 32

# cramjam's own default is one of the slow, high ratios: nine times slower on JSON. Kafka takes the
# fast compressor as well, and for its default level, 9, alone.
_LZ4_FAST_LEVEL: Final = 1
_LZ4_KAFKA_LEVEL: Final = 9

_ZSTD_WINDOW_SIZE_MAX: Final = 1 << 27  # bytes; zstd's own default, all levels stay within
_ZSTD_FIRST_GUESS_RATIO: Final = 16
_ZSTD_FIRST_GUESS_SIZE: Final = 1024 * 1024
# Bytes fed at a time: a run of 128 KiB takes four, so a piece opens to 16 MiB at most.
_ZSTD_PIECE_SIZE: Final = 512


class Codec(IntEnum):
    """What the low bits of a batch's attributes name."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


def compress(codec: int, data: bytes, *, level: int | None = None) -> bytes:
    """Compress the records of a batch; `level` is the codec's own, None its default.

    Raises UnknownCodecError for a codec that Kafka does not know.
    """
    return _compressor(codec)(data, level)


def decompress(codec: int, data: bytes | memoryview, *, size_max: int = OPENED_SIZE_MAX) -> bytes:
    """Open the records of a batch.

    Raises CorruptDataError for bytes that are not whole and of this codec, TooLargeError when
    they open to more than `size_max` bytes, UnknownCodecError for an unknown codec.
    """
    return _decompressor(codec)(data, size_max)


def _compressor(codec: int) -> "Callable[[bytes, int | None], bytes]":
    if codec in _COMPRESSORS:
        return _COMPRESSORS[codec]
    raise _unknown(codec)


def _decompressor(codec: int) -> "Callable[[bytes | memoryview, int], bytes]":
    if codec in _DECOMPRESSORS:
        return _DECOMPRESSORS[codec]
    raise _unknown(codec)


def _unknown(codec: int) -> UnknownCodecError:
    return UnknownCodecError(f"there is no compression codec {codec}")


def _too_large(size_max: int) -> TooLargeError:
    return TooLargeError(f"compressed records open to more than {size_max} bytes")


def _corrupt(codec: str, reason: object) -> CorruptDataError:
    return CorruptDataError(f"corrupt {codec} data: {reason}")


def _keep(data: bytes, _level: int | None) -> bytes:
    return data


def _unkeep(data: bytes | memoryview, size_max: int) -> bytes:
    if len(data) > size_max:
        raise _too_large(size_max)
    return bytes(data)


def _gzip(data: bytes, level: int | None) -> bytes:
    chosen = zlib.Z_DEFAULT_COMPRESSION if level is None else level
    member = zlib.compressobj(chosen, zlib.DEFLATED, _GZIP_WINDOW_BITS)
    return member.compress(data) + member.flush()


def _gunzip(data: bytes | memoryview, size_max: int) -> bytes:
    opened: list[bytes] = []
    room = size_max + 1  # the one more tells full from too full
    member = zlib.decompressobj(_GZIP_WINDOW_BITS)
    view = memoryview(data)
    try:
        for start in range(0, len(view), _GZIP_PIECE_SIZE):
            piece = bytes(view[start : start + _GZIP_PIECE_SIZE])
            while piece:
                if member.eof:
                    member = zlib.decompressobj(_GZIP_WINDOW_BITS)
                opened.append(member.decompress(piece, room))
                room -= len(opened[-1])
                if room <= 0:
                    raise _too_large(size_max)
                piece = member.unused_data
    except zlib.error as error:
        raise _corrupt("gzip", error) from None
    if not member.eof:
        raise _corrupt("gzip", "it ends early")
    return b"".join(opened)


def _snappy(data: bytes, _level: int | None) -> bytes:
    import cramjam  # noqa: PLC0415

    parts = [_XERIAL_HEADER]
    # At least one block, if an empty one: clients in Python take a bare header for raw snappy.
    for start in range(0, max(len(data), 1), _XERIAL_BLOCK_SIZE):
        block = bytes(cramjam.snappy.compress_raw(data[start : start + _XERIAL_BLOCK_SIZE]))
        parts += (len(block).to_bytes(4, "big"), block)
    return b"".join(parts)


def _unsnappy(data: bytes | memoryview, size_max: int) -> bytes:
    view = memoryview(data)
    if bytes(view[: len(_XERIAL_MAGIC)]) != _XERIAL_MAGIC:
        return _unsnappy_block(view, size_max)

    opened: list[bytes] = []
    left = size_max
    position = 0
    while position < len(view):
        # Streams may follow one another, each with its header: Java appends so.
        if bytes(view[position : position + len(_XERIAL_MAGIC)]) == _XERIAL_MAGIC:
            position += len(_XERIAL_HEADER)
            if position > len(view):
                raise _corrupt("snappy", "its header ends early")
            continue
        start = position + 4
        size = int.from_bytes(view[position:start], "big")
        position = start + size
        if start > len(view) or position > len(view):
            raise _corrupt("snappy", "a block ends early")
        opened.append(_unsnappy_block(view[start:position], left, size_max))
        left -= len(opened[-1])
    return b"".join(opened)


def _unsnappy_block(block: memoryview, room: int, size_max: int | None = None) -> bytes:
    """One raw block that may open to `room` bytes, of the `size_max` for all blocks."""

    import cramjam  # noqa: PLC0415

    try:
        stated = cramjam.snappy.decompress_raw_len(block)
        if stated > len(block) * _SNAPPY_RATIO_MAX:
            raise _corrupt("snappy", "it states a size that it cannot have")
        if stated > room:
            raise _too_large(room if size_max is None else size_max)
        if len(block) == 0:
            raise _corrupt("snappy", "it is empty")
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise _corrupt("snappy", error) from None


def _lz4(data: bytes, level: int | None) -> bytes:
    import cramjam  # noqa: PLC0415

    chosen = _LZ4_FAST_LEVEL if level in (None, _LZ4_KAFKA_LEVEL) else level
    frame = cramjam.lz4.Compressor(level=chosen, content_checksum=False, block_linked=False)
    frame.compress(data)
    return bytes(frame.finish())


def _unlz4(data: bytes | memoryview, size_max: int) -> bytes:
    import cramjam  # noqa: PLC0415

    possible = len(data) * _LZ4_RATIO_MAX
    # The room is what could be needed: pages of a mapping that are not touched cost nothing. (A
    # bytearray would be zeroed, which took ten times as long as opening what is in it.)
    with mmap.mmap(-1, max(min(possible, size_max), 1)) as room:
        try:
            size = cramjam.lz4.decompress_into(data, room)
        except cramjam.DecompressionError as error:
            if possible > size_max and "whole buffer" in str(error):
                raise _too_large(size_max) from None
            raise _corrupt("lz4", error) from None
        if size > size_max:  # a mapping has at least a byte
            raise _too_large(size_max)
        return room[:size]


def _zstd(data: bytes, level: int | None) -> bytes:
    import zstandard  # noqa: PLC0415

    return zstandard.ZstdCompressor(level=3 if level is None else level).compress(data)


def _unzstd(data: bytes | memoryview, size_max: int) -> bytes:
    import zstandard  # noqa: PLC0415

    frames = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_SIZE_MAX)
    guess = max(len(data) * _ZSTD_FIRST_GUESS_RATIO, _ZSTD_FIRST_GUESS_SIZE)
    try:
        if zstandard.frame_content_size(data) <= size_max:
            return frames.decompress(data, min(guess, size_max), allow_extra_data=False)
    except zstandard.ZstdError:
        pass  # More than guessed, several frames, or really corrupt: the slow way tells.
    return _unzstd_piecemeal(frames, data, size_max)


def _unzstd_piecemeal(
    frames: "zstandard.ZstdDecompressor", data: bytes | memoryview, size_max: int
) -> bytes:
    import zstandard  # noqa: PLC0415

    opened: list[bytes] = []
    size = 0
    frame = frames.decompressobj()
    view = memoryview(data)
    try:
        for start in range(0, len(view), _ZSTD_PIECE_SIZE):
            piece = bytes(view[start : start + _ZSTD_PIECE_SIZE])
            while piece:
                if frame.eof:
                    frame = frames.decompressobj()
                opened.append(frame.decompress(piece))
                size += len(opened[-1])
                if size > size_max:
                    raise _too_large(size_max)
                piece = frame.unused_data if frame.eof else b""
    except zstandard.ZstdError as error:
        raise _corrupt("zstd", error) from None
    if not frame.eof:
        raise _corrupt("zstd", "it ends early")
    return b"".join(opened)


_COMPRESSORS: "Final[dict[int, Callable[[bytes, int | None], bytes]]]" = {
    Codec.NONE: _keep,
    Codec.GZIP: _gzip,
    Codec.SNAPPY: _snappy,
    Codec.LZ4: _lz4,
    Codec.ZSTD: _zstd,
}
_DECOMPRESSORS: "Final[dict[int, Callable[[bytes | memoryview, int], bytes]]]" = {
    Codec.NONE: _unkeep,
    Codec.GZIP: _gunzip,
    Codec.SNAPPY: _unsnappy,
    Codec.LZ4: _unlz4,
    Codec.ZSTD: _unzstd,
}
