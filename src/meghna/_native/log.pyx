# cython: language_level=3
"""Binding of native/log. log.pyi is its manual."""

import os
import warnings
from typing import NamedTuple

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MAX, int16_t, int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from meghna._native.status cimport (
    MG_CLOSED, MG_NO_MEMORY, MG_NOT_FOUND, MG_OK, mg_error, mg_fail, mg_status, raise_status,
)


cdef extern from "base/cursor.h" nogil:
    ctypedef struct mg_span:
        const uint8_t *data
        size_t size


cdef extern from "file/file.h" nogil:
    ctypedef struct mg_files:
        pass
    mg_status mg_files_open_posix(mg_files **out, mg_error *error) noexcept


cdef extern from *:
    """
    #include <stdatomic.h>
    #include <stdint.h>
    typedef _Atomic int64_t mg_count;
    static inline int64_t mg_count_load(const mg_count *count) { return atomic_load(count); }
    """
    ctypedef struct mg_count:
        pass
    int64_t mg_count_load(const mg_count *count) noexcept


cdef extern from "log/log.h" nogil:
    enum:
        MG_APPEND_DONE
        MG_APPEND_DUPLICATE
        MG_APPEND_OUT_OF_ORDER_SEQUENCE
        MG_APPEND_INVALID_PRODUCER_EPOCH
        MG_APPEND_INVALID_TXN_STATE
        MG_APPEND_COORDINATOR_FENCED
        MG_READ_DEFAULT
        MG_READ_AT_LEAST_ONE
    ctypedef struct mg_log_config:
        int64_t segment_size_max
        int64_t segment_age_max_ms
        int64_t index_size_max
        int64_t index_interval_size
        int64_t producer_expiry_ms
        int64_t keep_free
        bint append_time
    ctypedef struct mg_log_start:
        bint clean
        int64_t recovery_point
        int64_t start_offset
        int64_t now_ms
        unsigned threads
        mg_count *progress
        bint check_all
        bint keep_tail
    ctypedef struct mg_log_report:
        int64_t cut_size
        int64_t set_aside_size
        int64_t rewritten_size
        int64_t scanned_size
        int32_t segments_scanned
        int32_t indexes_rebuilt
    ctypedef struct mg_batch_header:
        int32_t size
        int32_t last_offset_delta
    ctypedef struct mg_log_item:
        mg_batch_header header
        int verdict
        int64_t base_offset
        int64_t append_time_ms
    ctypedef struct mg_log_slice:
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
    mg_status mg_log_open(mg_log **out, mg_files *files, const char *path,
                          const mg_log_config *config, const mg_log_start *start,
                          mg_log_report *report, mg_error *error) noexcept
    mg_status mg_log_open_read_only(mg_log **out, mg_files *files, const char *path,
                                    const mg_log_config *config, const mg_log_start *start,
                                    mg_error *error) noexcept
    mg_status mg_log_refresh(mg_log *log, int64_t start_offset, mg_error *error) noexcept
    mg_status mg_log_close(mg_log *log, mg_error *error) noexcept
    void mg_log_abandon(mg_log *log) noexcept
    void mg_log_configure(mg_log *log, const mg_log_config *config) noexcept
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
    int64_t mg_log_unsynced_size(const mg_log *log) noexcept
    ctypedef struct mg_aborted:
        int64_t producer_id
        int64_t first_offset
        int64_t last_offset
        int64_t stable_offset
    int64_t mg_log_last_stable_offset(const mg_log *log) noexcept
    size_t mg_log_aborted(const mg_log *log, int64_t start, int64_t end, mg_aborted *out,
                          size_t room) noexcept
    int64_t mg_log_size(const mg_log *log) noexcept
    int32_t mg_log_segment_count(const mg_log *log) noexcept
    mg_status mg_log_health(const mg_log *log, mg_error *error) noexcept
    mg_status mg_log_read(mg_log *log, int64_t offset, int64_t end_offset, size_t size_max,
                          unsigned flags, mg_log_slice *slice, mg_error *error) noexcept
    mg_status mg_log_slice_copy(const mg_log_slice *slice, size_t at, size_t size, uint8_t *out,
                                mg_error *error) noexcept
    void mg_log_slice_release(mg_log_slice *slice) noexcept
    mg_status mg_log_find_timestamp_from(mg_log *log, int64_t offset, int64_t timestamp,
                                         mg_log_slice *batch, mg_error *error) noexcept
    mg_status mg_log_find_max_timestamp(mg_log *log, mg_log_slice *batch,
                                        mg_error *error) noexcept
    void mg_log_epoch_end(const mg_log *log, int32_t epoch, int32_t *found,
                          int64_t *end_offset) noexcept
    int32_t mg_log_latest_epoch(const mg_log *log) noexcept
    size_t mg_log_producers(const mg_log *log, mg_producer_view *out, size_t room) noexcept


