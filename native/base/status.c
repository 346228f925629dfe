#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *mg_status_name(mg_status status)
{
    switch (status) {
    case MG_OK:
        return "MG_OK";
    case MG_CORRUPT:
        return "MG_CORRUPT";
    case MG_TOO_LARGE:
        return "MG_TOO_LARGE";
    case MG_OUT_OF_RANGE:
        return "MG_OUT_OF_RANGE";
    case MG_UNSUPPORTED:
        return "MG_UNSUPPORTED";
    case MG_IO:
        return "MG_IO";
    case MG_NO_SPACE:
        return "MG_NO_SPACE";
    case MG_NO_MEMORY:
        return "MG_NO_MEMORY";
    case MG_NOT_FOUND:
        return "MG_NOT_FOUND";
    case MG_CLOSED:
        return "MG_CLOSED";
    case MG_BUSY:
        return "MG_BUSY";
    case MG_WOULD_BLOCK:
        return "MG_WOULD_BLOCK";
    }
    return "MG_?";
}

mg_status mg_fail(mg_error *error, mg_status status, int os_error, const char *format, ...)
{
    MG_ASSERT(status != MG_OK);
    if (error == NULL) return status;

    error->status = status;
    error->os_error = os_error;
    error->is_of_sync = false;
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(error->detail, sizeof error->detail, format, arguments);
    va_end(arguments);
    if (written < 0) error->detail[0] = '\0';
    return status;
}

void mg_assert_failed(const char *claim, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, claim);
    abort();
}
