# cython: language_level=3
"""Binding of native/log/reader.h and native/batch/views.h. scan.pyi is its manual."""

from contextlib import suppress

from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport (
    PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE,
)
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from .log cimport Log, mg_log
from .status cimport MG_BUSY, MG_OK, mg_error, mg_status, raise_status

cimport cython


cdef extern from "base/cursor.h" nogil:
    ctypedef struct mg_span:
        const uint8_t *data
        size_t size


cdef extern from "batch/views.h" nogil:
    enum:
        MG_VIEW_INLINE_MAX
        MG_VIEWS_OFFSETS
        MG_VIEWS_TIMESTAMPS
        MG_VIEWS_KEYS
        MG_VIEWS_VALUES
        MG_VIEWS_HEADERS
        MG_VIEWS_ALL
    ctypedef struct mg_view:
        uint64_t low
        uint64_t high
    ctypedef struct mg_view_column:
        mg_view *views
        uint64_t *validity
        size_t null_count
    ctypedef struct mg_views:
        size_t room
        size_t count
        int64_t first_offset
        int64_t *offsets
        int64_t *timestamps
        mg_view_column keys
        mg_view_column values
        int32_t *header_offsets
        mg_view_column header_keys
        mg_view_column header_values
        size_t header_count
    ctypedef struct mg_views_range:
        int64_t start_offset
        int64_t end_offset
        int64_t start_time
        int64_t end_time
    mg_status mg_views_open(mg_views **out, size_t room, unsigned columns,
                            mg_error *error) noexcept
    void mg_views_close(mg_views *views) noexcept
    void mg_views_clear(mg_views *views) noexcept
    int64_t mg_view_column_size(const mg_view_column *column, size_t count) noexcept
    void mg_view_column_copy(const mg_view_column *column, size_t count, const mg_span *buffers,
                             int32_t *offsets, uint8_t *data) noexcept


cdef extern from "batch/batch.h" nogil:
    ctypedef enum mg_codec_id:
        pass


cdef extern from "file/mapping.h" nogil:
    ctypedef struct mg_mapping:
        pass
    void mg_mapping_keep(mg_mapping *mapping) noexcept
    void mg_mapping_release(mg_mapping *mapping) noexcept


cdef extern from "log/reader.h" nogil:
    ctypedef struct mg_reader:
        pass
    enum:
        MG_READER_DEFAULT
        MG_READER_COPY
    ctypedef enum mg_reader_step:
        MG_READER_ROWS
        MG_READER_PACKED
        MG_READER_PASSED
        MG_READER_END
    mg_status mg_reader_open(mg_reader **out, mg_log *log, const mg_views_range *range,
                             unsigned flags, mg_error *error) noexcept
    void mg_reader_close(mg_reader *reader) noexcept
    mg_status mg_reader_next(mg_reader *reader, mg_log *log, mg_views *views,
                             mg_reader_step *step, mg_error *error) noexcept
    mg_span mg_reader_packed(const mg_reader *reader, mg_codec_id *codec) noexcept
    void mg_reader_open_packed(mg_reader *reader, mg_span plain, int32_t buffer_index) noexcept
    bint mg_reader_carry(mg_reader *reader, int32_t buffer_index) noexcept
    mg_span mg_reader_window(const mg_reader *reader) noexcept
    mg_mapping *mg_reader_mapping(const mg_reader *reader) noexcept
    int64_t mg_reader_offset(const mg_reader *reader) noexcept


# What one chunk may hold of opened batches: buffers, and bytes in them. Rows seldom get there.
cdef enum:
    OPENED_COUNT_MAX = 1024
    OPENED_SIZE_MAX = 0x4000000  # 64 MiB

    SPARES_MAX = 2  # a scanner's: the chunk before the last is given back while the next is made

OFFSETS = MG_VIEWS_OFFSETS
TIMESTAMPS = MG_VIEWS_TIMESTAMPS
KEYS = MG_VIEWS_KEYS
VALUES = MG_VIEWS_VALUES
HEADERS = MG_VIEWS_HEADERS
ALL = MG_VIEWS_ALL


@cython.final
cdef class Column:
    cdef readonly Py_ssize_t count
    cdef readonly Py_ssize_t null_count
    cdef readonly object validity
    cdef readonly object views
    cdef readonly object offsets
    cdef readonly object data


cdef inline int check(mg_status status, const mg_error *error) except -1:
    if status != MG_OK:
        raise_status(status, error)
    return 0


# ---- Who owns memory ----


cdef class Mapping:
    """A reference to a segment's mapping."""

    cdef mg_mapping *mapping

    def __dealloc__(self):
        cdef mg_mapping *mapping = self.mapping
        with nogil:
            mg_mapping_release(mapping)