cdef extern from "log/ingest.h" nogil:
    mg_status mg_log_count_batches(mg_span batches, size_t *count, mg_error *error) noexcept
    mg_status mg_log_split(uint8_t *batches, size_t size, mg_log_item *items, size_t count,
                           mg_error *error) noexcept
    mg_status mg_log_append_all(mg_log *log, mg_log_item *items, size_t count,
                                int32_t leader_epoch, int64_t now_ms, size_t *done,
                                mg_error *error) noexcept


DONE = MG_APPEND_DONE
DUPLICATE = MG_APPEND_DUPLICATE
OUT_OF_ORDER_SEQUENCE = MG_APPEND_OUT_OF_ORDER_SEQUENCE
INVALID_PRODUCER_EPOCH = MG_APPEND_INVALID_PRODUCER_EPOCH
INVALID_TXN_STATE = MG_APPEND_INVALID_TXN_STATE
COORDINATOR_FENCED = MG_APPEND_COORDINATOR_FENCED


class LogConfig(NamedTuple):
    segment_size_max: int = 1073741824
    segment_age_max_ms: int = 604800000
    index_size_max: int = 10485760
    index_interval_size: int = 4096
    producer_expiry_ms: int = 86400000
    keep_free: int = 0
    append_time: bool = False


class LogReport(NamedTuple):
    cut_size: int
    set_aside_size: int
    rewritten_size: int
    scanned_size: int
    segments_scanned: int
    indexes_rebuilt: int


class Appended(NamedTuple):
    verdict: int
    base_offset: int
    last_offset: int
    append_time_ms: int


class Aborted(NamedTuple):
    producer_id: int
    first_offset: int
    last_offset: int
    stable_offset: int


class ProducerView(NamedTuple):
    producer_id: int
    epoch: int
    last_sequence: int
    last_offset: int
    last_timestamp: int
    coordinator_epoch: int
    transaction_first_offset: int


# One for the process, so that all logs share one pool of sealed segments' handles.
cdef mg_files *kernel_files = NULL


cdef mg_files *files_of_the_kernel() except NULL:
    global kernel_files
    cdef mg_error error
    error.status = MG_OK  # a callee need not fill it
    if kernel_files == NULL:
        check(mg_files_open_posix(&kernel_files, &error), &error)
    return kernel_files


cdef inline int check(mg_status status, const mg_error *error) except -1:
    if status != MG_OK:
        raise_status(status, error)
    return 0


cdef mg_log_config settings_of(object config):
    cdef mg_log_config settings
    settings.segment_size_max = config.segment_size_max
    settings.segment_age_max_ms = config.segment_age_max_ms
    settings.index_size_max = config.index_size_max
    settings.index_interval_size = config.index_interval_size
    settings.producer_expiry_ms = config.producer_expiry_ms
    settings.keep_free = config.keep_free
    settings.append_time = config.append_time
    return settings


cdef bytes copy_and_release(mg_log_slice *slice):
    cdef bytes data
    cdef uint8_t *out
    cdef mg_error error
    error.status = MG_OK  # a callee need not fill it
    cdef mg_status status
    try:
        data = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>slice.size)
        out = <uint8_t *>PyBytes_AS_STRING(data)
        with nogil:
            status = mg_log_slice_copy(slice, 0, slice.size, out, &error)
        check(status, &error)
    finally:
        mg_log_slice_release(slice)
    return data


# Without the GIL: counts, checks and appends. `*items` is the caller's to free.
cdef mg_status ingest(mg_log *log, uint8_t *batches, size_t size, int32_t leader_epoch,
                      int64_t now_ms, mg_log_item **items, size_t *count,
                      mg_error *error) noexcept nogil:
    cdef size_t done = 0
    cdef mg_status status = mg_log_count_batches(mg_span(batches, size), count, error)
    if status != MG_OK:
        return status
    items[0] = <mg_log_item *>calloc(count[0] + 1, sizeof(mg_log_item))
    if items[0] == NULL:
        return mg_fail(error, MG_NO_MEMORY, 0, b"appending")
    status = mg_log_split(batches, size, items[0], count[0], error)
    if status != MG_OK:
        return status
    return mg_log_append_all(log, items[0], count[0], leader_epoch, now_ms, &done, error)


