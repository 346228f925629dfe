# cython: language_level=3
"""Binding of native/batch and of the checksum. batch.pyi is its manual."""

from itertools import accumulate, pairwise
from typing import NamedTuple

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from .status cimport (
    MG_CORRUPT, MG_OK, MG_OUT_OF_RANGE, MG_TOO_LARGE, mg_error, mg_fail, mg_status, raise_status,
)


cdef extern from "base/crc32c.h" nogil:
    uint32_t mg_crc32c(uint32_t crc, const void *data, size_t size) noexcept


cdef extern from "base/cursor.h" nogil:
    ctypedef struct mg_span:
        const uint8_t *data
        size_t size


cdef extern from "batch/batch.h" nogil:
    enum:
        MG_BATCH_HEADER_SIZE
        MG_BATCH_CODEC_MASK
        MG_BATCH_FINE
    ctypedef struct mg_batch_header:
        int64_t base_offset
        int64_t base_timestamp
        int64_t max_timestamp
        int64_t producer_id
        int32_t size
        int32_t leader_epoch
        uint32_t crc
        int32_t last_offset_delta
        int32_t base_sequence
        int32_t record_count
        int16_t attributes
        int16_t producer_epoch
        int8_t magic
    ctypedef struct mg_batch_rules:
        int32_t size_max
        int64_t timestamp_before_max_ms
        int64_t timestamp_after_max_ms
        int64_t now_ms
        bint requires_keys
        bint append_time
        bint zstd_allowed
    ctypedef struct mg_batch_finding:
        int fault
        int32_t record_index
        const char *message
        int64_t max_timestamp
    mg_status mg_batch_header_decode(mg_span bytes, mg_batch_header *header) noexcept
    mg_status mg_batch_check(mg_span bytes, mg_batch_header *header) noexcept
    mg_span mg_batch_payload(mg_span bytes, const mg_batch_header *header) noexcept
    mg_batch_finding mg_batch_validate_produced(mg_span records, const mg_batch_rules *rules,
                                                mg_batch_header *header) noexcept
    void mg_batch_seal(uint8_t *batch, mg_batch_header *header) noexcept


cdef extern from "batch/record.h" nogil:
    ctypedef struct mg_record:
        int64_t timestamp_delta
        int32_t offset_delta
        int32_t header_count
        mg_span key
        mg_span value
    ctypedef struct mg_record_walk:
        pass
    ctypedef struct mg_record_header:
        mg_span key
        mg_span value
    ctypedef struct mg_record_header_walk:
        pass
    mg_record_walk mg_record_walk_over(mg_span payload, int32_t record_count) noexcept
    bint mg_record_next(mg_record_walk *walk, mg_record *record) noexcept
    mg_status mg_record_walk_end(const mg_record_walk *walk) noexcept
    mg_record_header_walk mg_record_header_walk_over(const mg_record *record) noexcept
    bint mg_record_header_next(mg_record_header_walk *walk, mg_record_header *header) noexcept


cdef extern from "batch/columns.h" nogil:
    int64_t mg_batch_record_timestamp(const mg_batch_header *header, int64_t delta) noexcept


cdef extern from "batch/builder.h" nogil:
    ctypedef struct mg_record_parts:
        int64_t timestamp
        mg_span key
        mg_span value
        const mg_record_header *headers
        size_t header_count
    ctypedef struct mg_builder:
        pass
    mg_status mg_record_size_of(const mg_record_parts *parts, int64_t base_timestamp,
                                int32_t offset_delta, size_t *size) noexcept
    mg_builder mg_builder_over(uint8_t *memory, size_t size, int64_t base_timestamp) noexcept
    bint mg_builder_add(mg_builder *builder, const mg_record_parts *parts) noexcept
    mg_batch_header mg_batch_header_blank() noexcept
    void mg_builder_finish(mg_builder *builder, mg_batch_header *header) noexcept


class BatchHeader(NamedTuple):
    base_offset: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    size: int
    leader_epoch: int
    crc: int
    last_offset_delta: int
    base_sequence: int
    record_count: int
    attributes: int
    producer_epoch: int
    magic: int

    @property
    def last_offset(self):
        return self.base_offset + self.last_offset_delta

    @property
    def codec(self):
        return self.attributes & MG_BATCH_CODEC_MASK


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple


class Finding(NamedTuple):
    fault: int
    record_index: int
    message: str
    max_timestamp: int


cdef object new_tuple = tuple.__new__


cdef object header_object(const mg_batch_header *header):
    return new_tuple(BatchHeader, (
        header.base_offset, header.base_timestamp, header.max_timestamp, header.producer_id,
        header.size, header.leader_epoch, header.crc, header.last_offset_delta,
        header.base_sequence, header.record_count, header.attributes, header.producer_epoch,
        header.magic))


cdef inline mg_span span_of(const Py_buffer *view) noexcept nogil:
    return mg_span(<const uint8_t *>view.buf, <size_t>view.len)


