/* Keeps a program at the beginning of its main(), all its libraries loaded and relocated, and forks for each call.
 * ffmpeg loads 250 libraries: 0.15 s of CPU, more than the tests' conversions take.
 *
 *     WARM_SOCKET=PATH LD_PRELOAD=build/warm/server.so ffmpeg
 *
 * A call ends with its client: whoever kills that kills the call. */
#include "tests/warm/warm.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int main_function(int, char **, char **);
typedef int start_function(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void),
                           void *);

enum { CALLS_MAX = 64, FIRST_CALL = 2 };

struct call {
    int client;
    pid_t pid;
};

struct server {
    struct call calls[CALLS_MAX];
    size_t count;
};

static main_function *real_main;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "warm: %s: %s\n", what, strerror(errno));
    _exit(1);
}

static bool read_all(int fd, void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = read(fd, (char *)data + at, len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

static bool receive_head(int client, struct warm_request *request, int fds[WARM_DESCRIPTORS])
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int) * WARM_DESCRIPTORS)];
    } control;
    struct iovec part = {request, sizeof *request};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (recvmsg(client, &message, MSG_WAITALL) != sizeof *request)
        return false;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (!head || head->cmsg_len != CMSG_LEN(sizeof(int) * WARM_DESCRIPTORS))
        return false;
    memcpy(fds, CMSG_DATA(head), sizeof(int) * WARM_DESCRIPTORS);
    return true;
}

/* The strings of a vector, in `text`, which moves behind them. */
static char **read_vector(char **text, uint32_t count)
{
    char **vector = calloc(count + 1, sizeof *vector);
    if (!vector)
        die("memory");
    for (uint32_t i = 0; i < count; i++) {
        vector[i] = *text;
        *text += strlen(*text) + 1;
    }
    return vector;
}

/* In the child: becomes the program as the client would have started it. */
static _Noreturn void run_call(int client)
{
    struct warm_request request;
    int fds[WARM_DESCRIPTORS];
    char *text;
    if (!receive_head(client, &request, fds) || !(text = malloc(request.bytes + 1)) ||
        !read_all(client, text, request.bytes))
        _exit(126);
    text[request.bytes] = '\0';
    char **arguments = read_vector(&text, request.arguments);
    char **variables = read_vector(&text, request.variables);
    for (int fd = 0; fd < 3; fd++)
        if (dup2(fds[fd], fd) < 0)
            _exit(126);
    if (fchdir(fds[3]) < 0)
        _exit(126);
    for (int i = 0; i < WARM_DESCRIPTORS; i++)
        close(fds[i]);
    close(client);
    umask(request.umask);
    environ = variables;
    exit(real_main((int)request.arguments, arguments, variables));
}

/* Without the destructors of the libraries. */
_Noreturn void exit(int status)
{
    fflush(NULL);
    _exit(status);
}

static void begin_call(struct server *server, int listener, int signals)
{
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        close(listener);
        close(signals);
        for (size_t i = 0; i < server->count; i++)
            close(server->calls[i].client);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_call(client);
    }
    if (pid < 0)
        close(client);
    else
        server->calls[server->count++] = (struct call){client, pid};
}

static void end_calls(struct server *server)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (size_t i = 0; i < server->count; i++)
            if (server->calls[i].pid == pid) {
                (void)!send(server->calls[i].client, &status, sizeof status, MSG_NOSIGNAL);
                close(server->calls[i].client);
                server->calls[i] = server->calls[--server->count];
                break;
            }
}

static int open_signals(void)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        die("signalfd");
    return signals;
}

static int open_listener(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len = snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || len >= (int)sizeof address.sun_path ||
        bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, CALLS_MAX) < 0)
        die(path);
    return listener;
}

static int serve(int argc, char **argv, char **envp)
{
    (void)argc, (void)argv, (void)envp;
    struct server server = {.count = 0};
    int signals = open_signals(), listener = open_listener(getenv("WARM_SOCKET"));
    for (;;) {
        struct pollfd polls[FIRST_CALL + CALLS_MAX] = {{signals, POLLIN, 0},
                                                       {server.count < CALLS_MAX ? listener : -1, POLLIN, 0}};
        size_t count = server.count;
        for (size_t i = 0; i < count; i++)
            polls[FIRST_CALL + i] = (struct pollfd){server.calls[i].client, POLLRDHUP, 0};
        if (poll(polls, FIRST_CALL + count, -1) < 0 && errno != EINTR)
            die("poll");
        for (size_t i = 0; i < count; i++)
            if (polls[FIRST_CALL + i].revents & (POLLHUP | POLLERR | POLLRDHUP))
                kill(server.calls[i].pid, SIGKILL);
        struct signalfd_siginfo info;
        while (read(signals, &info, sizeof info) > 0)
            continue;
        end_calls(&server);
        if (polls[1].revents)
            begin_call(&server, listener, signals);
    }
}

/* The C library's start of a program: all libraries are ready, main() comes next. */
int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end);
int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end)
{
    start_function *start = (start_function *)dlsym(RTLD_NEXT, "__libc_start_main");
    real_main = main;
    return start(serve, argc, argv, init, fini, rtld_fini, stack_end);
}
