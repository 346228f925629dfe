# What other bindings need of a log: its type, and the class that owns one.
from libc.stdint cimport int64_t


cdef extern from "log/log.h" nogil:
    ctypedef struct mg_log:
        pass


cdef class Log:
    cdef mg_log *log  # NULL once closed
    cdef readonly object path
    cdef readonly object report
    cdef readonly bint read_only

    cdef mg_log *live(self) except NULL
