# cython: language_level=3
"""Binding of the rows of native/batch and their way into native/log. ingest.pyi is its manual."""

from itertools import accumulate, chain
from typing import NamedTuple

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, malloc

from meghna._native.codec_call cimport (
    MG_CODEC_COUNT, Py_DECREF, mg_codec_id, mg_codecs, mg_span, mg_writer, raise_pending,
    raw_bytes, raw_new, write_made,
)
from meghna._native.log cimport Log, mg_log
from meghna._native.status cimport (
    MG_BUSY, MG_IO, MG_NO_MEMORY, MG_NOT_FOUND, MG_OK, MG_OUT_OF_RANGE,
    mg_error, mg_fail, mg_status, raise_status,
)


cdef extern from "base/bounds.h" nogil:
    enum:
        MG_BATCH_SIZE_MAX


cdef extern from "batch/rows.h" nogil:
    ctypedef enum mg_row_column_kind:
        MG_ROW_COLUMN_NULL
        MG_ROW_COLUMN_FIXED
        MG_ROW_COLUMN_OFFSETS
        MG_ROW_COLUMN_WIDE
        MG_ROW_COLUMN_VIEWS
        MG_ROW_COLUMN_SPANS
    enum:
        MG_ROW_VIEW_SIZE
    ctypedef struct mg_row_column:
        mg_row_column_kind kind
        size_t count
        size_t width
        bint trim
        mg_span data
        mg_span offsets
        const mg_span *buffers
        size_t buffer_count
        const mg_span *spans
        mg_span validity
        size_t validity_offset
        size_t item_size_max
    mg_status mg_row_column_check(mg_row_column *column, mg_error *error) noexcept
    ctypedef struct mg_row_headers:
        mg_span offsets
        mg_row_column keys
        mg_row_column values
    mg_status mg_row_headers_check(const mg_row_headers *headers, size_t row_count,
                                   mg_error *error) noexcept
    ctypedef struct mg_rows:
        size_t count
        mg_row_column keys
        mg_row_column values
        const uint8_t *timestamps
        int64_t timestamp
        const mg_row_headers *headers
    ctypedef struct mg_row_selection:
        const int32_t *rows
        size_t count
    ctypedef struct mg_row_limits:
        int32_t size_max
        int32_t lone_size_max
        int32_t count_max
        int64_t producer_id
        int64_t position_first
    ctypedef struct mg_row_encoder:
        pass
    mg_status mg_rows_measure(const mg_rows *rows, mg_row_selection selection,
                              const mg_row_limits *limits, size_t *size, mg_error *error) noexcept
    void mg_row_encoder_init(mg_row_encoder *encoder, const mg_rows *rows,
                             mg_row_selection selection, const mg_row_limits *limits) noexcept


cdef extern from "batch/partitioner.h" nogil:
    uint32_t mg_murmur2(mg_span key) noexcept
    mg_status mg_partitioner_assign(const mg_rows *rows, int32_t partition_count, int32_t sticky,
                                    int32_t *partitions, size_t *counts, mg_error *error) noexcept
    mg_status mg_partitioner_find_keyless(const mg_rows *rows, size_t *row,
                                          mg_error *error) noexcept
    void mg_partitioner_gather(const int32_t *partitions, size_t row_count, size_t *begins,
                               int32_t *rows) noexcept


cdef extern from "log/producer_state.h" nogil:
    const int64_t MG_PRODUCER_NAMED
    const int64_t MG_PRODUCER_POSITION_END


cdef extern from "log/ingest.h" nogil:
    ctypedef struct mg_ingest_memory:
        uint8_t *batches
        size_t batches_size
        size_t plain_size
    void mg_ingest_memory_deinit(mg_ingest_memory *memory) noexcept
    ctypedef struct mg_ingest_request:
        const mg_rows *rows
        mg_row_selection selection
        mg_row_limits limits
        const mg_codecs *codecs
        mg_codec_id codec
        int32_t leader_epoch
        int64_t now_ms
    ctypedef struct mg_ingest_answer:
        int64_t base_offset
        int64_t last_offset
        size_t count
        size_t skipped
    mg_status mg_log_append_rows(mg_log *log, const mg_ingest_request *request,
                                 mg_ingest_memory *memory, mg_ingest_answer *answer,
                                 mg_error *error) noexcept
    mg_status mg_ingest_check(mg_ingest_request *request, mg_error *error) noexcept
    mg_status mg_ingest_encode(mg_row_encoder *encoder, const mg_ingest_request *request,
                               mg_ingest_memory *memory, uint8_t *out, size_t size, size_t *used,
                               size_t *wanted, mg_error *error) noexcept


