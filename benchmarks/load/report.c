#include "load/report.h"

#include <stdio.h>

void report_begin(report *out, const char *load, const load_options *options)
{
    out->load = load;
    out->pid = options->pid;
    out->errors = 0;
    out->first_error = 0;
    report_restart(out);
}

void report_restart(report *out)
{
    out->records = 0;
    out->requests = 0;
    out->bytes = 0;
    histogram_clear(&out->latency);
    out->own_cpu = cpu_seconds_own();
    out->broker_cpu = cpu_seconds_of(out->pid);
    out->started_ns = now_ns();
}

void report_end(report *out)
{
    out->seconds = (double)(now_ns() - out->started_ns) / 1e9;
    out->own_cpu = cpu_seconds_own() - out->own_cpu;
    out->broker_cpu = cpu_seconds_of(out->pid) - out->broker_cpu;
}

void report_error(report *out, int code)
{
    if (out->errors++ == 0) {
        out->first_error = code;
        fprintf(stderr, "meghna-load: THE BROKER ANSWERS WITH ERROR %d\n", code);
    }
}

void report_print(const report *out)
{
    double millions = (double)out->records / 1e6;
    printf("{\"load\": \"%s\", \"seconds\": %.3f, \"records\": %llu, \"requests\": %llu, "
           "\"records_per_s\": %.0f, \"mb_per_s\": %.1f, \"requests_per_s\": %.0f",
           out->load, out->seconds, (unsigned long long)out->records,
           (unsigned long long)out->requests, (double)out->records / out->seconds,
           (double)out->bytes / out->seconds / 1e6, (double)out->requests / out->seconds);
    if (out->latency.count > 0) {
        printf(", \"p50_us\": %.1f, \"p99_us\": %.1f, \"p99_9_us\": %.1f, \"max_us\": %.1f",
               histogram_us(&out->latency, 0.5), histogram_us(&out->latency, 0.99),
               histogram_us(&out->latency, 0.999), (double)out->latency.max / 1000);
    }
    printf(", \"client_cpu_s\": %.3f", out->own_cpu);
    if (millions > 0) printf(", \"client_cpu_s_per_million\": %.4f", out->own_cpu / millions);
    if (out->pid != 0) {
        printf(", \"broker_cpu_s\": %.3f, \"broker_rss_mb\": %.1f", out->broker_cpu,
               resident_mb_of(out->pid));
        if (millions > 0) {
            printf(", \"broker_cpu_s_per_million\": %.4f", out->broker_cpu / millions);
        }
    }
    printf(", \"errors\": %llu, \"first_error\": %d}\n", (unsigned long long)out->errors,
           out->first_error);
}

int report_status(const report *out)
{
    return out->errors == 0 ? 0 : 1;
}
