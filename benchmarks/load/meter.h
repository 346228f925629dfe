/* meter.h -- time, latencies, and what processes cost. */
#ifndef LOAD_METER_H
#define LOAD_METER_H

#include <stdint.h>

int64_t now_ns(void); /* CLOCK_MONOTONIC */
int64_t wall_clock_ms(void);

/* CPU seconds, user and system, so far: of this process, or of another by its pid (0: 0). */
double cpu_seconds_own(void);
double cpu_seconds_of(int pid);
double resident_mb_of(int pid); /* 10^6 bytes */

/* Counts of latencies, one slot for each 1/128 of a power of two: within 0.8 %. */
enum { HISTOGRAM_SUB_BITS = 7, HISTOGRAM_SLOTS = (64 - HISTOGRAM_SUB_BITS) << HISTOGRAM_SUB_BITS };
typedef struct histogram {
    uint64_t slots[HISTOGRAM_SLOTS];
    uint64_t count;
    uint64_t max;
} histogram;

void histogram_clear(histogram *h);
void histogram_add(histogram *h, int64_t ns, uint64_t times);
double histogram_us(const histogram *h, double share); /* 0.99: the 99th percentile */

#endif
