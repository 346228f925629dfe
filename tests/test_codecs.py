"""Codecs against foreign clients' own, and against bytes that lie about themselves."""

import contextlib
import struct
import zlib
from collections.abc import Callable

import aiokafka.codec
import cramjam
import kafka.codec
import lz4.frame
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from meghna.codecs import Codec, compress, decompress
from meghna.errors import CorruptDataError, ErrorCode, TooLargeError, UnknownCodecError

PACKING = [codec for codec in Codec if codec is not Codec.NONE]
MEBIBYTE = 1024 * 1024

# Random bytes, repeated: both what packs well and what does not, over a block of 32 KiB or below.
payloads = st.builds(lambda part, count: part * count, st.binary(), st.integers(0, 3000))


def foreign(module: object, codec: Codec, verb: str) -> Callable[[bytes], bytes]:
    function: Callable[[bytes], bytes] = getattr(module, f"{codec.name.lower()}_{verb}")
    return function


@pytest.mark.parametrize("codec", Codec)
@given(data=payloads)
def test_what_is_compressed_opens_again(codec: Codec, data: bytes) -> None:
    packed = compress(codec, data)
    assert decompress(codec, packed) == data
    assert decompress(codec, memoryview(packed), size_max=len(data)) == data


@pytest.mark.parametrize("client", [kafka.codec, aiokafka.codec], ids=lambda m: m.__name__)
@pytest.mark.parametrize("codec", PACKING)
@settings(max_examples=30)
@given(data=payloads)
def test_foreign_clients_and_we_read_one_another(client: object, codec: Codec, data: bytes) -> None:
    assert bytes(foreign(client, codec, "decode")(compress(codec, data))) == data
    assert decompress(codec, bytes(foreign(client, codec, "encode")(data))) == data


def test_levels_are_passed_on() -> None:
    data = bytes(range(256)) * 400 + b"some text that packs " * 400
    for codec in (Codec.GZIP, Codec.ZSTD):
        assert len(compress(codec, data, level=9)) <= len(compress(codec, data, level=1))
        assert decompress(codec, compress(codec, data, level=9)) == data
    assert decompress(Codec.LZ4, compress(Codec.LZ4, data, level=9)) == data


def test_snappy_is_written_in_xerials_framing_by_blocks_of_32_kib() -> None:
    packed = compress(Codec.SNAPPY, b"x" * 70_000)
    assert packed.startswith(b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1))
    sizes = []
    position = 16
    while position < len(packed):
        (size,) = struct.unpack_from(">i", packed, position)
        sizes.append(cramjam.snappy.decompress_raw_len(packed[position + 4 :][:size]))
        position += 4 + size
    assert sizes == [32768, 32768, 4464]


def test_lz4_is_written_with_independent_blocks_which_java_demands() -> None:
    flags = compress(Codec.LZ4, b"x" * 200_000)[4]
    assert flags >> 6 == 1  # the frame's version
    assert flags & 0x20  # independent blocks


def test_raw_snappy_is_read_as_well() -> None:
    assert decompress(Codec.SNAPPY, bytes(cramjam.snappy.compress_raw(b"raw" * 50))) == b"raw" * 50


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
def test_several_members_one_after_another_are_one(codec: Codec) -> None:
    parts = [b"a" * 10, b"", b"b" * 70_000]
    packed = b"".join(compress(codec, part) for part in parts)
    assert decompress(codec, packed) == b"".join(parts)


def test_frames_that_state_their_size_or_link_their_blocks_are_read() -> None:
    data = bytes(range(256)) * 1000
    for linked in (True, False):
        frame = lz4.frame.compress(data, store_size=True, block_linked=linked)
        assert decompress(Codec.LZ4, frame) == data
    stated = zstandard.ZstdCompressor(write_content_size=True).compress(data)
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(data)
    assert decompress(Codec.ZSTD, stated) == decompress(Codec.ZSTD, silent) == data


