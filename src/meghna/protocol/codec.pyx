# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The table-driven codec; codec.pyi is the manual.

Bytes are read only through mg_cursor and written only through mg_writer. The one loop over a
struct's fields is here, for each direction; what a field is was decided when the Plan was made.
A `Field` borrows its objects from its Plan, which keeps them. Every size and count is compared
with what is left before anything is allocated. No recursion deeper than the definition.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Size
from cpython.exc cimport PyErr_Clear
from cpython.float cimport PyFloat_AsDouble
from cpython.long cimport PyLong_AsLongLong, PyLong_FromLong, PyLong_FromLongLong
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport Py_EQ, PyObject, PyObject_IsTrue, PyObject_RichCompareBool, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_Check, PyTuple_CheckExact, PyTuple_GET_ITEM, \
    PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport INT16_MAX, INT16_MIN, INT32_MAX, INT32_MIN, INT8_MAX, INT8_MIN, \
    UINT16_MAX, UINT32_MAX, int16_t, int32_t, int64_t, int8_t, uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy, memmove

from meghna.errors import ProtocolError

cdef extern from "Python.h":
    object PyType_GenericAlloc(PyTypeObject *type, Py_ssize_t count)
    PyObject *decode_utf8 "PyUnicode_DecodeUTF8"(const char *data, Py_ssize_t size, const char *how)
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    object PySequence_Fast(object values, const char *message)
    Py_ssize_t PySequence_Fast_GET_SIZE(object values)
    PyObject *PySequence_Fast_GET_ITEM(object values, Py_ssize_t index)
    PyObject *PyDict_GetItemWithError(object names, object name) except? NULL

cdef extern from "base/bounds.h" nogil:
    enum:
        MG_TAG_COUNT_MAX

cdef extern from "base/cursor.h" nogil:
    ctypedef struct mg_cursor:
        const uint8_t *next
        const uint8_t *end
    mg_cursor mg_cursor_over(const uint8_t *data, size_t size) noexcept
    bint mg_cursor_ok(const mg_cursor *cursor) noexcept
    size_t mg_cursor_left(const mg_cursor *cursor) noexcept
    const uint8_t *mg_cursor_take(mg_cursor *cursor, size_t size) noexcept
    uint16_t mg_load_u16(const uint8_t *data) noexcept
    uint32_t mg_load_u32(const uint8_t *data) noexcept
    uint64_t mg_load_u64(const uint8_t *data) noexcept
    uint32_t mg_read_uvarint(mg_cursor *cursor) noexcept

cdef extern from "base/writer.h" nogil:
    ctypedef struct mg_writer:
        uint8_t *begin
        uint8_t *next
        uint8_t *end
    mg_writer mg_writer_over(uint8_t *data, size_t size) noexcept
    size_t mg_writer_size(const mg_writer *writer) noexcept
    size_t mg_writer_left(const mg_writer *writer) noexcept
    uint8_t *mg_writer_take(mg_writer *writer, size_t size) noexcept
    void mg_store_u16(uint8_t *data, uint16_t value) noexcept
    void mg_store_u32(uint8_t *data, uint32_t value) noexcept
    void mg_store_u64(uint8_t *data, uint64_t value) noexcept
    void mg_write_uvarint(mg_writer *writer, uint32_t value) noexcept
    size_t mg_uvarint_size(uint32_t value) noexcept

cdef enum:
    ABSENT = 0  # the version lacks the field
    BOOL = 1
    INT8 = 2
    INT16 = 3
    UINT16 = 4
    INT32 = 5
    UINT32 = 6
    INT64 = 7
    FLOAT64 = 8
    UUID = 9
    STRING = 10
    BYTES = 11
    STRUCT = 12
    ARRAY = 13

cdef enum:
    UUID_SIZE = 16
    UVARINT_SIZE_MAX = 5
    # Kafka's own bound of a string, in either encoding: what an int16 can say.
    STRING_SIZE_LIMIT = 32767
    # A frame's size is an int32, so nothing longer can be sent.
    OUTPUT_SIZE_MAX = 2147483647
    # What precedes a struct that may be null. A tagged null differs: Kafka's generated code (seen
    # with ConsumerGroupMemberMetadataValue, the one such field) writes a varint there, not an int8.
    NOT_NULL = 1
    UNTAGGED_NULL = 0xff
    TAGGED_NULL = 0
    # Most replies fit; larger ones double.
    OUTPUT_SIZE_FIRST = 1024

