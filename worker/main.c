/* mediarun-worker: receives Pub/Sub pushes, converts, stores and commits. It reads its configuration from the
 * environment (shared/base/config.h). The zygote is forked before anything else happens: worker/sandbox.h. */
#include "shared/base/process.h"
#include "shared/base/version.h"
#include "shared/data/pool_metrics.h"
#include "shared/data/readiness.h"
#include "worker/dispatcher.h"
#include "worker/media/convert.h"
#include "worker/metrics.h"
#include "worker/push.h"
#include "worker/reuse.h"

/* Request threads only look pushes up and hand them to the dispatcher, and answer pings. Liveness has its own. */
enum {
    THREADS = 32,
    SLOW_THREADS = 2,
    VITAL_THREADS = 2,
    BODY_MAX = 1 << 20,
    DRAIN_MS = 8000,
    WATCH_MS = 500,
    WEBHOOK_WAIT_MS = 1000
};

static enum mr_status alive(void *app, struct mr_request *req, struct mr_err *err)
{
    const struct mr_worker *worker = app;
    if (!mr_sandbox_alive(worker->sandbox))
        return mr_fail(err, MR_UNAVAILABLE, "sandbox has died");
    return mr_respond_json(req, 200, json_pack("{s:s,s:s}", "status", "alive", "version", mr_version), err);
}

static const struct mr_route routes[] = {
    {"POST", "/", mr_push_handle, BODY_MAX, MR_ROUTE_NORMAL},
    {"GET", "/alive", alive, 0, MR_ROUTE_VITAL},
    {"GET", "/metrics", mr_worker_metrics_handle, 0, MR_ROUTE_VITAL},
};

static void count_slots(const struct mr_config *config, int ret_counts[MR_LANES])
{
    const int64_t normal = config->slots ? config->slots : mr_process_cores();
    ret_counts[MR_LANE_NORMAL] = (int)normal;
    ret_counts[MR_LANE_HIGH] = (int)config->high_slots;
    ret_counts[MR_LANE_DELIVERIES] = (int)config->delivery_slots;
}

/* From here on messages that have a trace continue it. */
static enum mr_status start_tracer(struct mr_worker *worker, struct mr_err *err)
{
    const struct mr_config *config = worker->config;
    const struct mr_tracer_options options = {.endpoint = config->otlp_endpoint,
                                              .headers = config->otlp_headers,
                                              .service = "mediarun-worker",
                                              .samples_all = strcmp(config->traces_sampler, "always_on") == 0,
                                              .http = worker->cloud.http,
                                              .metrics = mr_worker_metrics_http(worker->metrics),
                                              .log = worker->log};
    MR_TRY(mr_tracer_start(&options, &worker->tracer, err));
    worker->publisher.tracer = worker->tracer;
    return MR_OK;
}

static enum mr_status open_app(struct mr_worker *worker, struct mr_log *log, struct mr_err *err)
{
    const struct mr_config *config = worker->config;
    MR_TRY(mr_cloud_open(config, "mediarun-worker", log, &worker->cloud, err));
    log->project = worker->cloud.project;
    worker->publisher = mr_publisher_of(config, worker->cloud.pubsub);
    MR_TRY(mr_worker_metrics_new(routes, sizeof routes / sizeof *routes, &worker->metrics, err));
    MR_TRY(start_tracer(worker, err));
    MR_TRY(mr_db_open(config->database_url, (int)config->database_pool, &worker->db, err));
    mr_pool_metrics_watch(worker->db, mr_worker_metrics_http(worker->metrics));
    MR_TRY(mr_guard_new(config->fetch_allow_hosts, &worker->guard, err));
    MR_TRY(mr_logo_load(config->logo_file, &worker->logo, err));
    mr_engine_name(&worker->logo, worker->engine);
    mr_costs_init(&worker->costs);
    MR_TRY(mr_bulkhead_new((int)config->delivery_slots, WEBHOOK_WAIT_MS, &worker->bulkhead, err));
    MR_TRY(mr_ready_database(worker->db, err));
    /* The worker publishes deliveries only. */
    return mr_ready_cloud(worker->cloud.storage, &worker->publisher, 1u << MR_LANE_DELIVERIES, log, err);
}

/* Also after a failed open_app. */
static void close_app(struct mr_worker *worker)
{
    mr_tracer_stop(worker->tracer);
    mr_bulkhead_free(worker->bulkhead);
    mr_logo_free(&worker->logo);
    mr_costs_destroy(&worker->costs);
    mr_guard_free(worker->guard);
    mr_db_close(worker->db);
    mr_cloud_close(&worker->cloud);
    mr_dispatcher_free(worker->dispatcher);
    mr_slots_destroy(&worker->slots);
    mr_worker_metrics_free(worker->metrics);
}
MR_DEFINE_VALUE_CLEANUP(mr_worker, close_app)