cdef Mapping mapping_of(mg_mapping *mapping):
    cdef Mapping owner = Mapping.__new__(Mapping)
    if mapping != NULL:
        mg_mapping_keep(mapping)
        owner.mapping = mapping
    return owner


cdef class Spares:
    """Columns that nobody uses any more, for the next chunk: fresh memory costs page faults."""

    cdef mg_views *views[SPARES_MAX]
    cdef int count

    def __dealloc__(self):
        while self.count > 0:
            self.count -= 1
            mg_views_close(self.views[self.count])


cdef class Views:
    """The columns of one chunk."""

    cdef mg_views *views
    cdef Spares spares

    def __dealloc__(self):
        if self.spares is not None and self.views != NULL and self.spares.count < SPARES_MAX:
            self.spares.views[self.spares.count] = self.views
            self.spares.count += 1
        else:
            mg_views_close(self.views)


cdef class Block:
    """Memory of malloc."""

    cdef void *memory

    def __dealloc__(self):
        free(self.memory)


cdef Block new_block(size_t size):
    cdef Block block = Block.__new__(Block)
    block.memory = malloc(size + 1)
    if block.memory == NULL:
        raise MemoryError
    return block


@cython.final
@cython.freelist(64)
@cython.no_gc  # what owns memory refers to nothing
cdef class Memory:
    """A read-only buffer over memory that `owner` keeps."""

    cdef void *data
    cdef Py_ssize_t size
    cdef object owner

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.data, self.size, 1, flags)

    def __len__(self):
        return self.size


cdef Memory memory_of(const void *data, size_t size, object owner):
    cdef Memory memory = Memory.__new__(Memory)
    memory.data = <void *>data
    memory.size = <Py_ssize_t>size
    memory.owner = owner
    return memory


# ---- Chunks ----


