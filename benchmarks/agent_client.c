/* Copyright (c) 2026 webcallserver.balancer contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Polls an agent as HAProxy does: connect, read one line, close.
 * usage: agent_client PORT CONNECTIONS SECONDS RATE IDLE
 *   CONNECTIONS at once; RATE polls a second, 0 for as many as there can be; IDLE connections are opened first and left alone.
 * Prints: polls errors seconds p50 p99 (the latter two in microseconds).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LATENCIES 4000000
#define TIMEOUT 10.0

struct poll { int fd; double since; int got; char line[256]; };

static double latencies[LATENCIES];
static long polls, errors;
static int port, epoll;
static unsigned source;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

/* Many source addresses, or the ports of one would run out. */
static int dial(int flags)
{
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | flags, 0), on = 1;
    from.sin_addr.s_addr = htonl(0x7f000002 + source++ % 200);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) || (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static void begin(struct poll *poll)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = poll};
    poll->since = now();
    poll->got = 0;
    poll->fd = dial(SOCK_NONBLOCK);
    if (poll->fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, poll->fd, &event))
        errors++;
}

static void end(struct poll *poll, int good)
{
    if (good && polls < LATENCIES)
        latencies[polls] = now() - poll->since;
    polls += good;
    errors += !good;
    close(poll->fd);
    poll->fd = -1;
}

static int ascending(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    int connections = atoi(argv[2]), idle = atoi(argv[5]);
    double seconds = atof(argv[3]), rate = atof(argv[4]), started, stop, next;
    struct poll *all = calloc(connections, sizeof *all);
    port = atoi(argv[1]);
    epoll = epoll_create1(0);
    for (int i = 0; i < idle; i++)
        if (dial(0) < 0)
            errors++;
    if (idle)
        usleep(500000); /* until the server has seen them all */
    started = next = now();
    stop = started + seconds;
    for (int i = 0; i < connections; i++) {
        all[i].fd = -1;
        if (!rate)
            begin(&all[i]);
    }
    for (;;) {
        struct epoll_event events[64];
        double time = now();
        int open = 0, count;
        for (int i = 0; i < connections; i++) {
            if (all[i].fd < 0 && time < stop && (!rate || time >= next)) {
                begin(&all[i]);
                next += rate ? 1 / rate : 0;
            }
            if (all[i].fd >= 0 && time - all[i].since > TIMEOUT)
                end(&all[i], 0);
            open += all[i].fd >= 0;
        }
        if (!open && time >= stop)
            break;
        count = epoll_wait(epoll, events, 64, rate ? 0 : 20);
        if (rate && !count)
            usleep(100);
        for (int i = 0; i < count; i++) {
            struct poll *poll = events[i].data.ptr;
            ssize_t got = read(poll->fd, poll->line + poll->got, sizeof poll->line - poll->got);
            if (got < 0 && errno == EAGAIN)
                continue;
            poll->got += got > 0 ? got : 0;
            if (poll->got && memchr(poll->line, '\n', poll->got))
                end(poll, !memcmp(poll->line, "up", 2) || !memcmp(poll->line, "down", 4) || strchr(poll->line, '%'));
            else if (got <= 0)
                end(poll, 0);
        }
    }
    seconds = now() - started;
    long kept = polls < LATENCIES ? polls : LATENCIES;
    qsort(latencies, kept, sizeof *latencies, ascending);
    printf("%ld %ld %.3f %.1f %.1f\n", polls, errors, seconds, kept ? latencies[kept / 2] * 1e6 : 0, kept ? latencies[kept * 99 / 100] * 1e6 : 0);
    return 0;
}
