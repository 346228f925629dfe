# The codec table of native/batch/codec.h, and what its slots have in common when Python fills them.
#
# A slot takes the GIL and works through raw pointers: an exception must stay pending until the C
# call is over (raise_pending), where a function of Cython's would print and forget it.
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t

from meghna._native.status cimport MG_CORRUPT, MG_IO, MG_NO_MEMORY, MG_OK, mg_status


cdef extern from "base/cursor.h" nogil:
    ctypedef struct mg_span:
        const uint8_t *data
        size_t size


cdef extern from "base/writer.h" nogil:
    ctypedef struct mg_writer:
        pass
    void mg_write_bytes(mg_writer *writer, const void *data, size_t size) noexcept


cdef extern from "batch/codec.h" nogil:
    enum:
        MG_CODEC_COUNT
    ctypedef int mg_codec_id
    ctypedef mg_status (*mg_codec_function)(void *state, mg_span bytes,
                                            mg_writer *out) noexcept nogil
    ctypedef struct mg_codec:
        void *state
        mg_codec_function compress
        mg_codec_function decompress
    ctypedef struct mg_codecs:
        mg_codec by_id[5]


cdef extern from "Python.h":
    int raw_is_bytes "PyBytes_Check"(PyObject *item)
    char *raw_bytes "PyBytes_AS_STRING"(PyObject *item) nogil
    Py_ssize_t raw_size "PyBytes_GET_SIZE"(PyObject *item)
    PyObject *raw_call_with "PyObject_CallFunction"(PyObject *function, const char *format, ...)
    PyObject *raw_new "PyBytes_FromStringAndSize"(const char *text, Py_ssize_t size)
    void Py_DECREF(PyObject *item)
    PyObject *PyExc_TypeError
    void raw_raise "PyErr_SetString"(PyObject *kind, const char *message)


cdef extern from *:
    """
    /* An exception that C code left pending becomes one of Cython's. */
    static inline int raise_pending(void) { return PyErr_Occurred() ? -1 : 0; }
    """
    int raise_pending() except -1


# Writes what a codec answered, and lets go of it; NULL: it raised, and `failure` is answered.
cdef inline mg_status write_made(PyObject *made, mg_status failure, const char *complaint,
                                 mg_writer *out) noexcept:
    if made == NULL:
        return failure
    if not raw_is_bytes(made):
        Py_DECREF(made)
        raw_raise(PyExc_TypeError, complaint)
        return MG_IO
    mg_write_bytes(out, raw_bytes(made), <size_t>raw_size(made))
    Py_DECREF(made)
    return MG_OK


# What a slot of the table is for: one codec, and the Python functions that serve it.
cdef struct Slot:
    int codec
    PyObject *compress
    PyObject *decompress


# Calls function(codec, bytes). MG_CORRUPT: it raised.
cdef inline mg_status call_codec(PyObject *function, int codec, mg_span given,
                                 mg_writer *out) noexcept:
    cdef PyObject *made
    cdef PyObject *data = raw_new(<const char *>given.data, <Py_ssize_t>given.size)
    if data == NULL:
        return MG_NO_MEMORY
    made = raw_call_with(function, b"iO", codec, data)
    Py_DECREF(data)
    return write_made(made, MG_CORRUPT, b"a codec must return bytes", out)
