/*
 * Answers HTTP requests from memory: one thread, one request at a time on each connection.
 *
 *     server LATENCY_IN_MILLISECONDS (ROUTE FILE)...
 *
 * Prints its port, and ends when its standard input does. A request whose first line holds ROUTE is answered with
 * the bytes of FILE, that much later; any number of answers may be under way at once.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SOCKETS = 65536, MOST_ROUTES = 16, EVENTS = 256, LATE = 1 << 17 };

struct answer { const char *route; char *bytes; size_t size; };
struct socket { char *in; size_t filled, room; unsigned generation; };
struct pending { int fd; unsigned generation; const struct answer *answer; int64_t due; };

static struct answer answers[MOST_ROUTES];
static int routes;
static struct socket sockets[MOST_SOCKETS];
static struct pending late[LATE]; /* all wait equally long: first in, first out */
static unsigned late_in, late_out;
static int64_t latency;
static int epoll, timer;

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void hang_up(int fd)
{
    sockets[fd].generation++;
    sockets[fd].filled = 0;
    close(fd);
}

static void send_now(int fd, const struct answer *answer)
{
    for (size_t done = 0; done < answer->size;) {
        ssize_t n = send(fd, answer->bytes + done, answer->size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            done += n;
        } else {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            if (poll(&wait, 1, 5000) <= 0 || wait.revents & (POLLERR | POLLHUP))
                return;
        }
    }
}

static void set_timer(void)
{
    struct itimerspec at = {0};
    if (late_out != late_in) {
        int64_t due = late[late_out % LATE].due;
        at.it_value.tv_sec = due / 1000000000;
        at.it_value.tv_nsec = due % 1000000000;
    }
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
}

static void send_due(void)
{
    int64_t time = now();
    for (; late_out != late_in && late[late_out % LATE].due <= time; late_out++) {
        struct pending *p = &late[late_out % LATE];
        if (sockets[p->fd].generation == p->generation)
            send_now(p->fd, p->answer);
    }
    set_timer();
}

static void answer_request(int fd, const char *line, size_t length)
{
    for (int i = 0; i < routes; i++) {
        if (!memmem(line, length, answers[i].route, strlen(answers[i].route)))
            continue;
        if (latency == 0) {
            send_now(fd, &answers[i]);
        } else {
            late[late_in++ % LATE] = (struct pending){fd, sockets[fd].generation, &answers[i], now() + latency};
            if (late_in - late_out == 1)
                set_timer();
        }
        return;
    }
}

/* The size of the first request in the buffer, or 0 while it is not all there. */
static size_t whole_request(struct socket *s)
{
    char *end = memmem(s->in, s->filled, "\r\n\r\n", 4);
    if (!end)
        return 0;
    *end = 0; /* strcasestr below must not run into the body */
    char *length = strcasestr(s->in, "\r\ncontent-length:");
    *end = '\r';
    size_t size = end + 4 - s->in + (length ? strtoul(length + 17, NULL, 10) : 0);
    return size <= s->filled ? size : 0;
}

static void read_requests(int fd)
{
    struct socket *s = &sockets[fd];
    if (s->room - s->filled < 65536)
        s->in = realloc(s->in, s->room += 262144);
    ssize_t n = recv(fd, s->in + s->filled, s->room - s->filled, 0);
    if (n <= 0) {
        hang_up(fd);
        return;
    }
    s->filled += n;
    for (size_t size; (size = whole_request(s)) > 0;) {
        answer_request(fd, s->in, strcspn(s->in, "\r"));
        memmove(s->in, s->in + size, s->filled -= size);
    }
}

static void load(const char *route, const char *path)
{
    FILE *file = fopen(path, "rb");
    fseek(file, 0, SEEK_END);
    size_t size = ftell(file);
    rewind(file);
    char *bytes = malloc(size);
    if (fread(bytes, 1, size, file) != size)
        exit(1);
    fclose(file);
    answers[routes++] = (struct answer){route, bytes, size};
}

int main(int count, char **arguments)
{
    latency = strtod(arguments[1], NULL) * 1e6;
    for (int i = 2; i + 1 < count; i += 2)
        load(arguments[i], arguments[i + 1]);

    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 4096))
        return 1;
    getsockname(listener, (struct sockaddr *)&here, &size);
    epoll = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, 0);
    watch(listener);
    watch(timer);
    watch(STDIN_FILENO);
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);

    struct epoll_event events[EVENTS];
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == STDIN_FILENO)
                return 0;
            if (fd == timer) {
                uint64_t ticks;
                if (read(timer, &ticks, sizeof ticks) > 0)
                    send_due();
            } else if (fd == listener) {
                int client = accept(listener, NULL, NULL);
                if (client >= MOST_SOCKETS)
                    close(client);
                else if (client >= 0) {
                    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                    watch(client);
                }
            } else {
                read_requests(fd);
            }
        }
    }
}
