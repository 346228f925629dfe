# What other bindings share of a log: the C object behind a Log.

cdef extern from "log/log.h" nogil:
    ctypedef struct mg_log:
        pass


cdef class Log:
    cdef mg_log *log  # NULL once closed
    cdef readonly str path
    cdef readonly object report
    cdef mg_log *live(self) except NULL
    cdef object append_one(self, mg_log *log, object view, int leader_epoch, long long now_ms)
