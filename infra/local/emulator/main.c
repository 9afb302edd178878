/*
 * mediarun-emulator: the services of Google Cloud that mediarun uses, on one machine. For development only, never
 * for production: it requires no credentials and signs for every account. It listens on 127.0.0.1 only.
 */
#include "infra/local/emulator/api/google_error.h"
#include "infra/local/emulator/api/router.h"
#include "infra/local/emulator/api/unspoken.h"
#include "infra/local/emulator/app.h"
#include "infra/local/emulator/front/front.h"
#include "infra/local/emulator/iam.h"
#include "infra/local/emulator/identity.h"
#include "infra/local/emulator/metadata.h"
#include "infra/local/emulator/pubsub/pubsub.h"
#include "infra/local/emulator/scheduler/scheduler.h"
#include "infra/local/emulator/storage/file.h"
#include "infra/local/emulator/storage/storage.h"
#include "shared/base/encoding.h"
#include "shared/base/process.h"
#include "shared/http/client.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/file.h>

enum {
    THREADS = 64,
    BODY_BYTES_MAX = 16 * 1024 * 1024, /* above Pub/Sub's limit of 10 MB; uploads have their own limit */
    HEAD_BYTES_MAX = 64 * 1024,
    CLIENT_TIMEOUT_MS = 60 * 1000,
    DRAIN_MS = 5 * 1000,
};

struct options {
    int64_t port;
    int64_t connections; /* open at once, each with a thread */
    const char *data_dir;
    const char *project;
    enum mr_severity log_level;
    const char *front; /* run as the front end of a service instead (front/front.h); NULL: run the emulator */
};

static const char *environment(const char *name, const char *fallback)
{
    const char *value = getenv(name);
    return value && *value ? value : fallback;
}

static enum mr_status read_port(const char *text, int64_t *ret, struct mr_err *err)
{
    return mr_parse_int64(text, 1, 65535, ret)
               ? MR_OK
               : mr_fail(err, MR_INVALID, "invalid port '%s': must be 1 to 65535", text);
}

static enum mr_status read_connections(const char *text, int64_t *ret, struct mr_err *err)
{
    return mr_parse_int64(text, 16, 20000, ret)
               ? MR_OK
               : mr_fail(err, MR_INVALID, "invalid EMULATOR_CONNECTIONS '%s': must be 16 to 20000", text);
}

static enum mr_status read_level(const char *text, enum mr_severity *ret, struct mr_err *err)
{
    return mr_log_parse_severity(text, ret) ? MR_OK
                                            : mr_fail(err, MR_INVALID, "invalid log level '%s'", text);
}

static enum mr_status read_option(int option, struct options *options, struct mr_err *err)
{
    switch (option) {
    case 'p':
        return read_port(optarg, &options->port, err);
    case 'd':
        options->data_dir = optarg;
        return MR_OK;
    case 'l':
        return read_level(optarg, &options->log_level, err);
    case 'f':
        options->front = optarg;
        return MR_OK;
    default:
        return mr_fail(
            err, MR_INVALID,
            "usage: mediarun-emulator [--port N] [--data-dir DIR] [--log-level LEVEL] | --front SPEC");
    }
}

static enum mr_status read_options(int argc, char **argv, struct options *ret, struct mr_err *err)
{
    static const struct option names[] = {{"port", required_argument, NULL, 'p'},
                                          {"data-dir", required_argument, NULL, 'd'},
                                          {"log-level", required_argument, NULL, 'l'},
                                          {"front", required_argument, NULL, 'f'},
                                          {0}};
    struct options options = {.data_dir = environment("DATA_DIR", ".local"),
                              .project = environment("GOOGLE_CLOUD_PROJECT", "mediarun-local"),
                              .log_level = MR_LOG_NOTICE};
    MR_TRY(read_port(environment("EMULATOR_PORT", "8085"), &options.port, err));
    MR_TRY(read_connections(environment("EMULATOR_CONNECTIONS", "256"), &options.connections, err));
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;)
        MR_TRY(read_option(option, &options, err));
    if (optind < argc)
        return mr_fail(err, MR_INVALID, "unknown argument '%s'", argv[optind]);
    *ret = options;
    return MR_OK;
}

