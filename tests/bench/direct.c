/*
 * The reference of `make bench`: libav's own work on one file, without service, sandbox or storage. Runs the
 * same conversion in this process, its input and output in memory, and prints the median of the rounds in
 * milliseconds.
 *
 *   direct FORMAT ROUNDS FILE
 */
#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "worker/media/convert.h"
#include "worker/protocol.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct file {
    char *data;
    int64_t size;
};

static bool read_whole(const char *path, struct file *file)
{
    MR_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) != 0 || !(file->data = malloc((size_t)about.st_size + 1)))
        return false;
    while (file->size < about.st_size) {
        ssize_t n = read(fd, file->data + file->size, (size_t)(about.st_size - file->size));
        if (n <= 0)
            return false;
        file->size += n;
    }
    return true;
}

static bool send_all(int fd, const void *data, size_t len)
{
    for (const char *p = data; len;) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

struct server {
    int fd;
    const struct file *file;
};

static void *serve_ranges(void *arg)
{
    const struct server *server = arg;
    struct mr_range_request request;
    while (recv(server->fd, &request, sizeof request, MSG_WAITALL) == sizeof request) {
        int64_t left = server->file->size - request.offset;
        struct mr_range_reply reply = {.len = left <= 0            ? 0
                                              : left < request.len ? (uint32_t)left
                                                                   : request.len};
        if (!send_all(server->fd, &reply, sizeof reply) ||
            !send_all(server->fd, server->file->data + request.offset, reply.len))
            break;
    }
    return NULL;
}

static void *swallow(void *arg)
{
    MR_AUTO_STR char *bytes = malloc(MR_FRAME_MAX);
    while (bytes && read(*(const int *)arg, bytes, MR_FRAME_MAX) > 0)
        ;
    return NULL;
}

/* One conversion; milliseconds, or -1. */
static double run_once(const char *spec, const struct file *file)
{
    int input[2], output[2], status[2];
    pthread_t threads[3];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, input) || pipe(output) || pipe(status))
        return -1;
    struct server server = {input[0], file};
    pthread_create(&threads[0], NULL, serve_ranges, &server);
    pthread_create(&threads[1], NULL, swallow, &output[0]);
    pthread_create(&threads[2], NULL, swallow, &status[0]);
    const struct mr_sandbox_fds fds = {input[1], output[1], status[1]};
    int64_t started = mr_time_monotonic_us();
    int failed = mr_media_run(spec, strlen(spec), &fds);
    double ms = (double)(mr_time_monotonic_us() - started) / 1000;
    close(input[1]);
    close(output[1]);
    close(status[1]);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    close(input[0]);
    close(output[0]);
    close(status[0]);
    return failed ? -1 : ms;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    enum { ROUNDS_MAX = 1000 };
    int64_t rounds = 0;
    struct file file = {0};
    if (argc != 4 || !mr_parse_int64(argv[2], 1, ROUNDS_MAX, &rounds) || !read_whole(argv[3], &file)) {
        fprintf(stderr, "usage: direct FORMAT ROUNDS FILE\n");
        return 2;
    }
    char spec[512];
    double ms[ROUNDS_MAX];
    const char *name = strrchr(argv[3], '/');
    snprintf(spec, sizeof spec, "{\"format\":\"%s\",\"input_size\":%lld,\"input_name\":\"%s\"}", argv[1],
             (long long)file.size, name ? name + 1 : argv[3]);
    for (int64_t i = 0; i < rounds; i++)
        if ((ms[i] = run_once(spec, &file)) < 0) {
            fprintf(stderr, "the conversion failed\n");
            return 1;
        }
    qsort(ms, (size_t)rounds, sizeof *ms, by_value);
    printf("%.3f\n", ms[rounds / 2]);
    free(file.data);
    return 0;
}