# Where a FieldEntry has its parts.
cdef enum:
    NAME = 0
    TAG = 5
    DEFAULT = 6


OPS = {
    "bool": BOOL, "int8": INT8, "int16": INT16, "uint16": UINT16, "int32": INT32, "uint32": UINT32,
    "int64": INT64, "float64": FLOAT64, "uuid": UUID, "string": STRING, "bytes": BYTES,
    "records": BYTES,
}
SIZES = {
    BOOL: 1, INT8: 1, INT16: 2, UINT16: 2, INT32: 4, UINT32: 4, INT64: 8, FLOAT64: 8,
    UUID: UUID_SIZE,
}


# Classes of messages: named tuples.


cdef class Shape:
    cdef tuple names
    cdef tuple defaults

    def __init__(self, tuple names, tuple defaults, /):
        assert len(names) == len(defaults)
        self.names = names
        self.defaults = defaults


cdef class Slot:
    cdef Py_ssize_t index

    def __init__(self, Py_ssize_t index, /):
        assert index >= 0
        self.index = index

    def __get__(self, instance, owner):
        if instance is None:
            return self
        if not PyTuple_Check(instance) or self.index >= PyTuple_GET_SIZE(instance):
            raise TypeError("the field belongs to another class")
        return <object>PyTuple_GET_ITEM(instance, self.index)


def construct(cls, /, *args, **kwargs):
    cdef Shape shape = cls._shape
    cdef Py_ssize_t count = PyTuple_GET_SIZE(shape.names)
    cdef Py_ssize_t given = PyTuple_GET_SIZE(args)
    cdef Py_ssize_t named = 0
    cdef Py_ssize_t index
    cdef PyObject *found
    if given > count:
        raise TypeError(f"{cls.__name__} has {count} fields, {given} were given")
    made = PyType_GenericAlloc(<PyTypeObject *>cls, count)
    for index in range(count):
        if index < given:
            value = <object>PyTuple_GET_ITEM(args, index)
        else:
            found = PyDict_GetItemWithError(kwargs, <object>PyTuple_GET_ITEM(shape.names, index))
            if found != NULL:
                value = <object>found
                named += 1
            else:
                value = <object>PyTuple_GET_ITEM(shape.defaults, index)
        Py_INCREF(value)
        PyTuple_SET_ITEM(made, index, value)
    if named != PyDict_Size(kwargs):
        wrong = sorted(set(kwargs) - set(shape.names[given:]))
        raise TypeError(f"{cls.__name__} has no field, or was given twice: {', '.join(wrong)}")
    return made


# Plans.


cdef struct Field:
    int op            # ARRAY, or what the element is
    int element_op
    int32_t tag       # -1 when not tagged
    bint compact
    bint nullable
    bint ignorable
    PyObject *name
    PyObject *default
    PyObject *plan    # of a struct, else NULL
    int64_t element_size_min


cdef struct Output:
    mg_writer writer  # owns its bytes, which move when they grow
    PyObject *plan  # where an error would be
    Field *field