static enum mr_status start_server(struct mr_worker *worker, struct mr_server **ret, struct mr_err *err)
{
    const struct mr_config *config = worker->config;
    const struct mr_server_options options = {.port = (int)config->port,
                                              .threads = THREADS,
                                              .slow_threads = SLOW_THREADS,
                                              .vital_threads = VITAL_THREADS,
                                              .max_connections = (int)config->max_connections,
                                              .max_body = BODY_MAX,
                                              .max_head = (int)config->max_header_bytes,
                                              .client_timeout_ms = (int)config->client_timeout_ms,
                                              .routes = routes,
                                              .route_count = sizeof routes / sizeof *routes,
                                              .app = worker,
                                              .log = worker->log,
                                              .metrics = mr_worker_metrics_http(worker->metrics),
                                              .log_requests = false};
    return mr_server_start(&options, ret, err);
}

/* Waits for a signal. MR_UNAVAILABLE when the zygote dies: nothing can be converted without it, so the
 * program ends and the platform starts it again. */
static enum mr_status wait_for_signal(const struct mr_worker *worker, const sigset_t *signals,
                                      struct mr_err *err)
{
    const struct timespec tick = {.tv_nsec = WATCH_MS * 1000000L};
    while (mr_sandbox_alive(worker->sandbox))
        if (sigtimedwait(signals, NULL, &tick) > 0)
            return MR_OK;
    return mr_fail(err, MR_UNAVAILABLE, "sandbox has died");
}

static enum mr_status serve(struct mr_worker *worker, const int slots[MR_LANES], const sigset_t *signals,
                            struct mr_err *err)
{
    struct mr_server *server = NULL;
    MR_TRY(mr_dispatcher_start(worker, slots, &worker->dispatcher, err));
    enum mr_status status = start_server(worker, &server, err);
    if (status != MR_OK) {
        mr_dispatcher_stop(worker->dispatcher);
        return status;
    }
    mr_log_write(worker->log, MR_LOG_NOTICE, "listening", "{s:i,s:s,s:i,s:i,s:i}", "port",
                 mr_server_port(server), "version", mr_version, "slots", slots[MR_LANE_NORMAL], "high_slots",
                 slots[MR_LANE_HIGH], "delivery_slots", slots[MR_LANE_DELIVERIES]);
    status = wait_for_signal(worker, signals, err);
    mr_log_write(worker->log, MR_LOG_NOTICE, "stopping: releasing leases", NULL);
    mr_db_hurry(worker->db);
    mr_dispatcher_stop(worker->dispatcher);
    mr_server_drain(server, DRAIN_MS);
    mr_server_stop(server);
    return status;
}

/* The log is a copy: its project belongs to the worker and ends with it. */
static enum mr_status run(const struct mr_config *config, struct mr_log log, struct mr_sandbox *sandbox,
                          const sigset_t *signals, struct mr_err *err)
{
    int slots[MR_LANES];
    MR_AUTO(mr_worker) struct mr_worker worker = {.config = config, .log = &log, .sandbox = sandbox};
    count_slots(config, slots);
    mr_slots_init(&worker.slots, slots, (int)config->parked_pushes, (int)config->user_share,
                  (int)config->unit_share);
    MR_TRY(open_app(&worker, &log, err));
    return serve(&worker, slots, signals, err);
}

static enum mr_status configure_and_run(struct mr_log *log, struct mr_err *err)
{
    MR_AUTO(mr_sandbox) struct mr_sandbox *sandbox = NULL;
    MR_TRY(mr_sandbox_start(mr_media_run, &sandbox, err));
    sigset_t signals;
    mr_process_prepare(&signals);
    mr_process_raise_descriptors();
    MR_AUTO(mr_config) struct mr_config config = {0};
    MR_TRY(mr_config_load(MR_PROGRAM_WORKER, &config, err));
    mr_log_parse_severity(config.log_level, &log->min);
    mr_log_set_format(log, config.log_format);
    return run(&config, *log, sandbox, &signals, err);
}

int main(void)
{
    struct mr_err err = {0};
    struct mr_log log = mr_log_init("mediarun-worker", MR_LOG_INFO);
    if (configure_and_run(&log, &err) == MR_OK)
        return 0;
    mr_log_err(&log, MR_LOG_CRITICAL, "worker failed", &err, NULL);
    return 1;
}
