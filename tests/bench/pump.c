/*
 * The limit that a byte path is measured against: nothing but bytes moved
 * between the terminal equipment and a TCP connection, in C, with epoll.
 *
 *   pump pty LINK PORT    makes a pseudo-terminal, links its slave as LINK
 *   pump tcp LISTEN PORT  waits on 127.0.0.1:LISTEN for one connection
 *
 * Both connect to 127.0.0.1:PORT, and end when either side does.  What can be
 * written is written at once; what the kernel refuses is kept, and its source
 * not read until it is gone.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <termios.h>
#include <unistd.h>

#define SIZE 65536

struct way {                    /* one direction */
    int from, to;               /* indices into fd[] */
    size_t start, end;          /* what is kept of data[] */
    char data[SIZE];
};

static int fd[2], watch;
static uint32_t asked[2];       /* what epoll watches for now */
static struct way ways[2] = { { .from = 0, .to = 1 }, { .from = 1, .to = 0 } };

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in loopback(const char *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int make_pty(const char *link)
{
    struct termios raw;
    char name[64];
    int master, slave;
    /* The slave stays open here: without anybody on it reading the master fails. */
    if (openpty(&master, &slave, name, NULL, NULL))
        fail("openpty");
    tcgetattr(slave, &raw);
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    if (symlink(name, link))
        fail("symlink");
    return master;
}

static int await(const char *port)
{
    struct sockaddr_in address = loopback(port);
    int one = 1, sock = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(sock, (struct sockaddr *)&address, sizeof address) || listen(sock, 1))
        fail("listen");
    int found = accept(sock, NULL, NULL);
    if (found < 0)
        fail("accept");
    setsockopt(found, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return found;
}

static int call(const char *port)
{
    struct sockaddr_in address = loopback(port);
    int one = 1, sock = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(sock, (struct sockaddr *)&address, sizeof address))
        fail("connect");
    setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return sock;
}

static void push(struct way *way)
{
    ssize_t sent = write(fd[way->to], way->data + way->start, way->end - way->start);
    if (sent < 0 && errno != EAGAIN)
        exit(0);
    if (sent > 0)
        way->start += sent;
}

static void ask(int i)
{
    uint32_t wanted = (ways[i].start == ways[i].end ? EPOLLIN : 0)
                    | (ways[!i].start != ways[!i].end ? EPOLLOUT : 0);
    struct epoll_event event = { .events = wanted, .data.u32 = i };
    if (wanted != asked[i] && epoll_ctl(watch, EPOLL_CTL_MOD, fd[i], &event))
        fail("epoll_ctl");
    asked[i] = wanted;
}

int main(int argc, char **argv)
{
    struct epoll_event events[2];
    if (argc != 4)
        return 2;
    fd[0] = strcmp(argv[1], "pty") ? await(argv[2]) : make_pty(argv[2]);
    fd[1] = call(argv[3]);
    watch = epoll_create1(0);
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = { .events = 0, .data.u32 = i };
        fcntl(fd[i], F_SETFL, O_NONBLOCK);
        epoll_ctl(watch, EPOLL_CTL_ADD, fd[i], &event);
        ask(i);
    }
    for (;;) {
        int count = epoll_wait(watch, events, 2, -1);
        for (int n = 0; n < count; n++) {
            int i = events[n].data.u32;
            struct way *in = &ways[i], *out = &ways[!i];
            if (out->start != out->end && events[n].events & (EPOLLOUT | EPOLLERR))
                push(out);
            if (in->start == in->end && events[n].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                ssize_t got = read(fd[i], in->data, SIZE);
                if (got <= 0 && !(got < 0 && errno == EAGAIN))
                    return 0;
                in->start = 0;
                in->end = got > 0 ? got : 0;
                if (got > 0)
                    push(in);
            }
            ask(0);
            ask(1);
        }
    }
}