cdef extern from "Python.h":
    PyObject *raw_call "PyObject_CallOneArg"(PyObject *function, PyObject *argument)
    void Py_XDECREF(PyObject *item)
    int _PyBytes_Resize(PyObject **item, Py_ssize_t size) except -1
    int PyUnicode_IS_COMPACT_ASCII(object text)
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    Py_buffer *PyMemoryView_GET_BUFFER(object view)


cdef extern from *:
    """
    #include <stdint.h>
    #include <sys/mman.h>
    /* Fresh memory of many megabytes: its page faults would take longer than filling it. */
    static void prefer_huge_pages(char *data, size_t size) {
    #ifdef MADV_HUGEPAGE
        uintptr_t huge = (uintptr_t)1 << 21, begin = ((uintptr_t)data + huge - 1) & ~(huge - 1);
        uintptr_t end = ((uintptr_t)data + size) & ~(huge - 1);
        if (begin < end) (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
    #else
        (void)data, (void)size;
    #endif
    }
    """
    void prefer_huge_pages(char *data, size_t size) noexcept


PRODUCER_NAMED = MG_PRODUCER_NAMED
POSITION_END = MG_PRODUCER_POSITION_END

# A batch that stays in the second cache while it is written, summed and copied by the kernel.
cdef enum:
    DEFAULT_SIZE_MAX = 262144
    DEFAULT_COUNT_MAX = 0x7fffffff


class Ingested(NamedTuple):
    base_offset: int
    last_offset: int
    count: int
    skipped: int


cdef inline int check(mg_status status, const mg_error *error) except -1:
    if status != MG_OK:
        raise_status(status, error)
    return 0


cdef class Held:
    """A buffer, held for as long as this lives; no buffer is an empty one."""

    cdef Py_buffer view
    cdef bint is_held

    def __cinit__(self, buffer):
        if buffer is not None:
            PyObject_GetBuffer(buffer, &self.view, PyBUF_SIMPLE)
            self.is_held = True

    def __dealloc__(self):
        if self.is_held:
            PyBuffer_Release(&self.view)

    cdef mg_span span(self) noexcept:
        if not self.is_held:
            return mg_span(NULL, 0)
        return mg_span(<const uint8_t *>self.view.buf, <size_t>self.view.len)


cdef class Memory:
    """Zeroed C memory of one owner."""

    cdef void *data

    def __cinit__(self, size_t count, size_t width):
        self.data = calloc(count + 1, width)
        if self.data == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.data)


cdef int refuse(mg_status status, const char *text, long long number) except -1:
    cdef mg_error error
    mg_fail(&error, status, 0, text, number)
    raise_status(status, &error)


cdef size_t not_negative(object number) except? <size_t>-1:
    if number < 0:
        refuse(MG_OUT_OF_RANGE, b"a count, width or start of %lld", number)
    return number


cdef mg_span span_from(mg_span span, size_t begin, size_t width) except *:
    """What follows the first `begin` numbers of `width` bytes."""
    if begin > span.size // width:
        refuse(MG_OUT_OF_RANGE, b"the column's buffer has no number %lld", <long long>begin)
    return mg_span(span.data + begin * width, span.size - begin * width)


