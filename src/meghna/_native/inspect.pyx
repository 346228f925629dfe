# cython: language_level=3
"""Binding of native/log/inspect.h. inspect.pyi is its manual."""

from enum import IntEnum
from typing import NamedTuple

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport INT64_MAX, int64_t, uint8_t

from .status cimport MG_OK, mg_error, mg_status, raise_status


cdef extern from "base/cursor.h" nogil:
    ctypedef struct mg_span:
        const uint8_t *data
        size_t size


cdef extern from "file/file.h" nogil:
    ctypedef struct mg_files:
        pass
    mg_status mg_files_open_posix(mg_files **out, mg_error *error) noexcept
    void mg_files_close(mg_files *files) noexcept


cdef extern from "log/inspect.h" nogil:
    enum:
        MG_INSPECT_FINDS
        MG_INSPECT_SIZE_CLASSES
        MG_INSPECT_CODECS
        MG_INSPECT_COMPRESSED
        MG_INSPECT_EPOCH_BEGINS
        MG_INSPECT_ABORT
        MG_INSPECT_GAP
        MG_INSPECT_DAMAGED
        MG_INSPECT_TORN
        MG_INSPECT_OLD_FORMAT
        MG_INSPECT_OFFSET
        MG_INSPECT_CODEC
        MG_INSPECT_RECORDS
        MG_INSPECT_RECORD_OFFSET
        MG_INSPECT_TIMESTAMP
        MG_INSPECT_EPOCH
        MG_INSPECT_INDEX_ORDER
        MG_INSPECT_INDEX_ENTRY
        MG_INSPECT_TIMES_ORDER
        MG_INSPECT_TIMES_ENTRY
        MG_INSPECT_TIMES_SHORT
        MG_INSPECT_BAD_CHECKSUM
        MG_INSPECT_NO_HEADER
        MG_INSPECT_TOO_LONG
        MG_INSPECT_ZEROS
    ctypedef struct mg_inspect_find:
        int kind
        int64_t position
        int64_t size
        int64_t offset
        int64_t a
        int64_t b
    ctypedef struct mg_inspect_totals:
        int64_t batches
        int64_t batch_bytes
        int64_t records
        int64_t control_batches
        int64_t transactional_batches
        int64_t first_offset
        int64_t end_offset
        int64_t min_timestamp
        int64_t max_timestamp
        int64_t null_keys
        int64_t key_bytes
        int64_t null_values
        int64_t value_bytes
        int64_t *values
        int64_t *codec_batches
        int64_t *codec_bytes
        int64_t *opened_bytes
        int64_t index_entries
        int64_t time_entries
        int64_t bad_index_entries
        int64_t bad_time_entries
    ctypedef struct mg_inspect_range:
        int64_t base_offset
        int64_t next_base
        bint checks_indexes
    ctypedef struct mg_inspect:
        mg_inspect_totals totals
        mg_inspect_find *finds
        size_t finds_count
        bint is_done
        int64_t position
    mg_status mg_inspect_open(mg_inspect *inspect, mg_files *files, const char *directory,
                              const mg_inspect_range *range, mg_error *error) noexcept
    mg_status mg_inspect_step(mg_inspect *inspect, int64_t size_max, mg_error *error) noexcept
    mg_status mg_inspect_records(mg_inspect *inspect, int64_t position, mg_span batch,
                                 mg_span records, mg_error *error) noexcept
    void mg_inspect_close(mg_inspect *inspect) noexcept


class Kind(IntEnum):
    COMPRESSED = MG_INSPECT_COMPRESSED
    EPOCH_BEGINS = MG_INSPECT_EPOCH_BEGINS
    ABORT = MG_INSPECT_ABORT
    GAP = MG_INSPECT_GAP
    DAMAGED = MG_INSPECT_DAMAGED
    TORN = MG_INSPECT_TORN
    OLD_FORMAT = MG_INSPECT_OLD_FORMAT
    OFFSET = MG_INSPECT_OFFSET
    CODEC = MG_INSPECT_CODEC
    RECORDS = MG_INSPECT_RECORDS
    RECORD_OFFSET = MG_INSPECT_RECORD_OFFSET
    TIMESTAMP = MG_INSPECT_TIMESTAMP
    EPOCH = MG_INSPECT_EPOCH
    INDEX_ORDER = MG_INSPECT_INDEX_ORDER
    INDEX_ENTRY = MG_INSPECT_INDEX_ENTRY
    TIMES_ORDER = MG_INSPECT_TIMES_ORDER
    TIMES_ENTRY = MG_INSPECT_TIMES_ENTRY
    TIMES_SHORT = MG_INSPECT_TIMES_SHORT


class Damage(IntEnum):
    BAD_CHECKSUM = MG_INSPECT_BAD_CHECKSUM
    NO_HEADER = MG_INSPECT_NO_HEADER
    TOO_LONG = MG_INSPECT_TOO_LONG
    ZEROS = MG_INSPECT_ZEROS