cdef class Plan:
    cdef readonly str label
    cdef readonly object cls
    cdef readonly Py_ssize_t size_min
    cdef bint flexible
    cdef Py_ssize_t count
    cdef Field *fields
    cdef Py_ssize_t tag_count
    cdef Field **tagged  # the tagged ones of `fields`, by tag
    cdef list kept

    def __init__(self, str label, cls, bint flexible, tuple fields, /):
        cdef Py_ssize_t index
        assert self.fields == NULL
        self.label = label
        self.cls = cls
        self.flexible = flexible
        self.size_min = 1 if flexible else 0
        self.kept = []
        self.count = len(fields)
        self.fields = <Field *>PyMem_Calloc(max(self.count, 1), sizeof(Field))
        self.tagged = <Field **>PyMem_Calloc(max(self.count, 1), sizeof(Field *))
        if self.fields == NULL or self.tagged == NULL:
            raise MemoryError
        for index, entry in enumerate(fields):
            self.kept.append(entry)
            set_field(&self.fields[index], entry)
            if self.fields[index].tag < 0:
                self.size_min += field_size_min(&self.fields[index])
        tags = sorted((entry[TAG], index) for index, entry in enumerate(fields) if entry[TAG] >= 0)
        assert flexible or not tags, label
        for tag, index in tags:
            self.tagged[self.tag_count] = &self.fields[index]
            self.tag_count += 1

    def __dealloc__(self):
        PyMem_Free(self.fields)
        PyMem_Free(self.tagged)

    def decode(self, data, Py_ssize_t start, int64_t values_max, /):
        return decode_from(self, data, start, values_max)

    def encode(self, value, bytes prefix, /):
        cdef Output output
        cdef uint8_t *first = <uint8_t *>PyMem_Malloc(OUTPUT_SIZE_FIRST)
        if first == NULL:
            raise MemoryError
        output.plan = <PyObject *>self
        output.field = NULL
        output.writer = mg_writer_over(first, OUTPUT_SIZE_FIRST)
        try:
            put_bytes(&output, PyBytes_AS_STRING(prefix), <size_t>PyBytes_GET_SIZE(prefix))
            encode_struct(self, &output, value)
            return PyBytes_FromStringAndSize(
                <const char *>output.writer.begin, <Py_ssize_t>mg_writer_size(&output.writer)
            )
        except (TypeError, OverflowError, UnicodeError, BufferError) as error:
            raise ValueError(f"{place(output.plan, output.field)}: {error}") from error
        finally:
            PyMem_Free(output.writer.begin)


# `entry` is what codec.pyi calls a FieldEntry; the plan keeps it, the field borrows from it.
cdef int set_field(Field *field, tuple entry) except -1:
    name, kind, array, field.compact, field.nullable, tag, default, field.ignorable = entry
    field.tag = tag
    field.name = <PyObject *>PyTuple_GET_ITEM(entry, NAME)
    field.default = <PyObject *>PyTuple_GET_ITEM(entry, DEFAULT)
    if kind is None:
        field.element_op = field.op = ABSENT
        return 0
    if isinstance(kind, Plan):
        field.element_op = STRUCT
        field.plan = <PyObject *>kind
    else:
        field.element_op = OPS[kind]
    field.op = ARRAY if array else field.element_op
    field.element_size_min = element_size_min(field)
    assert field.element_size_min > 0, name  # An array of nothing could have any count.
    return 0


cdef int64_t field_size_min(Field *field) except -1:
    if field.op == ABSENT:
        return 0
    if field.op == ARRAY:
        return 1 if field.compact else 4
    if field.op == STRUCT and field.nullable:
        return 1
    return field.element_size_min


cdef int64_t element_size_min(Field *field) except -1:
    if field.element_op == STRING:
        return 1 if field.compact else 2
    if field.element_op == BYTES:
        return 1 if field.compact else 4
    if field.element_op == STRUCT:
        return (<Plan>field.plan).size_min
    return SIZES[field.element_op]


cdef str place(PyObject *plan, Field *field):
    label = (<Plan>plan).label
    return label if field == NULL else f"{label}.{<object>field.name}"


# Decoding.


cdef struct Reader:
    mg_cursor cursor
    int64_t values_left


cdef object refuse(Plan plan, Field *field, str reason):
    raise ProtocolError(f"{place(<PyObject *>plan, field)}: {reason}")


cdef object decode_from(Plan plan, object data, Py_ssize_t start, int64_t values_max):
    cdef Py_buffer view
    cdef Reader reader
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    try:
        if start < 0 or start > view.len:
            raise ValueError("start lies outside the data")
        reader.cursor = mg_cursor_over(
            <const uint8_t *>view.buf + start, <size_t>(view.len - start)
        )
        reader.values_left = values_max
        value = decode_struct(plan, &reader)
        return value, view.len - <Py_ssize_t>mg_cursor_left(&reader.cursor)
    finally:
        PyBuffer_Release(&view)