cdef mg_span span_of_item(object item, Py_ssize_t index, list held) except *:
    """Any item but bytes; what it takes to keep it goes to `held`."""
    cdef Py_ssize_t size
    cdef const char *text
    if item is None:
        return mg_span(NULL, 0)
    if isinstance(item, bytes):
        return mg_span(<const uint8_t *>PyBytes_AS_STRING(item), <size_t>PyBytes_GET_SIZE(item))
    if isinstance(item, str):
        if PyUnicode_IS_COMPACT_ASCII(item):
            text = PyUnicode_AsUTF8AndSize(item, &size)
            return mg_span(<const uint8_t *>text, <size_t>size)
        item = item.encode()
        held.append(item)
        return span_of_item(item, index, held)
    if not isinstance(item, (bytearray, memoryview)):
        raise TypeError(
            f"item {index}: bytes, str or None are needed, not {type(item).__name__}")
    view = memoryview(item)
    if not view.c_contiguous:
        view = memoryview(view.tobytes())
    held.append(view)
    return mg_span(<const uint8_t *>PyMemoryView_GET_BUFFER(view).buf, <size_t>view.nbytes)


cdef class Column:
    cdef mg_row_column column
    cdef list held  # whatever owns the bytes
    cdef Memory memory  # spans of items or of variadic buffers

    @property
    def count(self):
        return self.column.count

    @property
    def item_size_max(self):
        return self.column.item_size_max

    def __len__(self):
        return self.column.count

    cdef mg_span hold(self, object buffer):
        cdef Held held = Held(buffer)
        self.held.append(held)
        return held.span()

    cdef int begin(self, mg_row_column_kind kind, object count, object validity,
                   object validity_offset) except -1:
        self.held = []
        self.column.kind = kind
        self.column.count = not_negative(count)
        self.column.validity = self.hold(validity)
        self.column.validity_offset = not_negative(validity_offset)
        return 0

    cdef int finish(self) except -1:
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef mg_status status
        with nogil:
            status = mg_row_column_check(&self.column, &error)
        return check(status, &error)

    @classmethod
    def fixed(cls, data, width, *, count, trim=False, validity=None, validity_offset=0):
        cdef Column made = cls.__new__(cls)
        made.begin(MG_ROW_COLUMN_FIXED, count, validity, validity_offset)
        made.column.data = made.hold(data)
        made.column.width = not_negative(width)
        made.column.trim = trim
        made.finish()
        return made

    @classmethod
    def offsets(cls, data, offsets, *, wide, start=0, count, validity=None, validity_offset=0):
        cdef Column made = cls.__new__(cls)
        made.begin(MG_ROW_COLUMN_WIDE if wide else MG_ROW_COLUMN_OFFSETS, count, validity,
                   validity_offset)
        made.column.data = made.hold(data)
        made.column.offsets = span_from(made.hold(offsets), not_negative(start), 8 if wide else 4)
        made.finish()
        return made

    @classmethod
    def views(cls, views, buffers, *, start=0, count, validity=None, validity_offset=0):
        cdef Column made = cls.__new__(cls)
        cdef mg_span *spans
        cdef Py_ssize_t i
        made.begin(MG_ROW_COLUMN_VIEWS, count, validity, validity_offset)
        made.column.offsets = span_from(made.hold(views), not_negative(start), MG_ROW_VIEW_SIZE)
        made.memory = Memory(len(buffers), sizeof(mg_span))
        spans = <mg_span *>made.memory.data
        for i in range(len(buffers)):
            spans[i] = made.hold(buffers[i])
        made.column.buffers = spans
        made.column.buffer_count = len(buffers)
        made.finish()
        return made

    @classmethod
    def items(cls, sequence, /):
        cdef Column made = cls.__new__(cls)
        cdef tuple items = tuple(sequence)  # nobody else can change it
        cdef Py_ssize_t i, count = len(items)
        cdef mg_span *spans
        cdef object item
        made.begin(MG_ROW_COLUMN_SPANS, count, None, 0)
        made.memory = Memory(count, sizeof(mg_span))
        made.held.append(items)
        spans = <mg_span *>made.memory.data
        for i, item in enumerate(items):
            if type(item) is bytes:
                spans[i].data = <const uint8_t *>PyBytes_AS_STRING(item)
                spans[i].size = <size_t>PyBytes_GET_SIZE(item)
            else:
                spans[i] = span_of_item(item, i, made.held)
        made.column.spans = spans
        made.finish()
        return made


