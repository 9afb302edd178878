/* mediarun-web: takes uploads and serves the API. It reads its configuration from the environment
 * (shared/base/config.h). */
#include "shared/base/process.h"
#include "shared/base/version.h"
#include "shared/data/db_migrate.h"
#include "shared/data/pool_metrics.h"
#include "shared/data/readiness.h"
#include "web/app.h"
#include "web/passwords.h"
#include "web/routes.h"

enum { UPLOAD_OVERHEAD = 64 << 10, DRAIN_MS = 8000, VITAL_THREADS = 4, ADDRESS_SHARE = 50 };
enum { STREAM_QUEUE = 256 << 10, HEARTBEAT_MS = 15000 };
/* Of those that answers have, besides those that any page may read. */
static const char exposed_headers[] =
    "Location, Link, Retry-After, Content-Disposition, Content-Range, Accept-Ranges, "
    "ETag, Allow, Idempotency-Replayed, Total-Count";
enum { ALL_LANES = (1 << MR_LANES) - 1 };

/* As the owner of the tables, on a connection of its own, which is closed before the first request. */
static enum mr_status migrate(const struct mr_web *web, struct mr_err *err)
{
    const char *owner = web->config->migration_database_url;
    MR_AUTO(mr_db) struct mr_db *db = NULL;
    int applied = 0;
    MR_TRY(mr_db_open(owner[0] ? owner : web->config->database_url, 1, &db, err));
    enum mr_status status = mr_ready_database(db, err);
    if (status != MR_OK)
        return owner[0] ? mr_wrap(err, status, "MIGRATION_DATABASE_URL") : status;
    MR_TRY(mr_db_migrate(db, mr_migrations, &applied, err));
    MR_TRY(mr_db_grant(db, mr_grants_sql, err));
    if (applied)
        mr_log_write(web->log, MR_LOG_NOTICE, "migrations applied", "{s:i}", "count", applied);
    return MR_OK;
}

static enum mr_status open_database(struct mr_web *web, struct mr_err *err)
{
    const struct mr_config *config = web->config;
    MR_TRY(migrate(web, err));
    MR_TRY(mr_db_open(config->database_url, (int)config->database_pool, &web->db, err));
    mr_pool_metrics_watch(web->db, web->metrics);
    return mr_ready_database(web->db, err);
}

static enum mr_status start_events(struct mr_web *web, struct mr_err *err)
{
    const struct mr_event_hub_options options = {.db = web->db,
                                                 .conninfo = web->config->database_url,
                                                 .log = web->log,
                                                 .max_streams = (size_t)web->config->max_event_streams,
                                                 .quotas = &web->config->quotas,
                                                 .max_queued = STREAM_QUEUE,
                                                 .heartbeat_ms = HEARTBEAT_MS};
    return mr_event_hub_start(&options, &web->events, err);
}

static enum mr_status start_waits(struct mr_web *web, struct mr_err *err)
{
    const struct mr_quotas *quotas = &web->config->quotas;
    const struct mr_task_waits_options options = {.db = web->db,
                                                  .log = web->log,
                                                  .max = (size_t)web->config->max_event_streams,
                                                  .max_of_user =
                                                      (size_t)quotas->limits[MR_QUOTA_EVENT_STREAMS]};
    return mr_task_waits_start(&options, &web->waits, err);
}

static enum mr_status open_passwords(struct mr_web *web, struct mr_err *err)
{
    const struct mr_config *config = web->config;
    const int slots = config->login_slots ? (int)config->login_slots
                                          : mr_passwords_slots(mr_process_cores(), mr_process_memory());
    return mr_passwords_new(slots, (int)config->login_waiters, &web->passwords, err);
}

/* From here on messages that have a trace continue it. */
static enum mr_status start_tracer(struct mr_web *web, struct mr_err *err)
{
    const struct mr_config *config = web->config;
    const struct mr_tracer_options options = {.endpoint = config->otlp_endpoint,
                                              .headers = config->otlp_headers,
                                              .service = "mediarun-web",
                                              .samples_all = strcmp(config->traces_sampler, "always_on") == 0,
                                              .http = web->cloud.http,
                                              .metrics = web->metrics,
                                              .log = web->log};
    MR_TRY(mr_tracer_start(&options, &web->tracer, err));
    web->publisher.tracer = web->tracer;
    return MR_OK;
}