cdef object decode_struct(Plan plan, Reader *reader):
    cdef Py_ssize_t index
    cdef Field *field
    made = PyType_GenericAlloc(<PyTypeObject *>plan.cls, plan.count)
    for index in range(plan.count):
        field = &plan.fields[index]
        if field.op == ABSENT or field.tag >= 0:
            value = <object>field.default
        else:
            value = decode_value(plan, field, field.op, reader)
        Py_INCREF(value)
        PyTuple_SET_ITEM(made, index, value)
    if plan.flexible:
        decode_tags(plan, reader, made)
    return made


cdef object decode_value(Plan plan, Field *field, int op, Reader *reader):
    cdef mg_cursor *cursor = &reader.cursor
    cdef const uint8_t *taken
    cdef uint64_t bits
    cdef double number
    if op == INT32:
        taken = mg_cursor_take(cursor, 4)
        if taken != NULL:
            return PyLong_FromLong(<int32_t>mg_load_u32(taken))
    elif op == STRING or op == BYTES:
        return decode_sized(plan, field, op, reader)
    elif op == ARRAY:
        return decode_array(plan, field, reader)
    elif op == INT16:
        taken = mg_cursor_take(cursor, 2)
        if taken != NULL:
            return PyLong_FromLong(<int16_t>mg_load_u16(taken))
    elif op == INT64:
        taken = mg_cursor_take(cursor, 8)
        if taken != NULL:
            return PyLong_FromLongLong(<int64_t>mg_load_u64(taken))
    elif op == STRUCT:
        if field.nullable and field.op == STRUCT:
            taken = mg_cursor_take(cursor, 1)
            if taken == NULL:
                return refuse(plan, field, "ends early")
            if <int8_t>taken[0] < 0 or (field.tag >= 0 and taken[0] == TAGGED_NULL):
                return None
        return decode_struct(<Plan>field.plan, reader)
    elif op == BOOL:
        taken = mg_cursor_take(cursor, 1)
        if taken != NULL:
            return taken[0] != 0
    elif op == INT8:
        taken = mg_cursor_take(cursor, 1)
        if taken != NULL:
            return PyLong_FromLong(<int8_t>taken[0])
    elif op == UUID:
        taken = mg_cursor_take(cursor, UUID_SIZE)
        if taken != NULL:
            return PyBytes_FromStringAndSize(<const char *>taken, UUID_SIZE)
    elif op == UINT16:
        taken = mg_cursor_take(cursor, 2)
        if taken != NULL:
            return PyLong_FromLong(mg_load_u16(taken))
    elif op == UINT32:
        taken = mg_cursor_take(cursor, 4)
        if taken != NULL:
            return PyLong_FromLongLong(mg_load_u32(taken))
    elif op == FLOAT64:
        taken = mg_cursor_take(cursor, 8)
        if taken != NULL:
            bits = mg_load_u64(taken)
            memcpy(&number, &bits, sizeof(number))
            return number
    else:
        raise AssertionError(op)
    return refuse(plan, field, "ends early")


# The count of a string, bytes or an array; negative for null.
cdef int64_t decode_count(Plan plan, Field *field, int op, Reader *reader) except? -1:
    cdef mg_cursor *cursor = &reader.cursor
    cdef const uint8_t *taken
    cdef int64_t count
    if field.compact:
        count = <int64_t>mg_read_uvarint(cursor) - 1
        if not mg_cursor_ok(cursor):
            refuse(plan, field, "its size is not a varint")
    elif op == STRING:
        taken = mg_cursor_take(cursor, 2)
        if taken == NULL:
            refuse(plan, field, "ends early")
        count = <int16_t>mg_load_u16(taken)
    else:
        taken = mg_cursor_take(cursor, 4)
        if taken == NULL:
            refuse(plan, field, "ends early")
        count = <int32_t>mg_load_u32(taken)
    if count < 0 and not (field.nullable and field.op == op):
        refuse(plan, field, "is null")
    return count


