/*
 * Configuration: one typed table of environment variables (config.c), read once at start.
 *
 * Every variable that web and worker read is a row of that table, with its bounds, default and meaning, and a
 * row of docs/configuration.md (tests/lint compares them). mr_config_load reports the first variable that is
 * missing or wrong, by name. The strings are owned by the struct; after loading it is read-only, so any
 * thread may read it.
 */
#ifndef MR_BASE_CONFIG_H
#define MR_BASE_CONFIG_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"
#include "shared/base/quotas.h"

#include <stdint.h>

enum mr_program { MR_PROGRAM_WEB = 1, MR_PROGRAM_WORKER = 2 };

struct mr_config {
    /* Both programs. */
    int64_t port;
    char *log_level;
    char *log_format;
    char *project;
    char *database_url;
    char *migration_database_url;
    int64_t database_pool;
    char *bucket;
    char *topic;
    char *topic_high;
    char *topic_deliveries;
    char *storage_host;
    char *pubsub_host;
    char *metadata_host;
    char *credentials_file;
    char *push_auth;
    char *push_audience;
    char *push_account;
    char *certs_url;
    int64_t client_timeout_ms;
    int64_t max_connections;
    int64_t max_header_bytes;
    int64_t give_up_s;
    char *fetch_allow_hosts;
    char *tls_ca_file;
    char *public_url;
    char *smtp_url;
    char *metrics_token;
    char *otlp_endpoint;
    char *otlp_headers;
    char *traces_sampler;
    char *enabled_email;
    char *stress_test;
    /* web */
    int64_t web_threads;
    int64_t slow_threads;
    int64_t trusted_proxies;
    char *jwt_secret;
    char *cors_origins;
    int64_t max_upload_bytes;
    int64_t republish_after_s;
    int64_t login_slots;
    int64_t login_waiters;
    int64_t login_failures_address;
    int64_t login_failures_account;
    int64_t signups_address;
    char *guests;
    int64_t guests_address;
    int64_t max_guests;
    int64_t guest_s;
    char *download_mode;
    char *iam_url;
    int64_t max_direct_upload_bytes;
    int64_t upload_expires_s;
    int64_t max_records;
    int64_t max_event_streams;
    int64_t probe_wait_s;
    char *enable_benchmark;
    struct mr_quotas quotas;
    /* worker */
    int64_t slots;
    int64_t high_slots;
    int64_t delivery_slots;
    int64_t user_share;
    int64_t unit_share;
    int64_t parked_pushes;
    int64_t ack_deadline_s;
    int64_t lease_seconds;
    int64_t max_attempts;
    int64_t unit_seconds;
    int64_t max_interruptions;
    int64_t max_stops;
    int64_t max_task_s;
    int64_t job_timeout_s;
    int64_t stall_timeout_s;
    int64_t sandbox_memory_mib;
    int64_t max_pixels;
    int64_t max_duration_s;
    int64_t max_work;
    int64_t max_output_bytes;
    char *logo_file;
    int64_t max_fetch_bytes;
    int64_t fetch_timeout_s;
    int64_t fetch_min_bytes_per_s;
    int64_t delivery_timeout_s;
    int64_t delivery_attempts;
    char *smtp_user;
    char *smtp_password;
    char *mail_from;
};

/* Reads the variables of `program` from the environment. MR_INVALID names the first bad one. Free in every
 * case. */
MR_MUST_CHECK enum mr_status mr_config_load(enum mr_program program, struct mr_config *ret,
                                            struct mr_err *err);
/* As mr_config_load, from any source of values (NULL: not set); for tests and tools. */
typedef const char *mr_config_getter(void *ctx, const char *name);
MR_MUST_CHECK enum mr_status mr_config_load_from(enum mr_program program, mr_config_getter *getter, void *ctx,
                                                 struct mr_config *ret, struct mr_err *err);
/* Overwrites secrets and frees. */
void mr_config_free(struct mr_config *config);
MR_DEFINE_VALUE_CLEANUP(mr_config, mr_config_free)

/* True when mails are configured (SMTP_URL, PUBLIC_URL) and not switched off (ENABLED_EMAIL, STRESS_TEST). */
bool mr_config_sends_mail(const struct mr_config *config);

/* Prints the table as docs/configuration.md holds it: | variable | program | default | meaning |, one line each. */
void mr_config_print(void);

#endif