cdef inline object bytes_of(mg_span span):
    if span.data == NULL:
        return None
    return PyBytes_FromStringAndSize(<const char *>span.data, <Py_ssize_t>span.size)


cdef inline mg_span nullable_span(bytes data):
    if data is None:
        return mg_span(NULL, 0)
    return mg_span(<const uint8_t *>PyBytes_AS_STRING(data), <size_t>PyBytes_GET_SIZE(data))


cdef int raise_batch(mg_status status, const mg_batch_header *header, size_t size) except -1:
    cdef mg_error error
    if status == MG_OUT_OF_RANGE:
        mg_fail(&error, MG_CORRUPT, 0, b"the batch is cut: %zu bytes of %d", size, header.size)
    else:
        mg_fail(&error, MG_CORRUPT, 0, b"the batch's header, checksum or records are corrupt")
    raise_status(MG_CORRUPT, &error)


def crc32c(data, crc=0, /):
    cdef Py_buffer view
    cdef uint32_t state = crc

    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    with nogil:
        state = mg_crc32c(state, view.buf, <size_t>view.len)
    PyBuffer_Release(&view)
    return state


def header(batch, /):
    cdef Py_buffer view
    cdef mg_batch_header decoded = mg_batch_header_blank()
    cdef mg_status status

    PyObject_GetBuffer(batch, &view, PyBUF_SIMPLE)
    decoded.size = MG_BATCH_HEADER_SIZE
    status = mg_batch_header_decode(span_of(&view), &decoded)
    PyBuffer_Release(&view)
    if status != MG_OK:
        raise_batch(status, &decoded, <size_t>view.len)
    return header_object(&decoded)


def check(batch, /):
    cdef Py_buffer view
    cdef mg_batch_header decoded = mg_batch_header_blank()
    cdef mg_status status

    PyObject_GetBuffer(batch, &view, PyBUF_SIMPLE)
    with nogil:
        status = mg_batch_check(span_of(&view), &decoded)
    PyBuffer_Release(&view)
    if status != MG_OK:
        raise_batch(status, &decoded, <size_t>view.len)
    return header_object(&decoded)


def split(data, /):
    cdef Py_buffer view
    cdef mg_batch_header decoded
    cdef mg_status status = MG_OK
    cdef mg_span rest
    cdef list sizes = []

    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    rest = span_of(&view)
    while rest.size > 0:
        status = mg_batch_header_decode(rest, &decoded)
        if status != MG_OK or <size_t>decoded.size > rest.size:
            break
        sizes.append(decoded.size)
        rest.data += decoded.size
        rest.size -= <size_t>decoded.size
    PyBuffer_Release(&view)
    if status != MG_OK and status != MG_OUT_OF_RANGE:
        raise_batch(status, &decoded, rest.size)
    flat = memoryview(data).cast("B")
    ends = list(accumulate(sizes, initial=0))
    return [flat[begin:end] for begin, end in pairwise(ends)]


def validate(
    batch, /, *, now_ms, size_max=0x7fffffff, timestamp_before_max_ms=0x7fffffffffffffff,
    timestamp_after_max_ms=0x7fffffffffffffff, requires_keys=False, append_time=False,
    zstd_allowed=True,
):
    cdef Py_buffer view
    cdef mg_batch_header decoded
    cdef mg_batch_finding finding
    cdef mg_batch_rules rules

    rules.size_max = size_max
    rules.timestamp_before_max_ms = timestamp_before_max_ms
    rules.timestamp_after_max_ms = timestamp_after_max_ms
    rules.now_ms = now_ms
    rules.requires_keys = requires_keys
    rules.append_time = append_time
    rules.zstd_allowed = zstd_allowed
    PyObject_GetBuffer(batch, &view, PyBUF_SIMPLE)
    with nogil:
        finding = mg_batch_validate_produced(span_of(&view), &rules, &decoded)
    PyBuffer_Release(&view)
    return Finding(finding.fault, finding.record_index, finding.message.decode("ascii"),
                   finding.max_timestamp)


cdef object headers_object(const mg_record *record):
    cdef mg_record_header_walk walk = mg_record_header_walk_over(record)
    cdef mg_record_header item
    headers = []
    while mg_record_header_next(&walk, &item):
        headers.append((bytes_of(item.key).decode("utf-8", "replace"), bytes_of(item.value)))
    return tuple(headers)


cdef list record_objects(mg_span payload, const mg_batch_header *decoded):
    cdef mg_record_walk walk = mg_record_walk_over(payload, decoded.record_count)
    cdef mg_record record
    cdef list found = []
    while mg_record_next(&walk, &record):
        found.append(new_tuple(Record, (
            decoded.base_offset + record.offset_delta,
            mg_batch_record_timestamp(decoded, record.timestamp_delta),
            bytes_of(record.key),
            bytes_of(record.value),
            headers_object(&record) if record.header_count > 0 else (),
        )))
    if mg_record_walk_end(&walk) != MG_OK:
        raise_batch(MG_CORRUPT, decoded, payload.size)
    return found