cdef object decode_sized(Plan plan, Field *field, int op, Reader *reader):
    cdef int64_t size = decode_count(plan, field, op, reader)
    cdef const uint8_t *taken
    cdef PyObject *text
    if size < 0:
        return None
    if op == STRING and size > STRING_SIZE_LIMIT:
        return refuse(plan, field, f"is a string of {size} bytes")
    taken = mg_cursor_take(&reader.cursor, <size_t>size)
    if taken == NULL:
        return refuse(plan, field, f"has {size} bytes, more than are left")
    if op == BYTES:
        return PyBytes_FromStringAndSize(<const char *>taken, <Py_ssize_t>size)
    text = decode_utf8(<const char *>taken, <Py_ssize_t>size, NULL)
    if text == NULL:
        PyErr_Clear()
        return refuse(plan, field, "is not UTF-8")
    value = <object>text
    Py_DECREF(value)  # The cast took a reference beside the one that was ours.
    return value


cdef object decode_array(Plan plan, Field *field, Reader *reader):
    cdef int64_t count = decode_count(plan, field, ARRAY, reader)
    cdef int64_t index
    cdef int op = field.element_op
    cdef int64_t values = count
    if count < 0:
        return None
    if count * field.element_size_min > <int64_t>mg_cursor_left(&reader.cursor):
        return refuse(plan, field, f"has {count} elements, more than bytes are left for")
    if op == STRUCT:
        values = count * (1 + (<Plan>field.plan).count)
    if values > reader.values_left:
        return refuse(plan, field, "makes the message exceed the limit of values")
    reader.values_left -= values
    made = PyTuple_New(<Py_ssize_t>count)
    for index in range(count):
        if op == STRUCT:
            value = decode_struct(<Plan>field.plan, reader)
        else:
            value = decode_value(plan, field, op, reader)
        Py_INCREF(value)
        PyTuple_SET_ITEM(made, <Py_ssize_t>index, value)
    return made


# Unknown tags are passed over; `made` has the defaults of the known ones already.
cdef int decode_tags(Plan plan, Reader *reader, object made) except -1:
    cdef mg_cursor *cursor = &reader.cursor
    cdef const uint8_t *end
    cdef Field *field
    cdef uint32_t count = mg_read_uvarint(cursor)
    cdef uint32_t tag, size, index
    cdef int64_t tag_before = -1
    if not mg_cursor_ok(cursor):
        refuse(plan, NULL, "the count of its tagged fields is not a varint")
    if count > MG_TAG_COUNT_MAX:
        refuse(plan, NULL, f"has {count} tagged fields, the limit is {MG_TAG_COUNT_MAX}")
    for index in range(count):
        tag = mg_read_uvarint(cursor)
        size = mg_read_uvarint(cursor)
        if not mg_cursor_ok(cursor) or size > mg_cursor_left(cursor):
            refuse(plan, NULL, "a tagged field ends early")
        if tag <= tag_before:
            refuse(plan, NULL, f"tag {tag} comes after tag {tag_before}")
        tag_before = tag
        field = tagged_field(plan, tag)
        if field == NULL:
            mg_cursor_take(cursor, size)
            continue
        end = cursor.end
        cursor.end = cursor.next + size
        value = decode_value(plan, field, field.op, reader)
        if cursor.next != cursor.end:
            refuse(plan, field, "is shorter than its tagged field")
        cursor.end = end
        replace_item(made, field - plan.fields, value)
    return 0


cdef Field *tagged_field(Plan plan, uint32_t tag) noexcept:
    cdef Py_ssize_t index
    for index in range(plan.tag_count):
        if <uint32_t>plan.tagged[index].tag == tag:
            return plan.tagged[index]
    return NULL


# `made` is still ours alone, so it may change.
cdef int replace_item(object made, Py_ssize_t index, object value) except -1:
    cdef PyObject *before = PyTuple_GET_ITEM(made, index)
    Py_INCREF(value)
    PyTuple_SET_ITEM(made, index, value)
    Py_DECREF(<object>before)
    return 0


# Encoding.


cdef int make_room(Output *output, size_t size) except -1:
    cdef size_t used = mg_writer_size(&output.writer)
    cdef size_t capacity
    cdef uint8_t *moved
    if size <= mg_writer_left(&output.writer):
        return 0
    if size > OUTPUT_SIZE_MAX - used:
        raise OverflowError("the message is larger than a frame can be")
    capacity = 2 * (used + size)
    moved = <uint8_t *>PyMem_Realloc(output.writer.begin, capacity)
    if moved == NULL:
        raise MemoryError
    output.writer = mg_writer_over(moved, capacity)
    mg_writer_take(&output.writer, used)
    return 0