cdef Column new_column(const mg_view_column *column, size_t count, object owner):
    cdef Column made = Column.__new__(Column)
    made.count = <Py_ssize_t>count
    made.null_count = <Py_ssize_t>column.null_count
    if column.null_count > 0:
        made.validity = memory_of(column.validity, (count + 63) // 64 * 8, owner)
    return made


cdef Column view_column(const mg_view_column *column, size_t count, object owner):
    cdef Column made = new_column(column, count, owner)
    made.views = memory_of(column.views, count * sizeof(mg_view), owner)
    return made


cdef Column plain_column(const mg_view_column *column, size_t count, const mg_span *buffers,
                         object owner):
    cdef size_t size = <size_t>mg_view_column_size(column, count)
    cdef Block offsets = new_block((count + 1) * sizeof(int32_t))
    cdef Block data = new_block(size)
    cdef void *to_offsets = offsets.memory
    cdef void *to_data = data.memory
    cdef Column made = new_column(column, count, owner)
    with nogil:
        mg_view_column_copy(column, count, buffers, <int32_t *>to_offsets, <uint8_t *>to_data)
    made.offsets = memory_of(to_offsets, (count + 1) * sizeof(int32_t), offsets)
    made.data = memory_of(to_data, size, data)
    return made


@cython.final
cdef class Chunk:
    cdef Views owner
    cdef readonly Py_ssize_t count
    cdef readonly int64_t first_offset
    cdef readonly int64_t next_offset
    cdef readonly object offsets
    cdef readonly object timestamps
    cdef readonly object keys
    cdef readonly object values
    cdef readonly object header_offsets
    cdef readonly object header_keys
    cdef readonly object header_values
    cdef readonly list buffers

    def __len__(self):
        return self.count


cdef mg_span *spans_of(list buffers) except NULL:
    cdef Memory memory
    cdef Py_ssize_t i
    cdef mg_span *spans = <mg_span *>malloc((<size_t>len(buffers) + 1) * sizeof(mg_span))
    if spans == NULL:
        raise MemoryError
    for i in range(len(buffers)):
        memory = buffers[i]
        spans[i] = mg_span(<const uint8_t *>memory.data, <size_t>memory.size)
    return spans


cdef object one_column(const mg_view_column *column, size_t count, const mg_span *spans,
                       Views owner):
    if column.views == NULL:
        return None
    if spans == NULL:
        return view_column(column, count, owner)
    return plain_column(column, count, spans, owner)


cdef int fill_columns(Chunk chunk, mg_views *views, const mg_span *spans) except -1:
    chunk.keys = one_column(&views.keys, views.count, spans, chunk.owner)
    chunk.values = one_column(&views.values, views.count, spans, chunk.owner)
    if views.header_offsets == NULL:
        return 0
    chunk.header_offsets = memory_of(
        views.header_offsets, (views.count + 1) * sizeof(int32_t), chunk.owner)
    chunk.header_keys = one_column(&views.header_keys, views.header_count, spans, chunk.owner)
    chunk.header_values = one_column(&views.header_values, views.header_count, spans, chunk.owner)
    return 0


cdef Chunk chunk_of(Views owner, list buffers, int64_t next_offset, bint copy):
    cdef mg_views *views = owner.views
    cdef Chunk chunk = Chunk.__new__(Chunk)
    cdef mg_span *spans = NULL
    chunk.owner = owner
    chunk.count = <Py_ssize_t>views.count
    chunk.first_offset = views.first_offset
    chunk.next_offset = next_offset
    chunk.buffers = [] if copy else buffers
    if views.offsets != NULL:
        chunk.offsets = memory_of(views.offsets, views.count * sizeof(int64_t), owner)
    if views.timestamps != NULL:
        chunk.timestamps = memory_of(views.timestamps, views.count * sizeof(int64_t), owner)
    try:
        if copy:
            spans = spans_of(buffers)
        fill_columns(chunk, views, spans)
    finally:
        free(spans)
    return chunk


# ---- Scanners ----


cdef class Scanner:
    cdef mg_reader *reader
    cdef Log log
    cdef object decompress
    cdef unsigned columns
    cdef size_t rows_max
    cdef int64_t end
    cdef bint copy
    cdef bint is_busy
    cdef Spares spares
    cdef mg_reader_step step
    cdef object opened  # the plain bytes that the reader still walks

    def __init__(self, Log log not None, start, end, *, start_time=None, end_time=None,
                 columns=MG_VIEWS_ALL, rows_max=65536, decompress=None, copy=False):
        if not 0 < rows_max < 0x7fffffff:
            raise ValueError("rows_max must be positive")
        if columns & ~MG_VIEWS_ALL:
            raise ValueError("no such column")
        if self.reader != NULL:
            raise ValueError("a scanner scans once")
        cdef mg_views_range wanted
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        wanted.start_offset = start
        wanted.end_offset = end
        wanted.start_time = INT64_MIN if start_time is None else start_time
        wanted.end_time = INT64_MAX if end_time is None else end_time
        self.log = log
        self.decompress = decompress
        self.columns = columns
        self.rows_max = rows_max
        self.copy = copy
        self.step = MG_READER_PASSED
        self.spares = Spares.__new__(Spares)
        check(mg_reader_open(&self.reader, log.live(), &wanted,
                             MG_READER_COPY if copy else MG_READER_DEFAULT, &error), &error)
        self.end = wanted.end_offset

    def __dealloc__(self):
        cdef mg_reader *reader = self.reader
        with nogil:
            mg_reader_close(reader)

    @property
    def offset(self):
        return mg_reader_offset(self.reader)

    cdef Views new_views(self):
        cdef Views owner = Views.__new__(Views)
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef size_t room = self.rows_max
        cdef int64_t left = self.end - mg_reader_offset(self.reader)
        if self.spares.count > 0:
            self.spares.count -= 1
            owner.views = self.spares.views[self.spares.count]
            mg_views_clear(owner.views)
        else:
            if left < <int64_t>room:
                room = <size_t>max(left, 1)
            check(mg_views_open(&owner.views, room, self.columns, &error), &error)
        owner.spares = self.spares
        return owner

    cdef int open_packed(self, list opened) except -1:
        """The compressed batch that the reader stands at, into a buffer of its own."""
        cdef mg_codec_id codec
        cdef mg_span packed = mg_reader_packed(self.reader, &codec)
        if self.decompress is None:
            raise ValueError("a batch is compressed, and no way to decompress was given")
        memory = memory_of(packed.data, packed.size, mapping_of(mg_reader_mapping(self.reader)))
        plain = self.decompress(<int>codec, memoryview(memory))
        if not PyBytes_CheckExact(plain):
            raise TypeError("decompress must return bytes")
        opened.append(memory_of(PyBytes_AS_STRING(plain), <size_t>PyBytes_GET_SIZE(plain), plain))
        self.opened = plain
        mg_reader_open_packed(
            self.reader,
            mg_span(<const uint8_t *>PyBytes_AS_STRING(plain), <size_t>PyBytes_GET_SIZE(plain)),
            <int32_t>len(opened))
        self.step = MG_READER_PASSED
        return 0

    cdef int next_rows(self, mg_views *views, list opened) except -1:
        """Until the views have rows that cannot become more, or the end."""
        cdef mg_reader *reader = self.reader
        cdef mg_log *log
        cdef mg_status status
        cdef mg_error error
        cdef Py_ssize_t opened_size = 0
        error.status = MG_OK  # a callee need not fill it
        while True:
            if self.step == MG_READER_PACKED and views.count > 0:
                if len(opened) >= OPENED_COUNT_MAX or opened_size >= OPENED_SIZE_MAX:
                    return 0
                with suppress(Exception):  # raised by the next call: these rows come first
                    self.open_packed(opened)
                if self.step == MG_READER_PACKED:
                    return 0
            elif self.step == MG_READER_PACKED:
                del opened[:]
                self.open_packed(opened)
            if opened:
                opened_size += len(opened[-1])
            log = self.log.live()
            with nogil:
                status = mg_reader_next(reader, log, views, &self.step, &error)
            check(status, &error)
            PyErr_CheckSignals()
            if self.step == MG_READER_END or self.step == MG_READER_ROWS:
                return 0

    cdef Chunk scan(self):
        cdef Views owner = self.new_views()
        cdef list buffers = []
        cdef mg_span window
        if mg_reader_carry(self.reader, 1):
            buffers.append(memory_of(PyBytes_AS_STRING(self.opened),
                                     <size_t>PyBytes_GET_SIZE(self.opened), self.opened))
        self.next_rows(owner.views, buffers)
        if owner.views.count == 0:
            return None
        window = mg_reader_window(self.reader)
        mapping = mapping_of(mg_reader_mapping(self.reader))
        buffers.insert(0, memory_of(window.data, window.size, mapping))
        return chunk_of(owner, buffers, mg_reader_offset(self.reader), self.copy)

    def next(self):
        if self.is_busy:
            raise_status(MG_BUSY, NULL)
        self.is_busy = True
        try:
            return self.scan()
        finally:
            self.is_busy = False


# ---- Records ----


@cython.final
@cython.freelist(1024)
@cython.no_gc  # what it refers to refers to nothing
cdef class Record:
    cdef readonly int64_t offset
    cdef readonly int64_t timestamp
    cdef readonly object key
    cdef readonly object value
    cdef readonly tuple headers
    cdef readonly int32_t partition

    def __init__(self):
        raise TypeError("records come from a scan")

    def __repr__(self):
        return (f"Record(offset={self.offset}, timestamp={self.timestamp}, key={self.key!r}, "
                f"value={self.value!r}, headers={self.headers!r}, partition={self.partition})")

    def __eq__(self, other):
        cdef Record it
        if type(other) is not Record:
            return NotImplemented
        it = other
        return (self.offset == it.offset and self.timestamp == it.timestamp
                and self.key == it.key and self.value == it.value
                and self.headers == it.headers and self.partition == it.partition)

    def __hash__(self):
        return hash((self.partition, self.offset, self.timestamp, self.key, self.value))


cdef inline bint is_valid(const mg_view_column *column, size_t row) noexcept:
    return column.null_count == 0 or (column.validity[row >> 6] >> (row & 63)) & 1


cdef inline object view_object(const mg_view_column *column, size_t row, const mg_span *spans):
    cdef const mg_view *view
    cdef size_t size
    if not is_valid(column, row):
        return None
    view = &column.views[row]
    size = view.low & 0xffffffff
    if size <= MG_VIEW_INLINE_MAX:
        return PyBytes_FromStringAndSize(<const char *>view + 4, <Py_ssize_t>size)
    return PyBytes_FromStringAndSize(
        <const char *>spans[view.high & 0xffffffff].data + (view.high >> 32), <Py_ssize_t>size)


cdef tuple headers_object(const mg_views *views, size_t row, const mg_span *spans):
    cdef int32_t i
    cdef list found = []
    for i in range(views.header_offsets[row], views.header_offsets[row + 1]):
        name = view_object(&views.header_keys, i, spans)
        found.append((name.decode("utf-8", "replace"),
                      view_object(&views.header_values, i, spans)))
    return tuple(found)


cdef list record_objects(const mg_views *views, const mg_span *spans, int32_t partition):
    cdef size_t row
    cdef Record record
    cdef list found = [None] * <Py_ssize_t>views.count
    cdef tuple nothing = ()
    for row in range(views.count):
        record = Record.__new__(Record)
        record.offset = views.offsets[row]
        record.timestamp = views.timestamps[row]
        record.partition = partition
        record.key = view_object(&views.keys, row, spans)
        record.value = view_object(&views.values, row, spans)
        if views.header_offsets[row] != views.header_offsets[row + 1]:
            record.headers = headers_object(views, row, spans)
        else:
            record.headers = nothing
        found[<Py_ssize_t>row] = record
    return found


def records(Chunk chunk not None, /, *, partition=0):
    cdef mg_views *views = chunk.owner.views
    if (views.offsets == NULL or views.timestamps == NULL or views.keys.views == NULL
            or views.values.views == NULL or views.header_offsets == NULL or not chunk.buffers):
        raise ValueError("records are made of views of all columns")
    cdef mg_span *spans = spans_of(chunk.buffers)
    try:
        return record_objects(views, spans, partition)
    finally:
        free(spans)