/* Creates the directory and locks it: two emulators in one directory would each see only their own objects. */
static enum mr_status lock_data_dir(const char *data_dir, int *ret_fd, struct mr_err *err)
{
    MR_AUTO_STR char *path = NULL;
    MR_TRY(em_dir_make(data_dir, err));
    MR_TRY(em_path_format(&path, err, "%s/emulator.lock", data_dir));
    MR_AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return mr_fail_errno(err, MR_UNAVAILABLE, errno, "open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return mr_fail_errno(err, MR_CONFLICT, errno, "another emulator is using %s", data_dir);
    *ret_fd = fd;
    fd = -1;
    return MR_OK;
}

/* The first match counts: the XML API of Cloud Storage matches almost any path. */
static em_rows *const parts[] = {em_metadata_rows,    em_iam_rows,         em_pubsub_rows,
                                 em_scheduler_rows,   em_storage_rows,     em_unspoken_rows,
                                 em_storage_xml_rows, em_unspoken_xml_rows};

static enum mr_status serve(struct em_app *emulator, const struct options *options, const sigset_t *signals,
                            struct mr_err *err)
{
    struct mr_server_options server_options = {
        .port = (int)options->port,
        .loopback_only = true,
        .threads = THREADS,
        .max_connections = (int)options->connections,
        .max_body = BODY_BYTES_MAX,
        .max_head = HEAD_BYTES_MAX,
        .client_timeout_ms = CLIENT_TIMEOUT_MS,
        .routes = emulator->router->routes,
        .route_count = emulator->router->count,
        .app = emulator,
        .log = emulator->log,
        .log_requests = options->log_level <= MR_LOG_INFO,
        .answer_error = em_google_answer_error,
    };
    struct mr_server *server = NULL;
    MR_TRY(mr_server_start(&server_options, &server, err));
    mr_log_write(emulator->log, MR_LOG_NOTICE, "emulator started, for development only", "{s:s, s:s}", "url",
                 emulator->base_url, "data_dir", options->data_dir);
    printf("emulator listening on 127.0.0.1:%d\n", mr_server_port(server));
    fflush(stdout);
    int received;
    sigwait(signals, &received);
    mr_server_drain(server, DRAIN_MS);
    mr_server_stop(server);
    return MR_OK;
}

static enum mr_status run(const struct options *options, const struct mr_log *log, struct mr_err *err)
{
    sigset_t signals;
    mr_process_prepare(&signals);
    char base_url[64];
    snprintf(base_url, sizeof base_url, "http://127.0.0.1:%d", (int)options->port);
    MR_AUTO_FD int lock = -1;
    MR_AUTO(mr_http_client) struct mr_http_client *http = NULL;
    MR_AUTO(em_identity) struct em_identity *identity = NULL;
    MR_AUTO(em_storage) struct em_storage *storage = NULL;
    MR_AUTO(em_pubsub) struct em_pubsub *pubsub = NULL;
    MR_AUTO(em_scheduler) struct em_scheduler *scheduler = NULL;
    MR_AUTO(em_router) struct em_router *router = NULL;
    MR_TRY(lock_data_dir(options->data_dir, &lock, err));
    MR_TRY(mr_http_client_new("mediarun-emulator/1.0", &http, err));
    MR_TRY(em_identity_new(options->data_dir, &identity, err));
    MR_TRY(em_storage_new(options->data_dir, &storage, err));
    MR_TRY(em_pubsub_new(options->data_dir, http, identity, log, &pubsub, err));
    MR_TRY(em_scheduler_new(http, identity, log, &scheduler, err));
    MR_TRY(em_router_new(parts, sizeof parts / sizeof *parts, &router, err));
    struct em_app emulator = {.router = router,
                              .identity = identity,
                              .storage = storage,
                              .pubsub = pubsub,
                              .scheduler = scheduler,
                              .log = log,
                              .base_url = base_url,
                              .project = options->project};
    return serve(&emulator, options, &signals, err);
}

static int give_up(const struct mr_log *log, const struct mr_err *err)
{
    mr_log_err(log, MR_LOG_CRITICAL, "the emulator cannot run", err, NULL);
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct mr_err err = {0};
    struct mr_log log = mr_log_init("mediarun-emulator", MR_LOG_NOTICE);
    if (read_options(argc, argv, &options, &err) != MR_OK)
        return give_up(&log, &err);
    log = mr_log_init("mediarun-emulator", options.log_level);
    log.project = options.project;
    mr_log_set_format(&log, environment("LOG_FORMAT", "json"));
    enum mr_status status = options.front ? em_front_run(options.front, &err) : run(&options, &log, &err);
    return status == MR_OK ? EXIT_SUCCESS : give_up(&log, &err);
}
