/* report.h -- the one line of JSON that a load prints. */
#ifndef LOAD_REPORT_H
#define LOAD_REPORT_H

#include "load/meter.h"
#include "load/options.h"

#include <stdbool.h>
#include <stddef.h>

/* A measured stretch: begin, add to the counts, end, print. */
typedef struct report {
    const char *load;
    int pid;
    int64_t started_ns;
    double seconds;
    double own_cpu;
    double broker_cpu;
    uint64_t records;
    uint64_t requests;
    uint64_t bytes; /* of record batches */
    uint64_t errors;
    int first_error; /* Kafka's code */
    histogram latency;
} report;

/* `out` is large: keep it static. */
void report_begin(report *out, const char *load, const load_options *options);
void report_restart(report *out); /* the warm-up is over; errors stay */
void report_end(report *out);
void report_error(report *out, int code); /* loud the first time */
void report_print(const report *out);
int report_status(const report *out); /* the program's exit status */

#endif
