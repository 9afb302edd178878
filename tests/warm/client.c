/* Stands in the PATH under the name of a program (ffmpeg) and lets the server on the socket beside it (ffmpeg.socket) run
 * it; without a server it becomes the program of that name further behind in the PATH. */
#include "tests/warm/warm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The directory of this program, without a slash at its end. */
static void find_own_directory(char *path, size_t size)
{
    ssize_t len = readlink("/proc/self/exe", path, size - 1);
    path[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
}

static _Noreturn void become_program(const char *own, char **argv)
{
    char *path = strdup(getenv("PATH") ? getenv("PATH") : "/usr/bin"), file[4096], *save = NULL;
    for (char *directory = strtok_r(path, ":", &save); directory; directory = strtok_r(NULL, ":", &save)) {
        if (strcmp(directory, own) == 0)
            continue;
        snprintf(file, sizeof file, "%s/%s", directory, name_of(argv[0]));
        execv(file, argv);
    }
    fprintf(stderr, "%s: not found\n", argv[0]);
    exit(127);
}

static int connect_to(const char *own, const char *program)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len = snprintf(address.sun_path, sizeof address.sun_path, "%s/%s.socket", own, program);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || len >= (int)sizeof address.sun_path ||
        connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    return fd;
}

static size_t bytes_of(char **vector, uint32_t *ret_count)
{
    size_t bytes = 0;
    for (*ret_count = 0; vector[*ret_count]; ++*ret_count)
        bytes += strlen(vector[*ret_count]) + 1;
    return bytes;
}

static char *append(char *at, char **vector)
{
    for (; *vector; vector++)
        at = stpcpy(at, *vector) + 1;
    return at;
}

static bool send_request(int server, const struct warm_request *request, const char *text)
{
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), fds[WARM_DESCRIPTORS] = {0, 1, 2, here};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof fds)];
    } control = {
        .head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fds)}};
    memcpy(CMSG_DATA(&control.head), fds, sizeof fds);
    struct iovec part = {(void *)(uintptr_t)request, sizeof *request};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.space};
    if (here < 0 || sendmsg(server, &message, MSG_NOSIGNAL) != sizeof *request)
        return false;
    for (size_t at = 0; at < request->bytes;) {
        ssize_t n = send(server, text + at, request->bytes - at, MSG_NOSIGNAL);
        if (n < 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* Ends as the program did. */
static _Noreturn void end_like(int status)
{
    if (WIFSIGNALED(status)) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 126);
}

int main(int argc, char **argv)
{
    (void)argc;
    char own[4096];
    find_own_directory(own, sizeof own);
    int server = connect_to(own, name_of(argv[0]));
    if (server < 0)
        become_program(own, argv);
    struct warm_request request = {0};
    mode_t mask = umask(0);
    umask(mask);
    request.umask = mask;
    request.bytes = (uint32_t)(bytes_of(argv, &request.arguments) + bytes_of(environ, &request.variables));
    char *text = malloc(request.bytes + 1);
    if (!text)
        return 126;
    append(append(text, argv), environ);
    if (!send_request(server, &request, text))
        become_program(own, argv);
    for (int fd = 0; fd < 3; fd++)
        close(fd); /* the program's alone, so that who reads from it sees its end */
    int status;
    ssize_t n;
    while ((n = recv(server, &status, sizeof status, MSG_WAITALL)) < 0 && errno == EINTR)
        continue;
    if (n != sizeof status)
        return 126;
    end_like(status);
}
