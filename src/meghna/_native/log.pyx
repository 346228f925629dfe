# cython: language_level=3, boundscheck=False, wraparound=False
"""The binding of native/log: see log.pyi for what each call promises."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MAX, int16_t, int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

import os
from collections import namedtuple

from meghna._native.status cimport (MG_BUSY, MG_NOT_FOUND, MG_OK, mg_error, mg_status,
                                    raise_status)


cdef extern from "base/cursor.h" nogil:
    ctypedef struct mg_span:
        const uint8_t *data
        size_t size

cdef extern from "batch/batch.h" nogil:
    ctypedef struct mg_batch_header:
        int32_t size
        int32_t last_offset_delta
    mg_status mg_batch_check(mg_span bytes, mg_batch_header *header) noexcept

cdef extern from "file/file.h" nogil:
    ctypedef struct mg_files:
        pass
    mg_status mg_files_open_posix(mg_files **out, mg_error *error) noexcept

cdef extern from "log/log.h" nogil:
    ctypedef struct mg_segment:
        pass
    ctypedef struct mg_log_config:
        int64_t segment_size_max
        int64_t segment_age_max_ms
        int64_t index_size_max
        int64_t index_interval_size
        int64_t producer_expiry_ms
        bint append_time
    ctypedef struct mg_log_start:
        bint clean
        int64_t recovery_point
        int64_t start_offset
        int64_t now_ms
    ctypedef struct mg_log_report:
        int64_t cut_size
        int64_t set_aside_size
        int64_t scanned_size
        int32_t segments_scanned
        int32_t indexes_rebuilt
    ctypedef enum mg_append_verdict:
        MG_APPEND_DONE
        MG_APPEND_DUPLICATE
        MG_APPEND_OUT_OF_ORDER_SEQUENCE
        MG_APPEND_INVALID_PRODUCER_EPOCH
    ctypedef struct mg_log_item:
        uint8_t *batch
        mg_batch_header header
        mg_append_verdict verdict
        int64_t base_offset
        int64_t append_time_ms
    ctypedef struct mg_log_slice:
        mg_segment *segment
        int fd
        int64_t position
        size_t size
        int64_t next_offset
    ctypedef struct mg_producer_view:
        int64_t producer_id
        int64_t last_offset
        int64_t last_timestamp
        int64_t transaction_first_offset
        int32_t last_sequence
        int32_t coordinator_epoch
        int16_t epoch
    unsigned MG_READ_DEFAULT
    unsigned MG_READ_AT_LEAST_ONE
    mg_status mg_log_open(mg_log **out, mg_files *files, const char *path,
                          const mg_log_config *config, const mg_log_start *start,
                          mg_log_report *report, mg_error *error) noexcept
    mg_status mg_log_close(mg_log *log, mg_error *error) noexcept
    void mg_log_abandon(mg_log *log) noexcept
    void mg_log_configure(mg_log *log, const mg_log_config *config) noexcept
    mg_status mg_log_append(mg_log *log, mg_log_item **items, size_t count,
                            int32_t leader_epoch, int64_t now_ms, size_t *done,
                            mg_error *error) noexcept
    mg_status mg_log_make_room(mg_log *log, const mg_batch_header *next, int64_t now_ms,
                               mg_error *error) noexcept
    mg_status mg_log_roll(mg_log *log, mg_error *error) noexcept
    mg_status mg_log_truncate(mg_log *log, int64_t offset, mg_error *error) noexcept
    bint mg_log_wants_room(const mg_log *log) noexcept
    mg_status mg_log_reserve_ahead(mg_log *log, mg_error *error) noexcept
    mg_status mg_log_flush(mg_log *log, mg_error *error) noexcept
    mg_status mg_log_delete_old(mg_log *log, int64_t retention_ms, int64_t retention_size,
                                int64_t limit_offset, int64_t now_ms, int32_t *deleted,
                                mg_error *error) noexcept
    mg_status mg_log_raise_start(mg_log *log, int64_t offset, mg_error *error) noexcept
    int64_t mg_log_start_offset(const mg_log *log) noexcept
    int64_t mg_log_end_offset(const mg_log *log) noexcept
    int64_t mg_log_durable_end(const mg_log *log) noexcept
    int64_t mg_log_size(const mg_log *log) noexcept
    int32_t mg_log_segment_count(const mg_log *log) noexcept
    mg_status mg_log_health(const mg_log *log, mg_error *error) noexcept
    mg_status mg_log_read(mg_log *log, int64_t offset, int64_t end_offset, size_t size_max,
                          unsigned flags, mg_log_slice *slice, mg_error *error) noexcept
    mg_status mg_log_slice_copy(const mg_log_slice *slice, size_t start, size_t size,
                                uint8_t *out, mg_error *error) noexcept
    void mg_log_slice_release(mg_log_slice *slice) noexcept
    mg_status mg_log_find_timestamp(mg_log *log, int64_t timestamp, mg_log_slice *batch,
                                    mg_error *error) noexcept
    mg_status mg_log_find_max_timestamp(mg_log *log, mg_log_slice *batch,
                                        mg_error *error) noexcept
    void mg_log_epoch_end(const mg_log *log, int32_t epoch, int32_t *found,
                          int64_t *end_offset) noexcept
    int32_t mg_log_latest_epoch(const mg_log *log) noexcept
    size_t mg_log_producers(const mg_log *log, mg_producer_view *out, size_t room) noexcept


LogConfig = namedtuple(
    "LogConfig",
    "segment_size_max segment_age_max_ms index_size_max index_interval_size producer_expiry_ms"
    " append_time",
    defaults=(1073741824, 604800000, 10485760, 4096, 86400000, False),
    module=__name__,
)
LogReport = namedtuple(
    "LogReport",
    "cut_size set_aside_size scanned_size segments_scanned indexes_rebuilt",
    module=__name__,
)
Appended = namedtuple(
    "Appended", "verdict base_offset last_offset append_time_ms", module=__name__
)
ProducerView = namedtuple(
    "ProducerView",
    "producer_id epoch last_sequence last_offset last_timestamp coordinator_epoch"
    " transaction_first_offset",
    module=__name__,
)
DONE = <int>MG_APPEND_DONE
DUPLICATE = <int>MG_APPEND_DUPLICATE
OUT_OF_ORDER_SEQUENCE = <int>MG_APPEND_OUT_OF_ORDER_SEQUENCE
INVALID_PRODUCER_EPOCH = <int>MG_APPEND_INVALID_PRODUCER_EPOCH

# The kernel's files, with the pool of open handles that all logs of the process share.
cdef mg_files *process_files = NULL


cdef mg_files *open_process_files() except NULL:
    global process_files
    cdef mg_error error
    cdef mg_status status
    if process_files == NULL:
        memset(&error, 0, sizeof(error))
        status = mg_files_open_posix(&process_files, &error)
        if status != MG_OK:
            raise_status(status, &error)
    return process_files


cdef mg_log_config c_config(config) except *:
    cdef mg_log_config c
    c.segment_size_max = config.segment_size_max
    c.segment_age_max_ms = config.segment_age_max_ms
    c.index_size_max = config.index_size_max
    c.index_interval_size = config.index_interval_size
    c.producer_expiry_ms = config.producer_expiry_ms
    c.append_time = config.append_time
    return c


cdef bytes copy_slice(mg_log_slice *slice):
    """The slice's bytes; releases it in every case."""
    cdef mg_error error
    cdef mg_status status = MG_OK
    cdef bytes out
    cdef uint8_t *room
    memset(&error, 0, sizeof(error))
    try:
        out = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>slice.size)
        if slice.size > 0:
            room = <uint8_t *>PyBytes_AS_STRING(out)
            with nogil:
                status = mg_log_slice_copy(slice, 0, slice.size, room, &error)
    finally:
        if slice.segment != NULL:
            mg_log_slice_release(slice)
    if status != MG_OK:
        raise_status(status, &error)
    return out


