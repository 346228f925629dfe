/* connection.h -- TCP to the broker, and one request after another where speed does not matter. */
#ifndef LOAD_CONNECTION_H
#define LOAD_CONNECTION_H

#include "base/cursor.h"
#include "base/writer.h"
#include "load/options.h"

/* Connected, without delay of small frames. -1: refused. Any other failure ends the program. */
int connection_try(const load_options *options);
int connection_open(const load_options *options);
void connection_set_nonblocking(int fd);

/* Sends a whole frame (size first) and reads the whole answer into `room`. A cursor over what
 * follows the answer's correlation id. Bad if the broker hung up; anything else ends the program.
 */
mg_cursor connection_exchange(int fd, const mg_writer *request, uint8_t *room, size_t room_size);

#endif