cdef uint8_t *claim(Output *output, size_t size) except NULL:
    if size > mg_writer_left(&output.writer):
        make_room(output, size)
    return mg_writer_take(&output.writer, size)


cdef int put_bytes(Output *output, const void *data, size_t size) except -1:
    cdef uint8_t *taken = claim(output, size)
    if size > 0:
        memcpy(taken, data, size)
    return 0


cdef int put_uvarint(Output *output, uint32_t value) except -1:
    if value < 128:
        claim(output, 1)[0] = <uint8_t>value
        return 0
    make_room(output, UVARINT_SIZE_MAX)
    mg_write_uvarint(&output.writer, value)
    return 0


# The count of a string, bytes or an array; -1 for null.
cdef int put_count(Output *output, Field *field, int op, Py_ssize_t count) except -1:
    if count < 0 and not (field.nullable and field.op == op):
        raise TypeError("null in a version that has no null there")
    if count > (STRING_SIZE_LIMIT if op == STRING else INT32_MAX):
        raise OverflowError(f"{count} bytes or elements are too many")
    if field.compact:
        return put_uvarint(output, <uint32_t>(count + 1))
    if op == STRING:
        mg_store_u16(claim(output, 2), <uint16_t>count)
    else:
        mg_store_u32(claim(output, 4), <uint32_t>count)
    return 0


cdef int encode_struct(Plan plan, Output *output, object value) except -1:
    cdef Py_ssize_t index
    cdef Field *field
    output.plan = <PyObject *>plan
    output.field = NULL
    if type(value) is not plan.cls or PyTuple_GET_SIZE(value) != plan.count:
        raise TypeError(f"{plan.cls.__name__} is needed, not {type(value).__name__}")
    for index in range(plan.count):
        field = &plan.fields[index]
        item = <object>PyTuple_GET_ITEM(value, index)
        output.plan = <PyObject *>plan
        output.field = field
        if field.op == ABSENT:
            if not field.ignorable and not is_default(field, item):
                raise TypeError(f"the version lacks the field, which holds {item!r:.100}")
        elif field.tag < 0:
            encode_value(field, field.op, output, item)
    if plan.flexible:
        encode_tags(plan, output, value)
    return 0


cdef bint is_default(Field *field, object value) except -1:
    default = <object>field.default
    if value is default:
        return True
    if default is None or value is None:
        return False
    if PyTuple_CheckExact(default):
        return len(value) == 0  # A list is as good as a tuple.
    return PyObject_RichCompareBool(value, default, Py_EQ)


cdef int64_t checked(object value, int64_t smallest, int64_t largest) except? -1:
    cdef int64_t number = PyLong_AsLongLong(value)
    if number < smallest or number > largest:
        raise OverflowError(f"{number} is not between {smallest} and {largest}")
    return number


cdef int encode_value(Field *field, int op, Output *output, object value) except -1:
    cdef double real
    cdef uint64_t bits
    if op == INT32:
        mg_store_u32(claim(output, 4), <uint32_t>checked(value, INT32_MIN, INT32_MAX))
    elif op == STRING:
        encode_string(field, output, value)
    elif op == ARRAY:
        encode_array(field, output, value)
    elif op == STRUCT:
        if field.nullable and field.op == STRUCT:
            if value is None:
                claim(output, 1)[0] = TAGGED_NULL if field.tag >= 0 else UNTAGGED_NULL
                return 0
            claim(output, 1)[0] = NOT_NULL
        encode_struct(<Plan>field.plan, output, value)
    elif op == INT16:
        mg_store_u16(claim(output, 2), <uint16_t>checked(value, INT16_MIN, INT16_MAX))
    elif op == INT64:
        mg_store_u64(claim(output, 8), <uint64_t>PyLong_AsLongLong(value))
    elif op == BOOL:
        claim(output, 1)[0] = 1 if PyObject_IsTrue(value) else 0
    elif op == BYTES:
        encode_bytes(field, output, value)
    elif op == INT8:
        claim(output, 1)[0] = <uint8_t>checked(value, INT8_MIN, INT8_MAX)
    elif op == UUID:
        encode_uuid(output, value)
    elif op == UINT16:
        mg_store_u16(claim(output, 2), <uint16_t>checked(value, 0, UINT16_MAX))
    elif op == UINT32:
        mg_store_u32(claim(output, 4), <uint32_t>checked(value, 0, UINT32_MAX))
    elif op == FLOAT64:
        real = PyFloat_AsDouble(value)
        memcpy(&bits, &real, sizeof(bits))
        mg_store_u64(claim(output, 8), bits)
    else:
        raise AssertionError(op)
    return 0


