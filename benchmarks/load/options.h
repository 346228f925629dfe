/* options.h -- what the command line asks of a load. One set for all subcommands: each reads what
 * concerns it. A value that can't be used ends the program with a line that says why. */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct load_options {
    const char *host;
    const char *topic;
    const char *configs; /* for create: "name=value,name=value" */
    int port;
    int partitions;
    int connections;
    int in_flight; /* requests without an answer, each connection */
    int records_per_batch;
    int record_size; /* bytes of a value; there is no key */
    int acks;
    int version;   /* of Produce or Fetch; 0: the subcommand's own choice */
    int max_bytes; /* of one Fetch */
    int pid;       /* the broker's, to measure; 0: not */
    int tick_us;   /* open loop: how finely the schedule is kept */
    double seconds;
    double warmup_seconds; /* not measured */
    double rate;           /* requests a second over all connections; 0: closed loop */
    int64_t count;         /* records, instead of seconds; 0: seconds count */
    int64_t since_ns;      /* CLOCK_MONOTONIC of the broker's start */
    int linger_ms;         /* librdkafka only */
    bool copy;             /* fetch: copy all bytes out of the socket, not only what is looked at */
    bool idempotent;       /* librdkafka only */
} load_options;

load_options load_options_parse(int argc, char **argv);

/* Prints a line to stderr and ends the program with status 2. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
