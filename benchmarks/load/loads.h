/* loads.h -- the subcommands. Each prints its line and returns the exit status. */
#ifndef LOAD_LOADS_H
#define LOAD_LOADS_H

#include "load/options.h"

int run_produce(const load_options *options);
int run_fetch(const load_options *options);
int run_verify(const load_options *options);
int run_first_ack(const load_options *options);
int run_create(const load_options *options);
int run_delete(const load_options *options);

#endif
