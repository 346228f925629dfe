/* Every address of a name listens on one port; what is taken or unknown is said so. */
#include "net/listener.h"

#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int connect_v4(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void a_free_port_is_found_and_told(void)
{
    mg_listener listener;
    CHECK(mg_listener_open(&listener, "127.0.0.1", 0, 65536, NULL) == MG_OK);
    CHECK(listener.count == 1);
    CHECK(listener.port != 0);
    int client = connect_v4(listener.port);
    int accepted = accept(listener.fds[0], NULL, NULL);
    CHECK(accepted >= 0);
    close(accepted);
    close(client);
    CHECK(accept(listener.fds[0], NULL, NULL) < 0 && errno == EAGAIN); /* it does not block */
    mg_listener_close(&listener);
    CHECK(listener.count == 0);
}

static void a_name_listens_on_each_of_its_addresses_with_one_port(void)
{
    mg_listener listener;
    CHECK(mg_listener_open(&listener, "localhost", 0, 0, NULL) == MG_OK);
    CHECK(listener.count >= 1);
    close(connect_v4(listener.port));
    mg_listener_close(&listener);
}

static void a_port_in_use_is_busy(void)
{
    mg_listener first;
    mg_listener second;
    mg_error error = {0};
    CHECK(mg_listener_open(&first, "127.0.0.1", 0, 0, NULL) == MG_OK);
    CHECK(mg_listener_open(&second, "127.0.0.1", first.port, 0, &error) == MG_BUSY);
    CHECK(error.status == MG_BUSY && error.os_error == EADDRINUSE);
    mg_listener_close(&first);
}

static void an_address_of_others_cannot_be_bound(void)
{
    mg_listener listener;
    mg_error error = {0};
    CHECK(mg_listener_open(&listener, "192.0.2.1", 0, 0, &error) == MG_IO); /* RFC 5737 */
    CHECK(error.os_error == EADDRNOTAVAIL);
}

static void a_name_that_means_nothing_is_not_found(void)
{
    mg_listener listener;
    mg_error error = {0};
    CHECK(mg_listener_open(&listener, "no such name", 0, 0, &error) == MG_NOT_FOUND);
    CHECK(strstr(error.detail, "no such name") != NULL);
}

int main(void)
{
    a_free_port_is_found_and_told();
    a_name_listens_on_each_of_its_addresses_with_one_port();
    a_port_in_use_is_busy();
    an_address_of_others_cannot_be_bound();
    a_name_that_means_nothing_is_not_found();
    puts("listener_test: ok");
}