class Find(NamedTuple):
    kind: int
    position: int
    size: int
    offset: int
    a: int
    b: int


class Totals(NamedTuple):
    batches: int
    batch_bytes: int
    records: int
    control_batches: int
    transactional_batches: int
    first_offset: int
    end_offset: int
    min_timestamp: int
    max_timestamp: int
    null_keys: int
    key_bytes: int
    null_values: int
    value_bytes: int
    values: tuple
    codec_batches: tuple
    codec_bytes: tuple
    opened_bytes: tuple
    index_entries: int
    time_entries: int
    bad_index_entries: int
    bad_time_entries: int


cdef tuple numbers(const int64_t *values, int count):
    return tuple([values[i] for i in range(count)])


cdef list finds_from(const mg_inspect *inspect, size_t first):
    cdef list found = []
    cdef const mg_inspect_find *find
    for i in range(first, inspect.finds_count):
        find = &inspect.finds[i]
        found.append(Find(find.kind, find.position, find.size, find.offset, find.a, find.b))
    return found


cdef class Inspection:
    cdef mg_inspect *inspect  # NULL once closed
    cdef mg_files *files

    def __cinit__(self):
        self.inspect = NULL
        self.files = NULL

    @classmethod
    def open(cls, directory, base_offset, *, next_base=None, checks_indexes=True):
        cdef Inspection self = cls.__new__(cls)
        cdef mg_error error
        error.status = MG_OK
        cdef mg_inspect_range wanted
        cdef bytes path = directory.encode()
        cdef const char *where = path
        wanted.base_offset = base_offset
        wanted.next_base = INT64_MAX if next_base is None else next_base
        wanted.checks_indexes = checks_indexes
        cdef mg_status status = mg_files_open_posix(&self.files, &error)
        if status != MG_OK:
            raise_status(status, &error)
        cdef mg_inspect *inspect = <mg_inspect *>PyMem_Malloc(sizeof(mg_inspect))
        if inspect == NULL:
            raise MemoryError
        with nogil:
            status = mg_inspect_open(inspect, self.files, where, &wanted, &error)
        if status != MG_OK:
            PyMem_Free(inspect)
            raise_status(status, &error)
        self.inspect = inspect
        return self

    cdef mg_inspect *live(self) except NULL:
        if self.inspect == NULL:
            raise ValueError("the inspection is closed")
        return self.inspect

    @property
    def is_done(self):
        return self.live().is_done

    @property
    def position(self):
        return self.live().position

    @property
    def totals(self):
        cdef mg_inspect_totals *found = &self.live().totals
        return Totals(
            found.batches, found.batch_bytes, found.records, found.control_batches,
            found.transactional_batches, found.first_offset, found.end_offset,
            found.min_timestamp, found.max_timestamp, found.null_keys, found.key_bytes,
            found.null_values, found.value_bytes,
            numbers(found.values, MG_INSPECT_SIZE_CLASSES),
            numbers(found.codec_batches, MG_INSPECT_CODECS),
            numbers(found.codec_bytes, MG_INSPECT_CODECS),
            numbers(found.opened_bytes, MG_INSPECT_CODECS),
            found.index_entries, found.time_entries,
            found.bad_index_entries, found.bad_time_entries)

    def step(self, size_max, /):
        cdef mg_inspect *inspect = self.live()
        cdef int64_t size = size_max
        cdef mg_error error
        error.status = MG_OK
        cdef mg_status status
        with nogil:
            status = mg_inspect_step(inspect, size, &error)
        if status != MG_OK:
            raise_status(status, &error)
        return finds_from(inspect, 0)

    def records(self, position, batch, opened, /):
        cdef mg_inspect *inspect = self.live()
        cdef int64_t where = position
        cdef mg_error error
        error.status = MG_OK
        cdef mg_status status
        cdef Py_buffer whole
        cdef Py_buffer view
        cdef mg_span batch_span
        cdef mg_span opened_span
        PyObject_GetBuffer(batch, &whole, PyBUF_SIMPLE)
        try:
            PyObject_GetBuffer(opened, &view, PyBUF_SIMPLE)
            batch_span = mg_span(<const uint8_t *>whole.buf, <size_t>whole.len)
            opened_span = mg_span(<const uint8_t *>view.buf, <size_t>view.len)
            inspect.finds_count = 0  # they were taken
            with nogil:
                status = mg_inspect_records(inspect, where, batch_span, opened_span, &error)
            PyBuffer_Release(&view)
        finally:
            PyBuffer_Release(&whole)
        if status != MG_OK:
            raise_status(status, &error)
        return finds_from(inspect, 0)

    def close(self):
        if self.inspect != NULL:
            mg_inspect_close(self.inspect)
            PyMem_Free(self.inspect)
            self.inspect = NULL
        if self.files != NULL:
            mg_files_close(self.files)
            self.files = NULL

    def __dealloc__(self):
        self.close()
