/* The reference of uploads: a bare server of civetweb's that writes each body into a file of its own, syncs it, and
 * answers 201. sink DIRECTORY THREADS; prints its port, and ends with its standard input. */
#include <civetweb.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE_BYTES = 64 * 1024, PATH_BYTES = 4096 };

struct sink {
    const char *directory;
    atomic_int files;
};

/* False if the body was cut or could not be written. */
static int store(struct mg_connection *conn, int fd)
{
    char piece[PIECE_BYTES];
    int got = 0;
    while ((got = mg_read(conn, piece, sizeof piece)) > 0)
        if (write(fd, piece, (size_t)got) != got)
            return 0;
    return got == 0 && fdatasync(fd) == 0;
}

static int on_upload(struct mg_connection *conn, void *ctx)
{
    struct sink *sink = ctx;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%d", sink->directory, atomic_fetch_add(&sink->files, 1));
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int status = fd >= 0 && store(conn, fd) ? 201 : 500;
    close(fd);
    unlink(path);
    mg_printf(conn, "HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n", status);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    struct sink sink = {.directory = argv[1]};
    const char *settings[] = {
        "listening_ports", "127.0.0.1:0", "num_threads", argv[2], "enable_keep_alive", "yes",
        "tcp_nodelay",     "1",           NULL};
    struct mg_server_port port;
    struct mg_context *server = mg_start(NULL, NULL, settings);
    if (!server || mg_get_server_ports(server, 1, &port) != 1)
        return 1;
    mg_set_request_handler(server, "/", on_upload, &sink);
    printf("%d\n", port.port);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    mg_stop(server);
    return 0;
}
