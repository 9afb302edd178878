/*
 * mediarun-web: takes uploads and answers the API. Configured by the environment (shared/base/config.c)
 * alone.
 */
#include "shared/base/process.h"
#include "shared/data/db_migrate.h"
#include "shared/data/readiness.h"
#include "web/app.h"
#include "web/routes.h"

enum { UPLOAD_OVERHEAD = 64 << 10, DRAIN_MS = 8000 };
enum { STREAMS_PER_USER = 100, STREAM_QUEUE = 256 << 10, HEARTBEAT_MS = 15000 };
enum { ALL_LANES = (1 << MR_LANES) - 1 };

static enum mr_status open_database(struct mr_web *web, struct mr_err *err)
{
    const struct mr_config *config = web->config;
    int applied = 0;
    enum mr_status status = mr_db_open(config->database_url, (int)config->database_pool, &web->db, err);
    if (status == MR_OK)
        status = mr_ready_database(web->db, err);
    if (status == MR_OK)
        status = mr_db_migrate(web->db, mr_migrations, &applied, err);
    if (status == MR_OK && applied)
        mr_log_write(web->log, MR_LOG_NOTICE, "migrations applied", "{s:i}", "count", applied);
    return status;
}

static enum mr_status start_events(struct mr_web *web, struct mr_err *err)
{
    struct mr_event_hub_options options = {.db = web->db,
                                           .conninfo = web->config->database_url,
                                           .log = web->log,
                                           .max_streams = (size_t)web->config->max_event_streams,
                                           .max_per_user = STREAMS_PER_USER,
                                           .max_queued = STREAM_QUEUE,
                                           .heartbeat_ms = HEARTBEAT_MS};
    return mr_event_hub_start(&options, &web->events, err);
}

static enum mr_status open_app(struct mr_web *web, struct mr_err *err)
{
    const struct mr_config *config = web->config;
    enum mr_status status = mr_cloud_open(config, "mediarun-web/1.0", &web->cloud, err);
    web->publisher = mr_publisher_of(config, web->cloud.pubsub);
    if (status == MR_OK)
        status = mr_ready_cloud(web->cloud.storage, &web->publisher, ALL_LANES, web->log, err);
    if (status == MR_OK)
        status = open_database(web, err);
    if (status == MR_OK)
        status = mr_session_new(config->jwt_secret, (int)config->login_slots, &web->session, err);
    if (status == MR_OK)
        status = mr_guard_new(config->fetch_allow_hosts, &web->guard, err);
    if (status == MR_OK)
        status = mr_admission_start(web->db, &web->publisher, web->log, &web->admission, err);
    if (status == MR_OK)
        status = start_events(web, err);
    return status;
}

static void close_app(struct mr_web *web)
{
    mr_event_hub_free(web->events);
    mr_admission_stop(web->admission);
    mr_session_free(web->session);
    mr_guard_free(web->guard);
    mr_db_close(web->db);
    mr_cloud_close(&web->cloud);
}

static enum mr_status start_server(struct mr_web *web, struct mr_server **ret, struct mr_err *err)
{
    const struct mr_config *config = web->config;
    struct mr_server_options options = {.port = (int)config->port,
                                        .threads = (int)config->web_threads,
                                        .max_body = config->max_upload_bytes + UPLOAD_OVERHEAD,
                                        .max_head = (int)config->max_header_bytes,
                                        .client_timeout_ms = (int)config->client_timeout_ms,
                                        .routes = mr_web_routes,
                                        .route_count = mr_web_route_count,
                                        .app = web,
                                        .log = web->log,
                                        .log_requests = true};
    return mr_server_start(&options, ret, err);
}

/* Serves until a signal comes; false if it could not start. */
static bool serve(struct mr_web *web, const sigset_t *signals)
{
    struct mr_err err = {0};
    struct mr_server *server = NULL;
    if (start_server(web, &server, &err) != MR_OK) {
        mr_log_err(web->log, MR_LOG_CRITICAL, "cannot listen", &err, NULL);
        return false;
    }
    mr_log_write(web->log, MR_LOG_NOTICE, "listening", "{s:i}", "port", mr_server_port(server));
    int signal_number = 0;
    sigwait(signals, &signal_number);
    mr_log_write(web->log, MR_LOG_NOTICE, "stopping: requests under way are finished", "{s:i}", "signal",
                 signal_number);
    mr_event_hub_stop(web->events);
    if (!mr_server_drain(server, DRAIN_MS))
        mr_log_write(web->log, MR_LOG_WARNING, "some requests were cut off", NULL);
    mr_server_stop(server);
    return true;
}

static bool run(const struct mr_config *config, struct mr_log *log, const sigset_t *signals)
{
    struct mr_err err = {0};
    struct mr_web web = {.config = config, .log = log};
    bool good = open_app(&web, &err) == MR_OK;
    if (!good)
        mr_log_err(log, MR_LOG_CRITICAL, "cannot start", &err, NULL);
    log->project = web.cloud.project;
    good = good && serve(&web, signals);
    close_app(&web);
    return good;
}

int main(void)
{
    struct mr_err err = {0};
    struct mr_config config;
    sigset_t signals;
    struct mr_log log = mr_log_init("mediarun-web", MR_LOG_INFO);
    mr_process_prepare(&signals);
    mr_process_raise_descriptors();
    bool good = mr_config_load(MR_PROGRAM_WEB, &config, &err) == MR_OK;
    if (good) {
        mr_log_parse_severity(config.log_level, &log.min);
        good = run(&config, &log, &signals);
    } else {
        mr_log_err(&log, MR_LOG_CRITICAL, "configuration", &err, NULL);
    }
    mr_config_free(&config);
    return good ? 0 : 1;
}
