/* Copyright (c) 2026 webcallserver.balancer contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A node as the balancer sees it: WebSockets that echo (8080), a statistics page (8081), an agent (9707).
 * usage: balancer_node
 * The agent says up until SIGUSR1, then down, and up again from SIGUSR2 on.
 * Prints the monotonic time of every new WebSocket.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS 3

/* The accept belongs to the one key that the client sends. */
static const char SWITCHING[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char PAGE[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
static const char *UP = "up 100%\n", *DOWN = "down #overloaded\n";
static const int numbers[PORTS] = {8080, 8081, 9707};

struct end { int fd, port, listens, open, got; char request[1024]; };

static volatile sig_atomic_t down;

static void be_down(int number)
{
    down = number == SIGUSR1;
}

static void watch(int epoll, int fd, int port, int listens)
{
    struct end *end = calloc(1, sizeof *end);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = end};
    *end = (struct end){.fd = fd, .port = port, .listens = listens};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
        exit(1);
}

static int listener(int port)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&here, sizeof here) || listen(fd, 4096))
        exit(1);
    return fd;
}

/* Returns 0 when the connection has come to its end. */
static int serve(struct end *end)
{
    char data[4096];
    if (end->open) {
        ssize_t got = read(end->fd, data, sizeof data);
        return got > 0 && write(end->fd, data, got) == got;
    }
    ssize_t got = read(end->fd, end->request + end->got, sizeof end->request - end->got - 1);
    if (got <= 0)
        return 0;
    end->got += got;
    end->request[end->got] = 0;
    if (!strstr(end->request, "\r\n\r\n"))
        return end->got < (int)sizeof end->request - 1;
    if (end->port == 8081) {
        send(end->fd, PAGE, sizeof PAGE - 1, 0);
        return 0;
    }
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    dprintf(1, "%ld.%06ld\n", (long)time.tv_sec, time.tv_nsec / 1000);
    end->open = 1;
    return write(end->fd, SWITCHING, sizeof SWITCHING - 1) > 0;
}

int main(void)
{
    struct epoll_event events[64];
    int epoll = epoll_create1(0), on = 1;
    signal(SIGUSR1, be_down);
    signal(SIGUSR2, be_down);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < PORTS; i++)
        watch(epoll, listener(numbers[i]), numbers[i], 1);
    for (;;) {
        int count = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < count; i++) {
            struct end *end = events[i].data.ptr;
            if (!end->listens) {
                if (!serve(end)) {
                    close(end->fd);
                    free(end);
                }
                continue;
            }
            int fd = accept4(end->fd, NULL, NULL, SOCK_NONBLOCK);
            if (fd < 0)
                continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            if (end->port != 9707) {
                watch(epoll, fd, end->port, 0);
                continue;
            }
            const char *word = down ? DOWN : UP;
            send(fd, word, strlen(word), 0);
            close(fd);
        }
    }
}