cdef class Log:
    def __cinit__(self):
        self.log = NULL

    def __dealloc__(self):
        if self.log != NULL:
            mg_log_abandon(self.log)

    cdef mg_log *live(self) except NULL:
        if self.log == NULL:
            from meghna.errors import ClosedError

            raise ClosedError(f"the log {self.path} is closed")
        return self.log

    @classmethod
    def open(cls, path, config=LogConfig(), *, bint clean=False, int64_t recovery_point=0,
             int64_t start_offset=0, int64_t now_ms):
        cdef Log self = cls.__new__(cls)
        cdef mg_error error
        cdef mg_log_start start
        cdef mg_log_report report
        cdef mg_log_config settings = c_config(config)
        cdef bytes path_bytes = os.fsencode(path)
        cdef const char *c_path = path_bytes
        cdef mg_files *files = open_process_files()
        cdef mg_status status
        start.clean = clean
        start.recovery_point = recovery_point
        start.start_offset = start_offset
        start.now_ms = now_ms
        memset(&error, 0, sizeof(error))
        memset(&report, 0, sizeof(report))
        with nogil:
            status = mg_log_open(&self.log, files, c_path, &settings, &start, &report, &error)
        if status != MG_OK:
            raise_status(status, &error)
        self.path = os.fsdecode(path)
        self.report = LogReport(report.cut_size, report.set_aside_size, report.scanned_size,
                                report.segments_scanned, report.indexes_rebuilt)
        return self

    @property
    def closed(self):
        return self.log == NULL

    @property
    def start_offset(self):
        return mg_log_start_offset(self.live())

    @property
    def end_offset(self):
        return mg_log_end_offset(self.live())

    @property
    def durable_end(self):
        return mg_log_durable_end(self.live())

    @property
    def size(self):
        return mg_log_size(self.live())

    @property
    def segment_count(self):
        return mg_log_segment_count(self.live())

    @property
    def latest_epoch(self):
        return mg_log_latest_epoch(self.live())

    @property
    def failure(self):
        cdef mg_error error
        memset(&error, 0, sizeof(error))
        if mg_log_health(self.live(), &error) == MG_OK:
            return None
        return error.detail.decode("utf-8", "replace")

    def configure(self, config):
        cdef mg_log_config settings = c_config(config)
        mg_log_configure(self.live(), &settings)

    def append(self, batches, *, int32_t leader_epoch=0, int64_t now_ms):
        cdef mg_log *log = self.live()
        cdef bytearray copy = bytearray(batches)  # stamped in place
        cdef uint8_t *data = <uint8_t *><char *>copy
        cdef size_t left = len(copy)
        cdef list headers = []
        cdef mg_span span
        cdef mg_batch_header header
        cdef mg_status status
        while left > 0:
            span.data = data
            span.size = left
            status = mg_batch_check(span, &header)
            if status != MG_OK:
                raise_status(status, NULL)
            headers.append(header.size)
            data += header.size
            left -= <size_t>header.size
        return [self.append_one(log, view, leader_epoch, now_ms)
                for view in split_views(copy, headers)]

    cdef object append_one(self, mg_log *log, object view, int leader_epoch, long long now_ms):
        cdef Py_buffer buffer
        cdef mg_log_item item
        cdef mg_log_item *items[1]
        cdef mg_span span
        cdef mg_error error
        cdef mg_status status
        cdef size_t done = 0
        memset(&item, 0, sizeof(item))
        memset(&error, 0, sizeof(error))
        PyObject_GetBuffer(view, &buffer, PyBUF_SIMPLE)
        span.data = <const uint8_t *>buffer.buf
        span.size = <size_t>buffer.len
        item.batch = <uint8_t *>buffer.buf
        items[0] = &item
        with nogil:
            status = mg_batch_check(span, &item.header)
            while status == MG_OK:
                status = mg_log_append(log, items, 1, leader_epoch, now_ms, &done, &error)
                if status != MG_BUSY:
                    break
                status = mg_log_make_room(log, &item.header, now_ms, &error)
        PyBuffer_Release(&buffer)
        if status != MG_OK:
            raise_status(status, &error)
        last = item.base_offset + item.header.last_offset_delta if item.base_offset >= 0 else -1
        return Appended(<int>item.verdict, item.base_offset, last, item.append_time_ms)

    def roll(self):
        cdef mg_log *log = self.live()
        cdef mg_error error
        cdef mg_status status
        memset(&error, 0, sizeof(error))
        with nogil:
            status = mg_log_roll(log, &error)
        if status != MG_OK:
            raise_status(status, &error)

    def truncate(self, int64_t offset):
        cdef mg_log *log = self.live()
        cdef mg_error error
        cdef mg_status status
        memset(&error, 0, sizeof(error))
        with nogil:
            status = mg_log_truncate(log, offset, &error)
        if status != MG_OK:
            raise_status(status, &error)

    def flush(self):
        cdef mg_log *log = self.live()
        cdef mg_error error
        cdef mg_status status
        memset(&error, 0, sizeof(error))
        with nogil:
            status = mg_log_flush(log, &error)
        if status != MG_OK:
            raise_status(status, &error)

    def wants_room(self):
        return mg_log_wants_room(self.live())

    def reserve_ahead(self):
        cdef mg_log *log = self.live()
        cdef mg_error error
        cdef mg_status status
        memset(&error, 0, sizeof(error))
        with nogil:
            status = mg_log_reserve_ahead(log, &error)
        if status != MG_OK:
            raise_status(status, &error)

    def delete_old(self, *, int64_t retention_ms, int64_t retention_size, int64_t limit_offset,
                   int64_t now_ms):
        cdef mg_log *log = self.live()
        cdef int32_t deleted = 0
        cdef mg_error error
        cdef mg_status status
        memset(&error, 0, sizeof(error))
        with nogil:
            status = mg_log_delete_old(log, retention_ms, retention_size, limit_offset, now_ms,
                                       &deleted, &error)
        if status != MG_OK:
            raise_status(status, &error)
        return deleted

    def raise_start(self, int64_t offset):
        cdef mg_log *log = self.live()
        cdef mg_error error
        cdef mg_status status
        memset(&error, 0, sizeof(error))
        with nogil:
            status = mg_log_raise_start(log, offset, &error)
        if status != MG_OK:
            raise_status(status, &error)

    def read(self, int64_t offset, *, size_t size_max=1048576, end_offset=None,
             bint at_least_one=True):
        cdef mg_log *log = self.live()
        cdef mg_log_slice slice
        cdef mg_error error
        cdef mg_status status
        cdef int64_t end = INT64_MAX if end_offset is None else end_offset
        cdef unsigned flags = MG_READ_AT_LEAST_ONE if at_least_one else MG_READ_DEFAULT
        memset(&error, 0, sizeof(error))
        memset(&slice, 0, sizeof(slice))
        with nogil:
            status = mg_log_read(log, offset, end, size_max, flags, &slice, &error)
        if status != MG_OK:
            raise_status(status, &error)
        return copy_slice(&slice)

    def read_batch(self, int64_t offset):
        return self.read(offset, size_max=1)

    def find_timestamp(self, int64_t timestamp):
        cdef mg_log *log = self.live()
        cdef mg_log_slice slice
        cdef mg_error error
        cdef mg_status status
        memset(&error, 0, sizeof(error))
        memset(&slice, 0, sizeof(slice))
        with nogil:
            status = mg_log_find_timestamp(log, timestamp, &slice, &error)
        if status == MG_NOT_FOUND:
            return None
        if status != MG_OK:
            raise_status(status, &error)
        return copy_slice(&slice)

    def find_max_timestamp(self):
        cdef mg_log *log = self.live()
        cdef mg_log_slice slice
        cdef mg_error error
        cdef mg_status status
        memset(&error, 0, sizeof(error))
        memset(&slice, 0, sizeof(slice))
        with nogil:
            status = mg_log_find_max_timestamp(log, &slice, &error)
        if status == MG_NOT_FOUND:
            return None
        if status != MG_OK:
            raise_status(status, &error)
        return copy_slice(&slice)

    def epoch_end(self, int32_t epoch):
        cdef int32_t found = -1
        cdef int64_t end_offset = -1
        mg_log_epoch_end(self.live(), epoch, &found, &end_offset)
        return found, end_offset

    def producers(self):
        cdef mg_log *log = self.live()
        cdef size_t count = mg_log_producers(log, NULL, 0)
        cdef size_t room = count + 16  # some more may have come meanwhile
        cdef mg_producer_view *views = <mg_producer_view *>calloc(room, sizeof(mg_producer_view))
        if views == NULL:
            raise MemoryError
        count = min(room, mg_log_producers(log, views, room))
        out = [
            ProducerView(v.producer_id, v.epoch, v.last_sequence, v.last_offset,
                         v.last_timestamp, v.coordinator_epoch, v.transaction_first_offset)
            for v in views[:count]
        ]
        free(views)
        return out

    def close(self):
        cdef mg_log *log = self.log
        cdef mg_error error
        cdef mg_status status
        if log == NULL:
            return
        self.log = NULL
        memset(&error, 0, sizeof(error))
        with nogil:
            status = mg_log_close(log, &error)
        if status != MG_OK:
            raise_status(status, &error)

    def abandon(self):
        if self.log != NULL:
            mg_log_abandon(self.log)
            self.log = NULL

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.close()

    def __repr__(self):
        if self.log == NULL:
            return f"<Log {self.path} closed>"
        return f"<Log {self.path} {self.start_offset}..{self.end_offset}>"


def split_views(data, sizes):
    """Views of the batches that follow one another in `data`."""
    view = memoryview(data)
    start = 0
    views = []
    for size in sizes:
        views.append(view[start:start + size])
        start += size
    return views
