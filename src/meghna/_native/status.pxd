# The status codes of native/base/status.h, and the one place where they become exceptions.
#
# A binding lends a zeroed mg_error where the call takes one, and passes NULL where it does not:
#     status = mg_log_flush(self.log, &error)
#     if status != MG_OK:
#         raise_status(status, &error)

cdef extern from "base/status.h" nogil:
    ctypedef enum mg_status:
        MG_OK
        MG_CORRUPT
        MG_TOO_LARGE
        MG_OUT_OF_RANGE
        MG_UNSUPPORTED
        MG_IO
        MG_NO_SPACE
        MG_NO_MEMORY
        MG_NOT_FOUND
        MG_CLOSED
        MG_BUSY
        MG_WOULD_BLOCK
    ctypedef struct mg_error:
        mg_status status
        int os_error
        char detail[192]
    const char *mg_status_name(mg_status status) noexcept
    mg_status mg_fail(mg_error *error, mg_status status, int os_error, const char *format,
                      ...) noexcept


cdef inline int raise_status(mg_status status, const mg_error *error) except -1:
    from meghna._native.failures import exception_for

    name = mg_status_name(status).decode("ascii")
    # The detail is of this failure only if the status is: a callee need not have filled it.
    if error != NULL and error.status == status:
        raise exception_for(name, error.os_error, error.detail.decode("utf-8", "replace"))
    raise exception_for(name, 0, "")
