/* Copyright (c) 2026 webcallserver.balancer contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The least an agent can be: accept, send a constant line, close. usage: agent_server PORT
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static const char line[] = "up 100%\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (argc != 2)
        return 2;
    address.sin_port = htons(atoi(argv[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024))
        return 1;
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        char rest[256];
        if (connection < 0)
            continue;
        if (send(connection, line, sizeof line - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
            shutdown(connection, SHUT_WR);
            if (recv(connection, rest, sizeof rest, MSG_DONTWAIT) < 0) {
                /* the client has sent nothing */
            }
        }
        close(connection);
    }
}
