/*
 * mediarun-worker: receives Pub/Sub pushes, converts, stores, commits. Configured by the environment
 * (shared/base/config.c) alone. The zygote is forked before anything else happens: worker/sandbox.h.
 */
#include "shared/base/process.h"
#include "shared/data/readiness.h"
#include "worker/media/convert.h"
#include "worker/push.h"

#include <unistd.h>

/* Threads beyond those that hold a slot or wait for one answer pings and health checks, refuse pushes, and
 * settle stale ones. */
enum { SPARE_THREADS = 30, BODY_MAX = 1 << 20, DRAIN_MS = 8000, WATCH_MS = 500 };

static enum mr_status alive(void *app, struct mr_request *req, struct mr_err *err)
{
    const struct mr_worker *worker = app;
    if (!mr_sandbox_alive(worker->sandbox))
        return mr_fail(err, MR_UNAVAILABLE, "the sandbox is gone");
    return mr_respond_json(req, 200, json_pack("{s:s}", "status", "alive"), err);
}

static const struct mr_route routes[] = {
    {"POST", "/", mr_push_handle, BODY_MAX, 0},
    {"GET", "/alive", alive, 0, 0},
};

static enum mr_status start_server(struct mr_worker *worker, int threads, struct mr_server **ret,
                                   struct mr_err *err)
{
    const struct mr_config *config = worker->config;
    struct mr_server_options options = {.port = (int)config->port,
                                        .threads = threads,
                                        .max_body = BODY_MAX,
                                        .max_head = (int)config->max_header_bytes,
                                        .client_timeout_ms = (int)config->client_timeout_ms,
                                        .routes = routes,
                                        .route_count = sizeof routes / sizeof *routes,
                                        .app = worker,
                                        .log = worker->log,
                                        .log_requests = false};
    return mr_server_start(&options, ret, err);
}

/* Waits for a signal (true) or the zygote's death (false): without it nothing can be converted, so the
 * platform restarts. */
static bool wait_for_end(const struct mr_worker *worker, const sigset_t *signals)
{
    const struct timespec tick = {.tv_nsec = WATCH_MS * 1000000L};
    while (mr_sandbox_alive(worker->sandbox))
        if (sigtimedwait(signals, NULL, &tick) > 0)
            return true;
    mr_log_write(worker->log, MR_LOG_CRITICAL, "the sandbox has died", NULL);
    return false;
}

static bool serve(struct mr_worker *worker, const sigset_t *signals)
{
    const struct mr_config *config = worker->config;
    struct mr_err err = {0};
    struct mr_server *server = NULL;
    const int64_t normal = config->slots ? config->slots : sysconf(_SC_NPROCESSORS_ONLN);
    const int counts[MR_LANES] = {[MR_LANE_NORMAL] = (int)normal,
                                  [MR_LANE_HIGH] = (int)config->high_slots,
                                  [MR_LANE_DELIVERIES] = (int)config->delivery_slots};
    int threads = SPARE_THREADS;
    for (int lane = 0; lane < MR_LANES; lane++)
        threads += 2 * counts[lane] + 1;
    mr_slots_init(&worker->slots, counts);
    if (start_server(worker, threads, &server, &err) != MR_OK) {
        mr_log_err(worker->log, MR_LOG_CRITICAL, "cannot listen", &err, NULL);
        mr_slots_destroy(&worker->slots);
        return false;
    }
    mr_log_write(worker->log, MR_LOG_NOTICE, "listening", "{s:i,s:i,s:i,s:i}", "port", mr_server_port(server),
                 "slots", counts[MR_LANE_NORMAL], "high_slots", counts[MR_LANE_HIGH], "delivery_slots",
                 counts[MR_LANE_DELIVERIES]);
    bool good = wait_for_end(worker, signals);
    mr_log_write(worker->log, MR_LOG_NOTICE, "stopping: leases are given back", NULL);
    mr_slots_stop(&worker->slots);
    mr_server_drain(server, DRAIN_MS);
    mr_server_stop(server);
    mr_slots_destroy(&worker->slots);
    return good;
}

/* Messages to others are all that the worker publishes. */
static enum mr_status check_surroundings(const struct mr_worker *worker, struct mr_err *err)
{
    enum mr_status status = mr_ready_database(worker->db, err);
    return status == MR_OK ? mr_ready_cloud(worker->cloud.storage, &worker->publisher,
                                            1u << MR_LANE_DELIVERIES, worker->log, err)
                           : status;
}

static bool run(const struct mr_config *config, struct mr_log *log, struct mr_sandbox *sandbox,
                const sigset_t *signals)
{
    struct mr_err err = {0};
    struct mr_worker worker = {.config = config, .log = log, .sandbox = sandbox};
    bool good = mr_cloud_open(config, "mediarun-worker/1.0", &worker.cloud, &err) == MR_OK &&
                mr_db_open(config->database_url, (int)config->database_pool, &worker.db, &err) == MR_OK &&
                mr_guard_new(config->fetch_allow_hosts, &worker.guard, &err) == MR_OK &&
                mr_logo_load(config->logo_file, &worker.logo, &err) == MR_OK &&
                mr_bulkhead_new((int)config->delivery_slots, &worker.bulkhead, &err) == MR_OK;
    worker.publisher = mr_publisher_of(config, worker.cloud.pubsub);
    log->project = worker.cloud.project;
    good = good && check_surroundings(&worker, &err) == MR_OK;
    if (!good)
        mr_log_err(log, MR_LOG_CRITICAL, "cannot start", &err, NULL);
    good = good && serve(&worker, signals);
    mr_bulkhead_free(worker.bulkhead);
    mr_logo_free(&worker.logo);
    mr_guard_free(worker.guard);
    mr_db_close(worker.db);
    mr_cloud_close(&worker.cloud);
    return good;
}

int main(void)
{
    struct mr_err err = {0};
    struct mr_sandbox *sandbox = NULL;
    struct mr_log log = mr_log_init("mediarun-worker", MR_LOG_INFO);
    if (mr_sandbox_start(mr_media_run, &sandbox, &err) != MR_OK) {
        mr_log_err(&log, MR_LOG_CRITICAL, "cannot start the sandbox", &err, NULL);
        return 1;
    }
    sigset_t signals;
    mr_process_prepare(&signals);
    struct mr_config config;
    bool good = mr_config_load(MR_PROGRAM_WORKER, &config, &err) == MR_OK;
    if (good) {
        mr_log_parse_severity(config.log_level, &log.min);
        good = run(&config, &log, sandbox, &signals);
    } else {
        mr_log_err(&log, MR_LOG_CRITICAL, "configuration", &err, NULL);
    }
    mr_config_free(&config);
    mr_sandbox_stop(sandbox);
    return good ? 0 : 1;
}
