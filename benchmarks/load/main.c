/* meghna-load -- loads a Kafka-compatible broker, costing almost nothing itself.
 *
 * Frames are built before the run and sent as they are, answers are looked at where they say
 * whether it went well; one thread, one epoll. Every subcommand prints one line of JSON. Exit
 * status: 0 all well, 1 the broker answered with errors or what it keeps is damaged, 2 could not
 * be run. */
#include "load/loads.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

typedef struct subcommand {
    const char *name;
    int (*run)(const load_options *options);
    const char *about;
} subcommand;

static const subcommand subcommands[] = {
    {"produce", run_produce, "prebuilt batches over pipelined connections"},
    {"fetch", run_fetch, "reads a topic again and again"},
    {"verify", run_verify, "reads a topic once, checks every CRC and the offsets"},
    {"first-ack", run_first_ack, "milliseconds until a starting broker acknowledges a record"},
    {"create", run_create, "creates a topic"},
    {"delete", run_delete, "deletes a topic"},
};

static int show_usage(void)
{
    fputs("usage: meghna-load SUBCOMMAND [--option value …]\n", stderr);
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++) {
        fprintf(stderr, "  %-10s %s\n", subcommands[i].name, subcommands[i].about);
    }
    return 2;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) return show_usage();
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++) {
        if (strcmp(argv[1], subcommands[i].name) != 0) continue;
        load_options options = load_options_parse(argc - 2, argv + 2);
        return subcommands[i].run(&options);
    }
    return show_usage();
}
