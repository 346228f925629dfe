#include "load/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("meghna-load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

typedef enum option_kind {
    OPTION_TEXT,
    OPTION_INT,
    OPTION_INT64,
    OPTION_REAL,
    OPTION_FLAG
} option_kind;

typedef struct option_row {
    const char *name;
    size_t place; /* in load_options */
    double least;
    option_kind kind;
} option_row;

static const option_row options[] = {
    {"--host", offsetof(load_options, host), 0, OPTION_TEXT},
    {"--topic", offsetof(load_options, topic), 0, OPTION_TEXT},
    {"--configs", offsetof(load_options, configs), 0, OPTION_TEXT},
    {"--port", offsetof(load_options, port), 1, OPTION_INT},
    {"--partitions", offsetof(load_options, partitions), 1, OPTION_INT},
    {"--connections", offsetof(load_options, connections), 1, OPTION_INT},
    {"--in-flight", offsetof(load_options, in_flight), 1, OPTION_INT},
    {"--records-per-batch", offsetof(load_options, records_per_batch), 1, OPTION_INT},
    {"--record-size", offsetof(load_options, record_size), 0, OPTION_INT},
    {"--acks", offsetof(load_options, acks), -1, OPTION_INT},
    {"--version", offsetof(load_options, version), 0, OPTION_INT},
    {"--max-bytes", offsetof(load_options, max_bytes), 1, OPTION_INT},
    {"--pid", offsetof(load_options, pid), 0, OPTION_INT},
    {"--tick-us", offsetof(load_options, tick_us), 1, OPTION_INT},
    {"--linger-ms", offsetof(load_options, linger_ms), 0, OPTION_INT},
    {"--seconds", offsetof(load_options, seconds), 0, OPTION_REAL},
    {"--warmup-seconds", offsetof(load_options, warmup_seconds), 0, OPTION_REAL},
    {"--rate", offsetof(load_options, rate), 0, OPTION_REAL},
    {"--count", offsetof(load_options, count), 1, OPTION_INT64},
    {"--since", offsetof(load_options, since_ns), 0, OPTION_INT64},
    {"--copy", offsetof(load_options, copy), 0, OPTION_FLAG},
    {"--idempotent", offsetof(load_options, idempotent), 0, OPTION_FLAG},
};

static const option_row *option_named(const char *name)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (strcmp(options[i].name, name) == 0) return &options[i];
    }
    die("unknown option %s", name);
}

static double number_of(const option_row *option, const char *value)
{
    char *end;
    errno = 0;
    double number = strtod(value, &end);
    if (errno != 0 || end == value || *end != '\0') die("%s %s: no number", option->name, value);
    if (number < option->least) die("%s %s: less than %g", option->name, value, option->least);
    return number;
}

static void set(load_options *out, const option_row *option, const char *value)
{
    char *place = (char *)out + option->place;
    switch (option->kind) {
    case OPTION_TEXT:
        *(const char **)(void *)place = value;
        break;
    case OPTION_INT:
        *(int *)(void *)place = (int)number_of(option, value);
        break;
    case OPTION_INT64:
        (void)number_of(option, value);
        *(int64_t *)(void *)place = strtoll(value, NULL, 10); /* a double drops nanoseconds */
        break;
    case OPTION_REAL:
        *(double *)(void *)place = number_of(option, value);
        break;
    case OPTION_FLAG:
        *(bool *)place = true;
        break;
    }
}

load_options load_options_parse(int argc, char **argv)
{
    load_options out = {
        .host = "127.0.0.1",
        .topic = "load",
        .configs = "",
        .port = 9092,
        .partitions = 1,
        .connections = 1,
        .in_flight = 5,
        .records_per_batch = 1000,
        .record_size = 100,
        .acks = 1,
        .max_bytes = 1 << 20,
        .tick_us = 50,
        .seconds = 5,
        .linger_ms = 5,
    };
    for (int i = 0; i < argc; i++) {
        const option_row *option = option_named(argv[i]);
        bool takes_value = option->kind != OPTION_FLAG;
        if (takes_value && i + 1 >= argc) die("%s needs a value", argv[i]);
        set(&out, option, takes_value ? argv[++i] : NULL);
    }
    if (strlen(out.topic) > 100) die("a topic's name has at most 100 bytes here");
    return out;
}