cdef list pairs_of(object headers):
    if headers is None:
        return []
    return list(headers.items() if hasattr(headers, "items") else headers)


cdef class Headers:
    cdef mg_row_headers headers
    cdef Held held
    cdef Column keys
    cdef Column values
    cdef readonly Py_ssize_t count

    def __cinit__(self, offsets, Column keys not None, Column values not None, *, count):
        cdef size_t rows = not_negative(count)
        cdef mg_error error
        error.status = MG_OK  # a callee need not fill it
        cdef mg_status status
        self.count = count
        self.held = Held(offsets)
        self.keys = keys
        self.values = values
        self.headers.offsets = self.held.span()
        self.headers.keys = keys.column
        self.headers.values = values.column
        with nogil:
            status = mg_row_headers_check(&self.headers, rows, &error)
        check(status, &error)

    @classmethod
    def items(cls, sequence, /):
        pairs = [pairs_of(headers) for headers in sequence]
        cdef Memory memory = Memory(len(pairs) + 1, sizeof(int32_t))
        cdef int32_t *offsets = <int32_t *>memory.data
        cdef Py_ssize_t i = 0
        for offset in accumulate(map(len, pairs), initial=0):
            offsets[i] = offset
            i += 1
        flat = list(chain.from_iterable(pairs))
        return cls(
            PyBytes_FromStringAndSize(<const char *>offsets, i * sizeof(int32_t)),
            Column.items([name for name, _ in flat]),
            Column.items([content for _, content in flat]),
            count=len(pairs))


cdef class Rows:
    cdef mg_rows rows
    cdef Column keys
    cdef Column values
    cdef Headers headers
    cdef Held times

    def __cinit__(self, *, Column values, Column keys=None, timestamps=None, timestamp=-1,
                 Headers headers=None):
        if values is None and keys is None and timestamps is None:
            raise TypeError("rows need values, keys or timestamps")
        self.values = values
        self.keys = keys
        self.headers = headers
        self.times = Held(timestamps)
        cdef mg_span times = self.times.span()
        self.rows.count = times.size // sizeof(int64_t)
        if keys is not None:
            self.rows.count = keys.column.count
            self.rows.keys = keys.column
        if values is not None:
            self.rows.count = values.column.count
            self.rows.values = values.column
        self.rows.timestamp = timestamp
        if timestamps is not None:
            self.rows.timestamps = times.data
            if times.size != self.rows.count * sizeof(int64_t):
                refuse(MG_OUT_OF_RANGE, b"the timestamps take %lld bytes, not 8 a row",
                       <long long>times.size)
        if keys is not None and keys.column.count != self.rows.count:
            refuse(MG_OUT_OF_RANGE, b"the keys are of %lld rows", <long long>keys.column.count)
        if headers is not None:
            self.rows.headers = &headers.headers
            if <size_t>headers.count != self.rows.count:
                refuse(MG_OUT_OF_RANGE, b"the headers are of %lld rows", headers.count)

    @property
    def count(self):
        return self.rows.count

    def __len__(self):
        return self.rows.count


cdef class Selection:
    cdef Memory memory  # NULL rows: all of them
    cdef mg_row_selection selection
    cdef size_t row_count  # of the rows that it chooses from

    @property
    def count(self):
        return self.selection.count

    @property
    def is_all(self):
        return self.selection.rows == NULL

    def __len__(self):
        return self.selection.count

    def to_list(self):
        cdef size_t i
        if self.selection.rows == NULL:
            return list(range(self.selection.count))
        return [self.selection.rows[i] for i in range(self.selection.count)]


cdef Selection selection_of(Memory memory, const int32_t *rows, size_t count, size_t row_count):
    cdef Selection made = Selection.__new__(Selection)
    made.memory = memory
    made.selection.rows = rows
    made.selection.count = count
    made.row_count = row_count
    return made


def murmur2(key, /):
    cdef Held held = Held(key)
    return <int32_t>mg_murmur2(held.span())