def records(batch, /, *, decompress=None):
    cdef Py_buffer view
    cdef mg_batch_header decoded = mg_batch_header_blank()
    cdef mg_status status
    cdef bytes plain

    PyObject_GetBuffer(batch, &view, PyBUF_SIMPLE)
    try:
        status = mg_batch_check(span_of(&view), &decoded)
        if status != MG_OK:
            raise_batch(status, &decoded, <size_t>view.len)
        if decoded.attributes & MG_BATCH_CODEC_MASK == 0:
            return record_objects(mg_batch_payload(span_of(&view), &decoded), &decoded)
    finally:
        PyBuffer_Release(&view)

    if decompress is None:
        raise ValueError("the batch is compressed, and no way to decompress was given")
    with memoryview(batch) as whole, whole.cast("B") as flat:
        with flat[MG_BATCH_HEADER_SIZE:decoded.size] as packed:
            plain = decompress(decoded.attributes & MG_BATCH_CODEC_MASK, packed)
    return record_objects(nullable_span(plain), &decoded)


cdef bytes as_bytes(object data):
    return data if data is None or type(data) is bytes else bytes(memoryview(data))


cdef Py_ssize_t parts_of(
    record, mg_record_parts *parts, mg_record_header *headers, Py_ssize_t room, list held
) except -1:
    """Points `parts` into the record's bytes, which `held` keeps alive; returns its headers."""
    cdef Py_ssize_t count = 0
    cdef bytes part
    key, value, items, timestamp = record
    parts.timestamp = timestamp
    part = as_bytes(key)
    held.append(part)
    parts.key = nullable_span(part)
    part = as_bytes(value)
    held.append(part)
    parts.value = nullable_span(part)
    for name, content in items:
        part = name.encode() if type(name) is str else as_bytes(name)
        if part is None:
            raise ValueError("a record header needs a key")
        if count == room:
            raise ValueError("the headers have more items than their len()")
        held.append(part)
        headers[count].key = nullable_span(part)
        part = as_bytes(content)
        held.append(part)
        headers[count].value = nullable_span(part)
        count += 1
    parts.headers = headers
    parts.header_count = <size_t>count
    return count


cdef bytes recompressed(bytes plain, object compress, mg_batch_header *sealed):
    cdef bytes packed = compress(plain[MG_BATCH_HEADER_SIZE:])
    cdef bytes batch = PyBytes_FromStringAndSize(NULL, MG_BATCH_HEADER_SIZE + len(packed))
    cdef uint8_t *memory = <uint8_t *>PyBytes_AS_STRING(batch)
    memcpy(memory + MG_BATCH_HEADER_SIZE, PyBytes_AS_STRING(packed), <size_t>len(packed))
    sealed.size = <int32_t>len(batch)
    mg_batch_seal(memory, sealed)
    return batch


def build(
    records, /, *, base_offset=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
    attributes=0, leader_epoch=-1, compress=None,
):
    if len(records) == 0:
        raise ValueError("a batch needs at least one record")
    if bool(attributes & MG_BATCH_CODEC_MASK) != (compress is not None):
        raise ValueError("the codec bits and `compress` go together")

    cdef Py_ssize_t i, used = 0, record_count = len(records)
    cdef Py_ssize_t header_count = sum([len(record[2]) for record in records])
    cdef bytearray parts_memory = bytearray(record_count * sizeof(mg_record_parts))
    cdef bytearray headers_memory = bytearray(header_count * sizeof(mg_record_header))
    cdef mg_record_parts *parts = <mg_record_parts *>PyByteArray_AS_STRING(parts_memory)
    cdef mg_record_header *headers = <mg_record_header *>PyByteArray_AS_STRING(headers_memory)
    cdef list held = []
    cdef size_t size, total = MG_BATCH_HEADER_SIZE
    cdef mg_status status
    for i in range(record_count):
        used += parts_of(records[i], &parts[i], headers + used, header_count - used, held)
        status = mg_record_size_of(&parts[i], parts[0].timestamp, <int32_t>i, &size)
        if status != MG_OK:
            raise_status(status, NULL)
        total += size

    cdef bytes batch = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>total)
    cdef mg_builder builder = mg_builder_over(
        <uint8_t *>PyBytes_AS_STRING(batch), total, parts[0].timestamp)
    for i in range(record_count):
        if not mg_builder_add(&builder, &parts[i]):
            raise_status(MG_TOO_LARGE, NULL)

    cdef mg_batch_header sealed = mg_batch_header_blank()
    sealed.base_offset = base_offset
    sealed.leader_epoch = leader_epoch
    sealed.producer_id = producer_id
    sealed.producer_epoch = producer_epoch
    sealed.base_sequence = base_sequence
    sealed.attributes = attributes
    mg_builder_finish(&builder, &sealed)
    return batch if compress is None else recompressed(batch, compress, &sealed)
