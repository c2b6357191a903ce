/* Copyright (c) 2026 webcallserver.balancer contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * WebSockets over TLS, each with a whole handshake: nothing is resumed.
 * usage: balancer_client ADDRESS PORT CONCURRENCY hold COUNT
 *        balancer_client ADDRESS PORT CONCURRENCY open SECONDS RATE
 *
 * hold: opens COUNT sessions, CONCURRENCY of them at a time, prints how many there are, and keeps them until its input ends. For each
 *       line of input it sends a message through every one, and prints how many came back.
 * open: opens sessions and closes them at once, RATE a second, 0 for as many as there can be, for so long or until a line of input.
 *       Prints: sessions failures seconds, and the monotonic time of the last failure, 0 if there is none.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Longer than the five seconds a balancer may wait for a node that hangs before it tries the next */
#define PATIENCE 7.0
#define ECHO_PATIENCE 10.0
#define MESSAGE 64

static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: wcs.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

enum state { FREE, TLS, ANSWER, OPEN };
struct session { int fd, got; enum state state; SSL *ssl; double since; char answer[1024]; };

static struct sockaddr_in balancer = {.sin_family = AF_INET};
static SSL_CTX *context;
static int epoll;
static long good, bad;
static double last_failure;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void end(struct session *session)
{
    if (session->ssl) {
        SSL_shutdown(session->ssl);
        SSL_free(session->ssl);
    }
    if (session->fd >= 0)
        close(session->fd);
    session->ssl = NULL;
    session->fd = -1;
    session->state = FREE;
}

static void fail(struct session *session)
{
    bad++;
    last_failure = now();
    end(session);
}

static void begin(struct session *session)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = session};
    int on = 1;
    *session = (struct session){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), .state = TLS, .since = now()};
    if (session->fd < 0 || (connect(session->fd, (struct sockaddr *)&balancer, sizeof balancer) && errno != EINPROGRESS)) {
        fail(session);
        return;
    }
    setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    session->ssl = SSL_new(context);
    SSL_set_fd(session->ssl, session->fd);
    SSL_set_tlsext_host_name(session->ssl, "wcs.example.com");
    SSL_set_connect_state(session->ssl);
    epoll_ctl(epoll, EPOLL_CTL_ADD, session->fd, &event);
}

/* Returns -1 for an error, 0 for "not yet". */
static int outcome(struct session *session, int result)
{
    if (result > 0)
        return result;
    int error = SSL_get_error(session->ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* Goes on as far as it can: from the handshake to the 101. */
static void step(struct session *session)
{
    if (session->state == TLS) {
        int done = outcome(session, SSL_do_handshake(session->ssl));
        if (!done)
            return;
        if (done < 0 || SSL_write(session->ssl, REQUEST, sizeof REQUEST - 1) <= 0) {
            fail(session);
            return;
        }
        session->state = ANSWER;
    }
    while (session->state == ANSWER) {
        int got = outcome(session, SSL_read(session->ssl, session->answer + session->got, sizeof session->answer - session->got - 1));
        if (!got)
            return;
        session->got += got > 0 ? got : 0;
        if (got < 0 || session->got == sizeof session->answer - 1) {
            fail(session);
            return;
        }
        session->answer[session->got] = 0;
        if (!strstr(session->answer, "\r\n\r\n"))
            continue;
        if (strncmp(session->answer, "HTTP/1.1 101", 12)) {
            fail(session);
            return;
        }
        session->state = OPEN;
        good++;
    }
}

static void expire(struct session *sessions, int count)
{
    double time = now();
    for (int i = 0; i < count; i++)
        if ((sessions[i].state == TLS || sessions[i].state == ANSWER) && time - sessions[i].since > PATIENCE)
            fail(&sessions[i]);
}

static void steps(int milliseconds)
{
    struct epoll_event events[256];
    int count = epoll_wait(epoll, events, 256, milliseconds);
    for (int i = 0; i < count; i++)
        step(events[i].data.ptr);
}

static int told(int milliseconds)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    return poll(&input, 1, milliseconds) > 0;
}

/* How many of the open sessions bring back what was sent through them. */
static long echo(struct session *sessions, int count)
{
    static char message[MESSAGE] = "a message of sixty-four bytes";
    long sent = 0, back = 0;
    for (int i = 0; i < count; i++) {
        sessions[i].got = 0;
        if (sessions[i].state == OPEN && SSL_write(sessions[i].ssl, message, MESSAGE) == MESSAGE)
            sent++;
        else
            sessions[i].got = MESSAGE;
    }
    for (double stop = now() + ECHO_PATIENCE; back < sent && now() < stop;) {
        struct epoll_event events[256];
        int ready = epoll_wait(epoll, events, 256, 100);
        for (int i = 0; i < ready; i++) {
            struct session *session = events[i].data.ptr;
            while (session->got < MESSAGE) {
                int got = SSL_read(session->ssl, session->answer + session->got, MESSAGE - session->got);
                if (got <= 0)
                    break;
                session->got += got;
                back += session->got == MESSAGE && !memcmp(session->answer, message, MESSAGE);
            }
        }
    }
    return back;
}

static void hold(int count, int concurrency)
{
    struct session *sessions = calloc(count, sizeof *sessions);
    char line[16];
    for (long begun = 0; good + bad < count;) {
        while (begun < count && begun - good - bad < concurrency)
            begin(&sessions[begun++]);
        steps(20);
        expire(sessions, begun);
    }
    printf("%ld\n", good);
    while (fgets(line, sizeof line, stdin))
        printf("%ld\n", echo(sessions, count));
}

static void open_and_close(int concurrency, double seconds, double rate)
{
    struct session *sessions = calloc(concurrency, sizeof *sessions);
    double started = now(), next = started, stop = started + seconds;
    for (;;) {
        double time = now();
        int open = 0;
        if (time < stop && told(0))
            stop = time;
        for (int i = 0; i < concurrency; i++) {
            if (sessions[i].state == OPEN)
                end(&sessions[i]);
            if (sessions[i].state == FREE && time < stop && (!rate || time >= next)) {
                begin(&sessions[i]);
                next += rate ? 1 / rate : 0;
            }
            open += sessions[i].state != FREE;
        }
        if (!open && time >= stop)
            break;
        expire(sessions, concurrency);
        steps(rate ? 1 : 20);
    }
    printf("%ld %ld %.3f %.6f\n", good, bad, now() - started, last_failure);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    int concurrency = atoi(argv[3]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    inet_pton(AF_INET, argv[1], &balancer.sin_addr);
    balancer.sin_port = htons(atoi(argv[2]));
    epoll = epoll_create1(0);
    context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    if (!strcmp(argv[4], "hold"))
        hold(atoi(argv[5]), concurrency);
    else if (argc == 7)
        open_and_close(concurrency, atof(argv[5]), atof(argv[6]));
    else
        return 2;
    return 0;
}