def find_keyless(Rows rows not None):
    cdef size_t row = 0
    cdef mg_error error
    error.status = MG_OK  # a callee need not fill it
    cdef mg_status status
    with nogil:
        status = mg_partitioner_find_keyless(&rows.rows, &row, &error)
    if status == MG_NOT_FOUND:
        return None
    check(status, &error)
    return row


def assign(Rows rows not None, partition_count, *, sticky):
    if not 0 <= sticky < partition_count:
        refuse(MG_OUT_OF_RANGE, b"there is no partition %lld", sticky)
    cdef int32_t i, fallback = sticky, partitions = partition_count
    cdef size_t count = rows.rows.count, begin = 0
    cdef list chosen = [None] * partitions
    if count == 0:
        return chosen
    if partitions == 1 or rows.keys is None:
        chosen[fallback] = selection_of(None, NULL, count, count)
        return chosen

    cdef Memory numbers = Memory(count, sizeof(int32_t))
    cdef Memory counts = Memory(2 * <size_t>partitions, sizeof(size_t))
    cdef Memory gathered = Memory(count, sizeof(int32_t))
    cdef int32_t *partition_of = <int32_t *>numbers.data
    cdef int32_t *row_numbers = <int32_t *>gathered.data
    cdef size_t *sizes = <size_t *>counts.data
    cdef size_t *ends = sizes + partitions
    cdef mg_error error
    error.status = MG_OK  # a callee need not fill it
    cdef mg_status status
    with nogil:
        status = mg_partitioner_assign(&rows.rows, partitions, fallback, partition_of, sizes,
                                       &error)
        if status == MG_OK:
            for i in range(partitions):
                ends[i] = begin
                begin += sizes[i]
            mg_partitioner_gather(partition_of, count, ends, row_numbers)
    check(status, &error)
    for i in range(partitions):
        if sizes[i] == count:
            chosen[i] = selection_of(None, NULL, count, count)
        elif sizes[i] > 0:
            chosen[i] = selection_of(gathered, row_numbers + ends[i] - sizes[i], sizes[i], count)
    return chosen


# Memory that batches are made in, of calls that are over.
cdef class Workplace:
    cdef mg_ingest_memory memory

    def __dealloc__(self):
        mg_ingest_memory_deinit(&self.memory)


cdef enum:
    WORKPLACES_MAX = 4  # kept; more calls at a time make their own
    WORKPLACE_SIZE_MAX = 4194304  # bytes; a larger one is not kept

cdef list workplaces = []


cdef Workplace take_workplace():
    if workplaces:
        return workplaces.pop()
    return Workplace()


cdef int give_back(Workplace place) except -1:
    cdef size_t size = place.memory.batches_size + place.memory.plain_size
    if len(workplaces) < WORKPLACES_MAX and size <= WORKPLACE_SIZE_MAX:
        workplaces.append(place)
    return 0


# A slot of the codec table.
cdef mg_status compress_with_python(void *state, mg_span plain, mg_writer *out) noexcept with gil:
    cdef PyObject *packed
    cdef PyObject *data = raw_new(<const char *>plain.data, <Py_ssize_t>plain.size)
    if data == NULL:
        return MG_NO_MEMORY
    packed = raw_call(<PyObject *>state, data)
    Py_DECREF(data)
    return write_made(packed, MG_IO, b"compress() must return bytes", out)


cdef int fill_request(
    mg_ingest_request *request, mg_codecs *codecs, Rows rows, Selection selection, int codec,
    object compress, int64_t size_max, int64_t count_max, int64_t lone_size_max, object producer,
) except -1:
    if (codec != 0) != (compress is not None):
        raise ValueError("`codec` and `compress` go together")
    request.rows = &rows.rows
    request.selection = mg_row_selection(NULL, rows.rows.count)
    if selection is not None:
        if selection.row_count != rows.rows.count:
            refuse(MG_OUT_OF_RANGE, b"the selection is of %lld rows",
                   <long long>selection.row_count)
        request.selection = selection.selection
    request.limits.size_max = <int32_t>max(0, min(size_max, MG_BATCH_SIZE_MAX))
    request.limits.count_max = <int32_t>max(0, min(count_max, 0x7fffffff))
    request.limits.lone_size_max = <int32_t>max(0, min(lone_size_max, MG_BATCH_SIZE_MAX))
    request.limits.producer_id = -1
    if producer is not None:
        request.limits.producer_id, request.limits.position_first = producer
    request.codec = <mg_codec_id>codec
    request.codecs = codecs
    if 0 < codec < MG_CODEC_COUNT:
        codecs.by_id[codec].state = <void *>compress
        codecs.by_id[codec].compress = compress_with_python
    return 0


