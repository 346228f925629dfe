# cython: language_level=3
"""Binding of the compaction of native/log. compact.pyi is its manual."""

from typing import NamedTuple

from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memset

from meghna._native.codec_call cimport (
    MG_CODEC_COUNT, Py_DECREF, Slot, call_codec, mg_codecs, mg_span, mg_writer, raise_pending,
    raw_call_with,
)
from meghna._native.log cimport Log, mg_log
from meghna._native.status cimport (
    MG_CLOSED, MG_OK, mg_error, mg_status, raise_status,
)


cdef extern from "base/siphash.h" nogil:
    ctypedef struct mg_siphash_key:
        pass
    mg_siphash_key mg_siphash_key_from(const uint8_t *data) noexcept


cdef extern from "log/cleanable.h" nogil:
    ctypedef struct mg_cleanable:
        int64_t first_dirty_offset
        int64_t first_uncleanable_offset
        int64_t clean_size
        int64_t cleanable_size
        int64_t earliest_timestamp
        bint waits_for_flush
    mg_status mg_log_cleanable(mg_log *log, int64_t first_dirty_offset, int64_t limit_offset,
                               int64_t min_lag_ms, int64_t now_ms, bint asks_time,
                               mg_cleanable *found, mg_error *error) noexcept


cdef extern from "log/compact.h" nogil:
    ctypedef mg_status (*mg_compact_pace)(void *state, int64_t size) noexcept nogil
    ctypedef struct mg_compact_request:
        int64_t first_dirty_offset
        int64_t limit_offset
        int64_t min_lag_ms
        int64_t delete_retention_ms
        int64_t now_ms
        int64_t map_size_max
        mg_siphash_key seed
        const mg_codecs *codecs
        mg_compact_pace pace
        void *pace_state
    ctypedef struct mg_compact_report:
        int64_t end_offset
        int64_t read_size
        int64_t written_size
        int64_t records_read
        int64_t records_kept
        int64_t keys
        int64_t map_size
        int32_t segments_before
        int32_t segments_after
    mg_status mg_log_compact(mg_log *log, const mg_compact_request *request,
                             mg_compact_report *report, mg_error *error) noexcept


class Cleanable(NamedTuple):
    first_dirty_offset: int
    first_uncleanable_offset: int
    clean_size: int
    cleanable_size: int
    earliest_timestamp: int
    waits_for_flush: bool


class CompactReport(NamedTuple):
    end_offset: int
    read_size: int
    written_size: int
    records_read: int
    records_kept: int
    keys: int
    map_size: int
    segments_before: int
    segments_after: int


cdef mg_status compress_with_python(void *state, mg_span plain, mg_writer *out) noexcept with gil:
    cdef Slot *slot = <Slot *>state
    return call_codec(slot.compress, slot.codec, plain, out)


cdef mg_status open_with_python(void *state, mg_span packed, mg_writer *out) noexcept with gil:
    cdef Slot *slot = <Slot *>state
    return call_codec(slot.decompress, slot.codec, packed, out)


cdef mg_status pace_with_python(void *state, int64_t size) noexcept with gil:
    cdef PyObject *answer = raw_call_with(<PyObject *>state, b"L", <long long>size)
    if answer == NULL:
        return MG_CLOSED
    Py_DECREF(answer)
    return MG_OK


def cleanable(Log log not None, first_dirty_offset, *, limit_offset, min_lag_ms, now_ms,
              asks_time=False):
    cdef mg_log *opened = log.live()
    cdef int64_t first = first_dirty_offset, limit = limit_offset, lag = min_lag_ms, now = now_ms
    cdef bint asks = asks_time
    cdef mg_cleanable found
    cdef mg_error error
    error.status = MG_OK  # a callee need not fill it
    cdef mg_status status
    with nogil:
        status = mg_log_cleanable(opened, first, limit, lag, now, asks, &found, &error)
    if status != MG_OK:
        raise_status(status, &error)
    return Cleanable(found.first_dirty_offset, found.first_uncleanable_offset, found.clean_size,
                     found.cleanable_size, found.earliest_timestamp, found.waits_for_flush)


def compact(Log log not None, first_dirty_offset, *, limit_offset, min_lag_ms,
            delete_retention_ms, now_ms, map_size_max, bytes seed not None, compress, decompress,
            pace):
    cdef mg_log *opened = log.live()
    cdef mg_compact_request request
    cdef mg_compact_report report
    cdef mg_codecs codecs
    cdef Slot slots[5]
    cdef int codec
    cdef mg_error error
    error.status = MG_OK  # a callee need not fill it
    cdef mg_status status
    if len(seed) != 16:
        raise ValueError("the seed has 16 bytes")
    memset(&codecs, 0, sizeof(codecs))
    for codec in range(1, MG_CODEC_COUNT):
        slots[codec].codec = codec
        slots[codec].compress = <PyObject *>compress
        slots[codec].decompress = <PyObject *>decompress
        codecs.by_id[codec].state = &slots[codec]
        codecs.by_id[codec].compress = compress_with_python
        codecs.by_id[codec].decompress = open_with_python
    request.first_dirty_offset = first_dirty_offset
    request.limit_offset = limit_offset
    request.min_lag_ms = min_lag_ms
    request.delete_retention_ms = delete_retention_ms
    request.now_ms = now_ms
    request.map_size_max = map_size_max
    request.seed = mg_siphash_key_from(<const uint8_t *><const char *>seed)
    request.codecs = &codecs
    request.pace = pace_with_python
    request.pace_state = <PyObject *>pace
    with nogil:
        status = mg_log_compact(opened, &request, &report, &error)
    raise_pending()
    if status != MG_OK:
        raise_status(status, &error)
    return CompactReport(report.end_offset, report.read_size, report.written_size,
                         report.records_read, report.records_kept, report.keys, report.map_size,
                         report.segments_before, report.segments_after)