@pytest.mark.parametrize("codec", PACKING)
def test_every_truncation_is_corrupt(codec: Codec) -> None:
    packed = compress(codec, b"some records, somewhat compressible, some records")
    ends = [16] if codec is Codec.SNAPPY else []  # a header alone is an empty stream
    for size in range(len(packed)):
        if size not in ends:
            with pytest.raises(CorruptDataError):
                decompress(codec, packed[:size])


@pytest.mark.parametrize("codec", PACKING)
@settings(max_examples=200)
@given(noise=st.binary(max_size=200), keep=st.integers(0, 30))
def test_noise_never_does_worse_than_corrupt(codec: Codec, noise: bytes, keep: int) -> None:
    packed = compress(codec, b"records" * 10)[:keep] + noise
    with contextlib.suppress(CorruptDataError, TooLargeError):
        decompress(codec, packed, size_max=1000)


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("size", [1, 1000, 3 * MEBIBYTE])
def test_the_bound_is_exact(codec: Codec, size: int) -> None:
    packed = compress(codec, b"0" * size)
    assert len(decompress(codec, packed, size_max=size)) == size
    with pytest.raises(TooLargeError, match=f"more than {size - 1} bytes"):
        decompress(codec, packed, size_max=size - 1)


def bombs() -> dict[str, tuple[Codec, bytes]]:
    zeros = b"\0" * (70 * MEBIBYTE)
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    gzip_member = deflate.compress(zeros) + deflate.flush()
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(zeros)
    return {
        "gzip": (Codec.GZIP, gzip_member),
        "gzip, many members": (Codec.GZIP, compress(Codec.GZIP, zeros[:MEBIBYTE]) * 70),
        "snappy": (Codec.SNAPPY, compress(Codec.SNAPPY, zeros)),
        "lz4": (Codec.LZ4, compress(Codec.LZ4, zeros)),
        "zstd": (Codec.ZSTD, compress(Codec.ZSTD, zeros)),
        "zstd, no size stated": (Codec.ZSTD, silent),
        "zstd, many frames": (Codec.ZSTD, compress(Codec.ZSTD, zeros[:MEBIBYTE]) * 70),
    }


@pytest.mark.parametrize("name", bombs())
def test_bombs_are_refused_at_the_default_bound(name: str) -> None:
    codec, bomb = bombs()[name]
    with pytest.raises(TooLargeError):
        decompress(codec, bomb)


@pytest.mark.parametrize(
    ("codec", "lie"),
    [
        (Codec.SNAPPY, b"\xff\xff\xff\xff\x0f" + b"\0" * 20),  # states 4 GiB
        (Codec.SNAPPY, b"\x82SNAPPY\x00" + struct.pack(">iii", 1, 1, 0x7FFFFFFF) + b"\0" * 9),
        (Codec.SNAPPY, b"\x82SNAPPY\x00" + struct.pack(">iii", 1, 1, -1) + b"\0" * 9),
        (Codec.SNAPPY, b"\x82SNAPPY\x00\0\0"),
        (Codec.SNAPPY, b""),
        (Codec.LZ4, lz4.frame.compress(b"12", store_size=True)[:-9] + b"\0" * 4),
        (Codec.GZIP, compress(Codec.GZIP, b"one") + b"not a member"),
    ],
)
def test_lies_about_sizes_are_corrupt(codec: Codec, lie: bytes) -> None:
    with pytest.raises(CorruptDataError):
        decompress(codec, lie)


def test_a_zstd_frame_that_states_gigabytes_allocates_nothing() -> None:
    # Magic, a single segment with a 4-byte content size of 2 GiB, then an empty last block.
    lie = bytes.fromhex("28b52ffd a0 00000080 010000")
    with pytest.raises((CorruptDataError, TooLargeError)):
        decompress(Codec.ZSTD, lie)


def test_a_megabyte_of_empty_members_is_not_copied_once_a_member() -> None:
    packed = compress(Codec.GZIP, b"") * 5000
    assert decompress(Codec.GZIP, packed) == b""


@pytest.mark.parametrize("codec", [-1, 5, 7])
def test_unknown_codecs_have_kafkas_code(codec: int) -> None:
    for verb in (compress, decompress):
        with pytest.raises(UnknownCodecError) as raised:
            verb(codec, b"")
        assert raised.value.code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