static enum mr_status open_app(struct mr_web *web, struct mr_log *log, struct mr_err *err)
{
    const struct mr_config *config = web->config;
    const struct mr_login_limits limits = {.failures_address = config->login_failures_address,
                                           .failures_account = config->login_failures_account,
                                           .signups_address = config->signups_address,
                                           .guests_address = config->guests_address};
    MR_TRY(mr_cloud_open(config, "mediarun-web", log, &web->cloud, err));
    log->project = web->cloud.project;
    web->publisher = mr_publisher_of(config, web->cloud.pubsub);
    MR_TRY(mr_ready_cloud(web->cloud.storage, &web->publisher, ALL_LANES, web->log, err));
    MR_TRY(mr_http_metrics_new(mr_web_routes, mr_web_route_count, NULL, 0, &web->metrics, err));
    MR_TRY(start_tracer(web, err));
    MR_TRY(open_database(web, err));
    MR_TRY(open_passwords(web, err));
    MR_TRY(mr_login_guard_new(&limits, &web->logins, err));
    MR_TRY(mr_verified_logins_new(&web->verified_logins, err));
    MR_TRY(mr_token_versions_new(web->db, &web->token_versions, err));
    MR_TRY(mr_guard_new(config->fetch_allow_hosts, &web->guard, err));
    MR_TRY(mr_admission_start(web->db, &web->publisher, &config->quotas, web->log, &web->admission, err));
    MR_TRY(start_waits(web, err));
    return start_events(web, err);
}

/* Also after a failed open_app. */
static void close_app(struct mr_web *web)
{
    mr_event_hub_free(web->events);
    mr_task_waits_free(web->waits);
    mr_admission_stop(web->admission);
    mr_tracer_stop(web->tracer);
    mr_guard_free(web->guard);
    mr_token_versions_free(web->token_versions);
    mr_verified_logins_free(web->verified_logins);
    mr_login_guard_free(web->logins);
    mr_passwords_free(web->passwords);
    mr_db_close(web->db);
    mr_cloud_close(&web->cloud);
    mr_http_metrics_free(web->metrics);
}
MR_DEFINE_VALUE_CLEANUP(mr_web, close_app)

static enum mr_status start_server(struct mr_web *web, struct mr_server **ret, struct mr_err *err)
{
    const struct mr_config *config = web->config;
    const struct mr_server_options options = {.port = (int)config->port,
                                              .threads = (int)config->web_threads,
                                              .slow_threads = (int)config->slow_threads,
                                              .address_share = ADDRESS_SHARE,
                                              .vital_threads = VITAL_THREADS,
                                              .max_connections = (int)config->max_connections,
                                              .proxies = (int)config->trusted_proxies,
                                              .max_body = config->max_upload_bytes + UPLOAD_OVERHEAD,
                                              .max_head = (int)config->max_header_bytes,
                                              .client_timeout_ms = (int)config->client_timeout_ms,
                                              .routes = mr_web_routes,
                                              .route_count = mr_web_route_count,
                                              .queries = mr_web_queries,
                                              .query_count = mr_web_query_count,
                                              .app = web,
                                              .log = web->log,
                                              .metrics = web->metrics,
                                              .log_requests = true,
                                              .cors = {config->cors_origins, exposed_headers}};
    return mr_server_start(&options, ret, err);
}

/* Serves until a signal arrives. */
static enum mr_status serve(struct mr_web *web, const sigset_t *signals, struct mr_err *err)
{
    struct mr_server *server = NULL;
    MR_TRY(start_server(web, &server, err));
    mr_log_write(web->log, MR_LOG_NOTICE, "listening", "{s:i,s:s}", "port", mr_server_port(server), "version",
                 mr_version);
    int signal_number = 0;
    sigwait(signals, &signal_number);
    mr_log_write(web->log, MR_LOG_NOTICE, "stopping: finishing open requests", "{s:i}", "signal",
                 signal_number);
    mr_db_hurry(web->db);
    mr_event_hub_stop(web->events);
    mr_task_waits_stop(web->waits);
    if (!mr_server_drain(server, DRAIN_MS))
        mr_log_write(web->log, MR_LOG_WARNING, "some requests were cut off", NULL);
    mr_server_stop(server);
    return MR_OK;
}

/* The log is a copy: its project belongs to web and ends with it. */
static enum mr_status run(const struct mr_config *config, struct mr_log log, const sigset_t *signals,
                          struct mr_err *err)
{
    MR_AUTO(mr_web)
    struct mr_web web = {
        .config = config, .log = &log, .storage_health = {.lock = PTHREAD_MUTEX_INITIALIZER}};
    MR_TRY(open_app(&web, &log, err));
    return serve(&web, signals, err);
}

static enum mr_status configure_and_run(struct mr_log *log, struct mr_err *err)
{
    sigset_t signals;
    mr_process_prepare(&signals);
    mr_process_raise_descriptors();
    MR_AUTO(mr_config) struct mr_config config = {0};
    MR_TRY(mr_config_load(MR_PROGRAM_WEB, &config, err));
    mr_log_parse_severity(config.log_level, &log->min);
    mr_log_set_format(log, config.log_format);
    return run(&config, *log, &signals, err);
}

int main(void)
{
    struct mr_err err = {0};
    mr_passwords_use_huge_pages();
    struct mr_log log = mr_log_init("mediarun-web", MR_LOG_INFO);
    if (configure_and_run(&log, &err) == MR_OK)
        return 0;
    mr_log_err(&log, MR_LOG_CRITICAL, "cannot start", &err, NULL);
    return 1;
}
