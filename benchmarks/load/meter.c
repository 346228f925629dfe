#include "load/meter.h"

#include "load/options.h"

#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return ns_of(t);
}

int64_t wall_clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return ns_of(t) / 1000000;
}

static double cpu_seconds_by(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) != 0) return 0;
    return (double)ns_of(t) / 1e9;
}

double cpu_seconds_own(void)
{
    return cpu_seconds_by(CLOCK_PROCESS_CPUTIME_ID);
}

/* The process's CPU clock counts what /proc/PID/stat does, in nanoseconds instead of ticks. */
double cpu_seconds_of(int pid)
{
    clockid_t clock;
    if (pid == 0) return 0;
    if (clock_getcpuclockid(pid, &clock) != 0) die("no process %d", pid);
    return cpu_seconds_by(clock);
}

double resident_mb_of(int pid)
{
    if (pid == 0) return 0;
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *status = fopen(path, "re");
    if (status == NULL) die("no process %d", pid);
    char line[256];
    long kib = 0;
    while (fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
    }
    fclose(status);
    return (double)kib * 1024 / 1e6;
}

void histogram_clear(histogram *h)
{
    memset(h, 0, sizeof *h);
}

static unsigned slot_of(uint64_t v)
{
    unsigned magnitude = 63 - (unsigned)__builtin_clzll(v | (1U << HISTOGRAM_SUB_BITS));
    unsigned shift = magnitude - HISTOGRAM_SUB_BITS;
    return (shift << HISTOGRAM_SUB_BITS) + (unsigned)(v >> shift);
}

static uint64_t value_of(unsigned slot)
{
    unsigned shift = slot >> HISTOGRAM_SUB_BITS;
    if (shift == 0) return slot;
    shift--;
    return ((uint64_t)slot - ((uint64_t)shift << HISTOGRAM_SUB_BITS)) << shift;
}

void histogram_add(histogram *h, int64_t ns, uint64_t times)
{
    uint64_t v = ns < 0 ? 0 : (uint64_t)ns;
    unsigned slot = slot_of(v);
    h->slots[slot < HISTOGRAM_SLOTS ? slot : HISTOGRAM_SLOTS - 1] += times;
    h->count += times;
    if (v > h->max) h->max = v;
}

double histogram_us(const histogram *h, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)h->count);
    uint64_t seen = 0;
    for (unsigned slot = 0; slot < HISTOGRAM_SLOTS; slot++) {
        seen += h->slots[slot];
        if (seen > wanted) return (double)value_of(slot) / 1000;
    }
    return (double)h->max / 1000;
}