cdef int encode_string(Field *field, Output *output, object value) except -1:
    cdef Py_ssize_t size
    cdef const char *data
    if value is None:
        return put_count(output, field, STRING, -1)
    data = PyUnicode_AsUTF8AndSize(value, &size)
    put_count(output, field, STRING, size)
    return put_bytes(output, data, <size_t>size)


cdef int encode_bytes(Field *field, Output *output, object value) except -1:
    cdef Py_buffer view
    if value is None:
        return put_count(output, field, BYTES, -1)
    PyObject_GetBuffer(value, &view, PyBUF_SIMPLE)
    try:
        put_count(output, field, BYTES, view.len)
        return put_bytes(output, view.buf, <size_t>view.len)
    finally:
        PyBuffer_Release(&view)


cdef int encode_uuid(Output *output, object value) except -1:
    cdef Py_buffer view
    PyObject_GetBuffer(value, &view, PyBUF_SIMPLE)
    try:
        if view.len != UUID_SIZE:
            raise TypeError(f"a uuid has {UUID_SIZE} bytes, not {view.len}")
        return put_bytes(output, view.buf, UUID_SIZE)
    finally:
        PyBuffer_Release(&view)


cdef int encode_array(Field *field, Output *output, object value) except -1:
    cdef Py_ssize_t count, index
    if value is None:
        return put_count(output, field, ARRAY, -1)
    if PyUnicode_Check(value):
        raise TypeError("an array is needed, not a str")
    values = PySequence_Fast(value, "an array is needed")
    count = PySequence_Fast_GET_SIZE(values)
    put_count(output, field, ARRAY, count)
    for index in range(count):
        if PySequence_Fast_GET_SIZE(values) != count:
            raise TypeError("the array changed while it was encoded")
        item = <object>PySequence_Fast_GET_ITEM(values, index)
        encode_value(field, field.element_op, output, item)
    return 0


# Each tagged field is written behind a gap of one byte for its size, and moved where that is too
# small: most are short, and none is written twice.
cdef int encode_tags(Plan plan, Output *output, object value) except -1:
    cdef Py_ssize_t index
    cdef uint32_t count = 0
    cdef Field *field
    for index in range(plan.tag_count):
        field = plan.tagged[index]
        output.plan = <PyObject *>plan
        output.field = field
        item = <object>PyTuple_GET_ITEM(value, field - plan.fields)
        count += not is_default(field, item)
    put_uvarint(output, count)
    if count == 0:
        return 0
    for index in range(plan.tag_count):
        field = plan.tagged[index]
        item = <object>PyTuple_GET_ITEM(value, field - plan.fields)
        if not is_default(field, item):
            output.plan = <PyObject *>plan
            output.field = field
            put_uvarint(output, <uint32_t>field.tag)
            encode_tagged(field, output, item)
    return 0


cdef int encode_tagged(Field *field, Output *output, object item) except -1:
    cdef size_t gap = mg_writer_size(&output.writer)
    cdef size_t size, more
    cdef uint8_t *content
    cdef mg_writer size_writer
    claim(output, 1)
    encode_value(field, field.op, output, item)
    size = mg_writer_size(&output.writer) - gap - 1
    more = mg_uvarint_size(<uint32_t>size) - 1
    if more > 0:
        claim(output, more)
        content = output.writer.begin + gap + 1
        memmove(content + more, content, size)
    size_writer = mg_writer_over(output.writer.begin + gap, 1 + more)
    mg_write_uvarint(&size_writer, <uint32_t>size)
    return 0