def append(
    Log log not None, Rows rows not None, Selection selection=None, *, codec=0, compress=None,
    batch_size_max=DEFAULT_SIZE_MAX, batch_count_max=DEFAULT_COUNT_MAX,
    lone_size_max=MG_BATCH_SIZE_MAX, leader_epoch=0, now_ms, producer=None,
):
    cdef mg_log *opened = log.live()
    cdef mg_ingest_request request
    cdef mg_ingest_answer answer
    cdef mg_codecs codecs
    cdef mg_error error
    error.status = MG_OK  # a callee need not fill it
    cdef mg_status status
    fill_request(&request, &codecs, rows, selection, codec, compress, batch_size_max,
                 batch_count_max, lone_size_max, producer)
    request.leader_epoch = leader_epoch
    request.now_ms = now_ms
    cdef Workplace place = take_workplace()
    with nogil:
        status = mg_log_append_rows(opened, &request, &place.memory, &answer, &error)
    raise_pending()
    give_back(place)
    check(status, &error)
    # Not through Ingested's own __new__, a Python function: an append of one record is this quick.
    return tuple.__new__(
        Ingested, (answer.base_offset, answer.last_offset, answer.count, answer.skipped))


cdef class Output:
    """A bytes object in the making, of which nobody else knows."""

    cdef PyObject *bytes
    cdef size_t size

    def __cinit__(self, size_t size):
        self.bytes = raw_new(NULL, <Py_ssize_t>size)
        raise_pending()
        self.size = size
        prefer_huge_pages(raw_bytes(self.bytes), size)

    def __dealloc__(self):
        Py_XDECREF(self.bytes)

    cdef uint8_t *data(self) noexcept nogil:
        return <uint8_t *>raw_bytes(self.bytes)

    cdef int resize(self, size_t size) except -1:
        if size != self.size:
            _PyBytes_Resize(&self.bytes, <Py_ssize_t>size)
        self.size = size
        return 0

    cdef bytes take(self):
        return <bytes>self.bytes


def encode(
    Rows rows not None, Selection selection=None, *, codec=0, compress=None,
    batch_size_max=DEFAULT_SIZE_MAX, batch_count_max=DEFAULT_COUNT_MAX,
    lone_size_max=MG_BATCH_SIZE_MAX, leader_epoch=-1,
):
    cdef mg_ingest_request request
    cdef mg_row_encoder encoder
    cdef mg_codecs codecs
    cdef size_t size = 0, used = 0, wanted = 0
    cdef mg_error error
    error.status = MG_OK  # a callee need not fill it
    cdef mg_status status
    fill_request(&request, &codecs, rows, selection, codec, compress, batch_size_max,
                 batch_count_max, lone_size_max, None)
    request.leader_epoch = leader_epoch
    cdef Workplace place = take_workplace()
    with nogil:
        status = mg_ingest_check(&request, &error)
        if status == MG_OK:
            status = mg_rows_measure(request.rows, request.selection, &request.limits, &size,
                                     &error)
    check(status, &error)
    mg_row_encoder_init(&encoder, request.rows, request.selection, &request.limits)
    cdef Output made = Output(size)
    while True:
        with nogil:
            status = mg_ingest_encode(&encoder, &request, &place.memory, made.data(), made.size,
                                      &used, &wanted, &error)
        if status != MG_BUSY:
            break
        made.resize(used + max(wanted, made.size // 2))
    raise_pending()
    give_back(place)
    check(status, &error)
    made.resize(used)
    return made.take()