cdef list answers_of(const mg_log_item *items, size_t count):
    cdef size_t i
    cdef list answers = []
    for i in range(count):
        last_offset = items[i].base_offset
        if items[i].base_offset >= 0:
            last_offset += items[i].header.last_offset_delta
        answers.append(Appended(items[i].verdict, items[i].base_offset, last_offset,
                                items[i].append_time_ms))
    return answers


cdef class Progress:
    cdef mg_count count

    @property
    def size(self):
        return mg_count_load(&self.count)


cdef class Log:
    def __cinit__(self):
        self.log = NULL

    def __dealloc__(self):
        if self.log != NULL:
            warnings.warn(f"unclosed log {self.path}", ResourceWarning, source=None)
            mg_log_abandon(self.log)
            self.log = NULL

    @classmethod
    def open(cls, path, config=LogConfig(), *, clean=False, recovery_point=0, start_offset=0,
             now_ms, threads=1, Progress progress=None, read_only=False, check_all=False,
             keep_tail=False):
        cdef Log opened = cls.__new__(cls)
        cdef mg_files *files = files_of_the_kernel()
        cdef mg_log_config settings = settings_of(config)
        cdef mg_log_start start
        cdef mg_log_report report
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef mg_status status
        cdef bint only_read = read_only
        cdef bytes encoded = os.fsencode(path)
        cdef const char *name = PyBytes_AS_STRING(encoded)
        start.clean = clean
        start.recovery_point = recovery_point
        start.start_offset = start_offset
        start.now_ms = now_ms
        start.threads = threads
        start.progress = NULL if progress is None else &progress.count
        start.check_all = check_all
        start.keep_tail = keep_tail
        opened.path = os.fsdecode(encoded)
        memset(&report, 0, sizeof(report))
        with nogil:
            if only_read:
                status = mg_log_open_read_only(&opened.log, files, name, &settings, &start, &error)
            else:
                status = mg_log_open(&opened.log, files, name, &settings, &start, &report, &error)
        check(status, &error)
        opened.read_only = only_read
        opened.report = LogReport(report.cut_size, report.set_aside_size, report.rewritten_size,
                                  report.scanned_size, report.segments_scanned,
                                  report.indexes_rebuilt)
        return opened

    cdef mg_log *live(self) except NULL:
        if self.log == NULL:
            raise_status(MG_CLOSED, NULL)
        return self.log

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
    def unsynced_size(self):
        return mg_log_unsynced_size(self.live())

    @property
    def last_stable_offset(self):
        return mg_log_last_stable_offset(self.live())

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
        error.status = MG_OK  # a callee need not fill it
        if mg_log_health(self.live(), &error) == MG_OK:
            return None
        return error.detail.decode("utf-8", "replace")

    def refresh(self, *, start_offset=0):
        cdef mg_log *log = self.live()
        cdef int64_t start = start_offset
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef mg_status status
        with nogil:
            status = mg_log_refresh(log, start, &error)
        check(status, &error)
        return mg_log_end_offset(log)

    def configure(self, config):
        cdef mg_log_config settings = settings_of(config)
        mg_log_configure(self.live(), &settings)

    def append(self, batches, *, leader_epoch=0, now_ms):
        cdef mg_log *log = self.live()
        cdef int32_t epoch = leader_epoch
        cdef int64_t now = now_ms
        cdef Py_buffer view
        cdef uint8_t *memory
        cdef size_t size
        cdef mg_log_item *items = NULL
        cdef size_t count = 0
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef mg_status status

        PyObject_GetBuffer(batches, &view, PyBUF_SIMPLE)
        size = <size_t>view.len
        memory = <uint8_t *>malloc(size + 1)
        if memory != NULL:
            memcpy(memory, view.buf, size)
        PyBuffer_Release(&view)
        if memory == NULL:
            raise MemoryError
        with nogil:
            status = ingest(log, memory, size, epoch, now, &items, &count, &error)
        try:
            check(status, &error)
            return answers_of(items, count)
        finally:
            free(items)
            free(memory)

    def roll(self):
        cdef mg_log *log = self.live()
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef mg_status status
        with nogil:
            status = mg_log_roll(log, &error)
        check(status, &error)

    def truncate(self, offset):
        cdef mg_log *log = self.live()
        cdef int64_t to = offset
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef mg_status status
        with nogil:
            status = mg_log_truncate(log, to, &error)
        check(status, &error)

    def flush(self):
        cdef mg_log *log = self.live()
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef mg_status status
        with nogil:
            status = mg_log_flush(log, &error)
        check(status, &error)

    def wants_room(self):
        return mg_log_wants_room(self.live())

    def reserve_ahead(self):
        cdef mg_log *log = self.live()
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef mg_status status
        with nogil:
            status = mg_log_reserve_ahead(log, &error)
        check(status, &error)

    def delete_old(self, *, retention_ms, retention_size, limit_offset, now_ms):
        cdef mg_log *log = self.live()
        cdef int64_t age = retention_ms, size = retention_size, limit = limit_offset, now = now_ms
        cdef int32_t deleted = 0
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef mg_status status
        with nogil:
            status = mg_log_delete_old(log, age, size, limit, now, &deleted, &error)
        check(status, &error)
        return deleted

    def raise_start(self, offset):
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        check(mg_log_raise_start(self.live(), offset, &error), &error)

    def read(self, offset, *, size_max=1048576, end_offset=None, at_least_one=True):
        cdef mg_log *log = self.live()
        cdef int64_t begin = offset
        cdef int64_t end = INT64_MAX if end_offset is None else end_offset
        cdef size_t size = size_max
        cdef unsigned flags = MG_READ_AT_LEAST_ONE if at_least_one else MG_READ_DEFAULT
        cdef mg_log_slice slice
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef mg_status status
        with nogil:
            status = mg_log_read(log, begin, end, size, flags, &slice, &error)
        check(status, &error)
        return copy_and_release(&slice)

    def read_batch(self, offset):
        return self.read(offset, size_max=1)

    def find_timestamp(self, timestamp, *, start=0):
        cdef mg_log *log = self.live()
        cdef int64_t wanted = timestamp
        cdef int64_t offset = start
        cdef mg_log_slice slice
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef mg_status status
        with nogil:
            status = mg_log_find_timestamp_from(log, offset, wanted, &slice, &error)
        if status == MG_NOT_FOUND:
            return None
        check(status, &error)
        return copy_and_release(&slice)

    def find_max_timestamp(self):
        cdef mg_log *log = self.live()
        cdef mg_log_slice slice
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef mg_status status
        with nogil:
            status = mg_log_find_max_timestamp(log, &slice, &error)
        if status == MG_NOT_FOUND:
            return None
        check(status, &error)
        return copy_and_release(&slice)

    def epoch_end(self, epoch):
        cdef int32_t found
        cdef int64_t end_offset
        mg_log_epoch_end(self.live(), epoch, &found, &end_offset)
        return found, end_offset

    def aborted(self, int64_t start, int64_t end):
        cdef mg_log *log = self.live()
        cdef size_t i, count
        cdef size_t room = mg_log_aborted(log, start, end, NULL, 0)
        cdef mg_aborted *found = <mg_aborted *>malloc((room + 1) * sizeof(mg_aborted))
        if found == NULL:
            raise MemoryError
        try:
            count = min(room, mg_log_aborted(log, start, end, found, room))
            return [
                Aborted(found[i].producer_id, found[i].first_offset, found[i].last_offset,
                        found[i].stable_offset)
                for i in range(count)
            ]
        finally:
            free(found)

    def producers(self):
        cdef mg_log *log = self.live()
        cdef size_t i, count
        cdef size_t room = mg_log_producers(log, NULL, 0)
        cdef mg_producer_view *views = <mg_producer_view *>malloc(
            (room + 1) * sizeof(mg_producer_view))
        if views == NULL:
            raise MemoryError
        try:
            count = min(room, mg_log_producers(log, views, room))
            return [
                ProducerView(views[i].producer_id, views[i].epoch, views[i].last_sequence,
                             views[i].last_offset, views[i].last_timestamp,
                             views[i].coordinator_epoch, views[i].transaction_first_offset)
                for i in range(count)
            ]
        finally:
            free(views)

    def close(self):
        cdef mg_log *log = self.log
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef mg_status status
        self.log = NULL
        if log == NULL:
            return
        with nogil:
            status = mg_log_close(log, &error)
        check(status, &error)

    def abandon(self):
        cdef mg_log *log = self.log
        self.log = NULL
        if log == NULL:
            return
        with nogil:
            mg_log_abandon(log)

    def forget(self):
        self.log = NULL

    def __enter__(self):
        self.live()
        return self

    def __exit__(self, kind, value, traceback):
        self.close()
