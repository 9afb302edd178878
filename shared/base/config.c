#include "shared/base/config.h"

#include "shared/base/encoding.h"

#include <inttypes.h>

enum { BOTH = MR_PROGRAM_WEB | MR_PROGRAM_WORKER, WEB = MR_PROGRAM_WEB, WORKER = MR_PROGRAM_WORKER };
enum { REQUIRED = 1, SECRET = 2 };

struct entry {
    const char *name;
    unsigned programs;
    unsigned flags;
    bool is_text;
    size_t offset;
    const char *fallback; /* of a text, "" when empty is meant; NULL for a number */
    int64_t number;       /* the fallback of a number */
    int64_t min, max;     /* bounds of a number, or of a text's length */
    const char *choices;  /* of a text: "a|b|c", or NULL */
    const char *meaning;
};

#define AT(field) offsetof(struct mr_config, field)
#define TEXT(name, programs, flags, field, fallback, max, choices, meaning)                                  \
    {                                                                                                        \
        name, programs, flags, true, AT(field), fallback, 0, 0, max, choices, meaning                        \
    }
#define NUMBER(name, programs, field, fallback, min, max, meaning)                                           \
    {                                                                                                        \
        name, programs, 0, false, AT(field), NULL, fallback, min, max, NULL, meaning                         \
    }

/* clang-format off */
static const struct entry entries[] = {
    NUMBER("PORT", BOTH, port, 8080, 0, 65535, "port to listen on; 0: any free port"),
    TEXT("LOG_LEVEL", BOTH, 0, log_level, "info", 20, "debug|info|notice|warning|error|critical", "lowest severity that is logged"),
    TEXT("LOG_FORMAT", BOTH, 0, log_format, "json", 10, "json|text", "json: for Cloud Logging; text: for people"),
    TEXT("GOOGLE_CLOUD_PROJECT", BOTH, 0, project, "", 100, NULL, "project id; empty: from the metadata server"),
    TEXT("DATABASE_URL", BOTH, REQUIRED | SECRET, database_url, "", 2000, NULL, "PostgreSQL connection string (libpq, URI or key=value)"),
    TEXT("MIGRATION_DATABASE_URL", WEB, SECRET, migration_database_url, "", 2000, NULL, "connection string of the owner of the tables, with which web migrates at its start; empty: DATABASE_URL"),
    NUMBER("DATABASE_POOL", BOTH, database_pool, 8, 1, 200, "most PostgreSQL connections of one process; web opens one more, for LISTEN"),
    TEXT("BUCKET", BOTH, REQUIRED, bucket, "", 222, NULL, "Cloud Storage bucket for inputs and outputs"),
    TEXT("PUBSUB_TOPIC", BOTH, 0, topic, "mediarun-tasks", 255, NULL, "Pub/Sub topic for tasks (short name)"),
    TEXT("PUBSUB_TOPIC_HIGH", BOTH, 0, topic_high, "mediarun-tasks-high", 255, NULL, "Pub/Sub topic for tasks with priority high, and for pings"),
    TEXT("PUBSUB_TOPIC_DELIVERIES", BOTH, 0, topic_deliveries, "mediarun-deliveries", 255, NULL, "Pub/Sub topic for webhooks and mails"),
    TEXT("STORAGE_EMULATOR_HOST", BOTH, 0, storage_host, "", 500, NULL, "base URL (with scheme) of a Cloud Storage emulator, called without a token; empty: Google's"),
    TEXT("PUBSUB_EMULATOR_HOST", BOTH, 0, pubsub_host, "", 500, NULL, "host:port of a Pub/Sub emulator, called without a token; empty: Google's"),
    TEXT("GCE_METADATA_HOST", BOTH, 0, metadata_host, "", 500, NULL, "host[:port] of the metadata server; empty: metadata.google.internal"),
    TEXT("GOOGLE_APPLICATION_CREDENTIALS", BOTH, 0, credentials_file, "", 4000, NULL, "service account key file; empty: tokens come from the metadata server"),
    TEXT("PUSH_AUTH", BOTH, 0, push_auth, "oidc", 10, "oidc|iam|none", "how pushes and internal calls are authenticated: oidc verifies the token here; iam trusts Cloud Run's check of the signature and compares audience and account; none accepts every call"),
    TEXT("PUSH_AUDIENCE", BOTH, 0, push_audience, "", 500, NULL, "audience that push tokens must have; required unless PUSH_AUTH=none"),
    TEXT("PUSH_SERVICE_ACCOUNT", BOTH, 0, push_account, "", 320, NULL, "service account (e-mail) that push tokens must belong to; required unless PUSH_AUTH=none"),
    TEXT("OIDC_CERTS_URL", BOTH, 0, certs_url, "https://www.googleapis.com/oauth2/v1/certs", 500, NULL, "certificates that push tokens are verified with"),
    NUMBER("CLIENT_TIMEOUT_MS", BOTH, client_timeout_ms, 30000, 100, 600000, "time a client has to send the request head, a body of up to 32 KiB, and each 256 KiB of a larger one, and to read each 256 KiB of an answer"),
    NUMBER("MAX_CONNECTIONS", BOTH, max_connections, 600, 10, 20000, "connections open at once, without event streams; above it the one that has waited longest for its client is closed. Each has a small thread and costs up to 100 KiB"),
    NUMBER("MAX_HEADER_BYTES", BOTH, max_header_bytes, 16384, 1024, 1048576, "largest request line and headers together"),
    NUMBER("GIVE_UP_AFTER_SECONDS", BOTH, give_up_s, 86400, 1, 2592000, "age at which a task fails that the service could not run (failures of storage, database or machine; dead letters)"),
    TEXT("FETCH_ALLOW_HOSTS", BOTH, 0, fetch_allow_hosts, "", 4000, NULL, "host[:port],…: hosts that may be fetched from and called back at any address, also by http; empty: public addresses only"),
    TEXT("TLS_CA_FILE", BOTH, 0, tls_ca_file, "", 4000, NULL, "certificate authorities (PEM) for calls to third-party servers and the mail relay; empty: the system's"),
    TEXT("PUBLIC_URL", BOTH, 0, public_url, "", 500, NULL, "base URL of web as users see it, for links in mails; empty: no mail is sent"),
    TEXT("SMTP_URL", BOTH, 0, smtp_url, "", 500, NULL, "mail relay, smtp://host:587 (STARTTLS is required) or smtps://host; empty: no mail is sent"),
    TEXT("METRICS_TOKEN", BOTH, SECRET, metrics_token, "", 1000, NULL, "token that may read GET /metrics, at least 32 characters; empty: at web operators alone, at the worker nobody"),
    TEXT("OTEL_EXPORTER_OTLP_ENDPOINT", BOTH, 0, otlp_endpoint, "", 900, NULL, "base URL of an OpenTelemetry collector that takes traces (OTLP/HTTP, JSON); empty: no traces"),
    TEXT("OTEL_EXPORTER_OTLP_HEADERS", BOTH, SECRET, otlp_headers, "", 4000, NULL, "headers for the collector, NAME=VALUE,… with percent-encoded values"),
    TEXT("OTEL_TRACES_SAMPLER", BOTH, 0, traces_sampler, "parentbased_always_on", 30, "parentbased_always_on|always_on", "parentbased_always_on: a trace that the client or the platform does not sample is not recorded; always_on: all are"),
    TEXT("ENABLED_EMAIL", BOTH, 0, enabled_email, "true", 5, "true|false", "false: no mail is sent"),
    TEXT("STRESS_TEST", BOTH, 0, stress_test, "0", 1, "0|1", "1: no mail is sent"),
    NUMBER("WEB_THREADS", WEB, web_threads, 96, 1, 1000, "requests served at once, apart from uploads and downloads; further ones wait"),
    NUMBER("SLOW_THREADS", WEB, slow_threads, 48, 1, 1000, "uploads of more than 32 KiB, downloads, probes and health checks of the converter at once; of further ones four times as many wait, the rest get 503. One client address may have half"),
    NUMBER("TRUSTED_PROXIES", WEB, trusted_proxies, 0, 0, 10, "proxies in front of web, each of which appends the client's address to X-Forwarded-For; Cloud Run: 1, behind a load balancer: 2; 0: the header is not believed"),
    TEXT("JWT_SECRET", WEB, REQUIRED | SECRET, jwt_secret, "", 1000, NULL, "key that signs login tokens (HS256); at least 32 characters"),
    TEXT("CORS_ORIGINS", WEB, 0, cors_origins, "", 4000, NULL, "origins of web pages that may call the API, https://app.example.com,…; *: all; empty: none but its own"),
    NUMBER("MAX_UPLOAD_BYTES", WEB, max_upload_bytes, 1073741824, 1, INT64_C(1) << 42, "largest upload through web (Cloud Run limits HTTP/1 requests to 32 MiB)"),
    NUMBER("REPUBLISH_AFTER_SECONDS", WEB, republish_after_s, 120, 5, 86400, "age of a waiting task's last message after which the sweep publishes it again, if workers have received messages newer by this, or none since; it grows with the time that the task has waited, up to 5 times this"),
    NUMBER("LOGIN_SLOTS", WEB, login_slots, 0, 0, 64, "passwords hashed at once (scrypt, 32 MiB each); 0: as many as cores, in at most a quarter of the memory"),
    NUMBER("LOGIN_WAITERS", WEB, login_waiters, 14, 0, 1000, "logins and signups that wait for a login slot; further ones get 429. One address may have half of both"),
    NUMBER("LOGIN_FAILURES_PER_ADDRESS", WEB, login_failures_address, 60, 1, 1000000000, "wrong passwords an hour from one address, in one instance"),
    NUMBER("LOGIN_FAILURES_PER_ACCOUNT", WEB, login_failures_account, 20, 1, 1000000000, "wrong passwords an hour for one account; then only addresses that have not tried it may"),
    NUMBER("SIGNUPS_PER_ADDRESS", WEB, signups_address, 20, 1, 1000000000, "accounts an hour from one address, in one instance"),
    TEXT("GUESTS", WEB, 0, guests, "0", 1, "0|1", "1: people may try mediarun as guests, without an account"),
    NUMBER("GUESTS_PER_ADDRESS", WEB, guests_address, 10, 1, 1000000000, "guests from one address, in all instances; and new ones an hour, in one instance"),
    NUMBER("MAX_GUESTS", WEB, max_guests, 1000, 1, 1000000, "guests in all instances together"),
    NUMBER("GUEST_SECONDS", WEB, guest_s, 86400, 1, 2592000, "time after which a guest is deleted with all files, unless it became an account"),
    TEXT("DOWNLOAD_MODE", WEB, 0, download_mode, "stream", 10, "stream|redirect", "stream: results pass through web; redirect: web redirects to a signed Cloud Storage URL"),
    TEXT("IAM_CREDENTIALS_URL", WEB, 0, iam_url, "https://iamcredentials.googleapis.com", 500, NULL, "base URL of signBlob, for signed URLs without a key file"),
    NUMBER("MAX_DIRECT_UPLOAD_BYTES", WEB, max_direct_upload_bytes, INT64_C(1) << 36, 1, INT64_C(5) << 40, "largest direct upload to Cloud Storage"),
    NUMBER("UPLOAD_EXPIRES_SECONDS", WEB, upload_expires_s, 86400, 1, 604800, "time after which a direct upload that no task uses is deleted"),
    NUMBER("MAX_RECORDS", WEB, max_records, 10000000, 1, INT64_C(1000000000), "most records a task may insert, of an operator too"),
    NUMBER("MAX_EVENT_STREAMS", WEB, max_event_streams, 2000, 1, 100000, "event streams open at once in one process; they need no thread, but count towards Cloud Run's concurrency"),
    NUMBER("PROBE_WAIT_SECONDS", WEB, probe_wait_s, 15, 0, 300, "time that POST /api/probe waits for the result before it answers 202"),
    TEXT("ENABLE_BENCHMARK", WEB, 0, enable_benchmark, "0", 1, "0|1", "1: serve /benchmark/conversion/*, which /report draws"),
#define MR_QUOTA(name, word, variable, fallback, of_a_guest, what, unit, code, wait_s, remedy) \
    NUMBER(variable, WEB, quotas.limits[MR_QUOTA_##name], fallback, 1, MR_QUOTA_LIMIT_MAX, "quota of each user: " what), \
    NUMBER("GUEST_" variable, WEB, quotas.of_guest[MR_QUOTA_##name], of_a_guest, 1, MR_QUOTA_LIMIT_MAX, "quota of each guest: " what),
#include "shared/base/quotas.def"
#undef MR_QUOTA
    NUMBER("SLOTS", WORKER, slots, 0, 0, 256, "conversions at once; 0: the number of cores"),
    NUMBER("HIGH_SLOTS", WORKER, high_slots, 1, 0, 256, "tasks with priority high at once, in addition to SLOTS"),
    NUMBER("DELIVERY_SLOTS", WORKER, delivery_slots, 8, 1, 256, "webhooks and mails at once"),
    NUMBER("USER_SHARE", WORKER, user_share, 50, 1, 100, "percent of a lane's slots that one user may hold while tasks of others wait; at least one slot"),
    NUMBER("UNIT_SHARE", WORKER, unit_share, 50, 1, 100, "percent of a lane's slots that units of one task may hold while other tasks wait, of the same user, too; where that is less than a slot, they take turns"),
    NUMBER("PARKED_PUSHES", WORKER, parked_pushes, 1000, 1, 10000, "pushes that may wait, without a thread, for a slot of each lane, and as many for the lease of another worker to end"),
    NUMBER("ACK_DEADLINE_SECONDS", WORKER, ack_deadline_s, 600, 10, 600, "ack deadline of the subscriptions; a push that waits is answered after 90 % of it"),
    NUMBER("LEASE_SECONDS", WORKER, lease_seconds, 10, 3, 3600, "time without a heartbeat after which another worker may claim a task"),
    NUMBER("MAX_ATTEMPTS", WORKER, max_attempts, 5, 1, 100, "starts of a task's work before it fails for good; starts that the machine interrupted have a limit of their own"),
    NUMBER("MAX_INTERRUPTIONS", WORKER, max_interruptions, 20, 1, 1000, "runs of a task that may end because the worker or the conversion was killed or frozen, before the task fails"),
    NUMBER("MAX_STOPS", WORKER, max_stops, 20, 1, 10000, "times that stopping workers may give a task back before it fails"),
    NUMBER("MAX_TASK_SECONDS", WORKER, max_task_s, 86400, 1, 2592000, "longest time from the first claim of a task, or of its last run by PUT, to its end, with all waits between; then it fails"),
    NUMBER("UNIT_SECONDS", WORKER, unit_seconds, 120, 0, 3600, "work of one core above which a conversion of video or audio is cut into units of at most as much, which run on several workers at once; 0: none is cut"),
    NUMBER("JOB_TIMEOUT_SECONDS", WORKER, job_timeout_s, 3300, 1, 86400, "longest run of one conversion"),
    NUMBER("STALL_TIMEOUT_SECONDS", WORKER, stall_timeout_s, 60, 1, 3600, "time without progress after which a conversion is stopped"),
    NUMBER("SANDBOX_MEMORY_MIB", WORKER, sandbox_memory_mib, 1024, 0, 1048576, "memory of one conversion, in addition to the libraries; 0: no limit"),
    NUMBER("MAX_PIXELS", BOTH, max_pixels, 8912896, 256, INT64_C(1) << 28, "largest width × height of an input or output picture (4096×2176)"),
    NUMBER("MAX_DURATION_SECONDS", WORKER, max_duration_s, 86400, 1, 86400, "longest input"),
    NUMBER("MAX_WORK_MEGAPIXELS", WORKER, max_work, 600000, 0, INT64_C(1) << 40, "most work of a task, in megapixels encoded as H.264 (two hours of 1080p at 30 fps: 447,898), and at most a tenth of it plus 20 for each KiB of the input; 0: no limit"),
    NUMBER("MAX_OUTPUT_BYTES", WORKER, max_output_bytes, INT64_C(1) << 36, 1, INT64_C(5) << 40, "largest output of a task, all files together"),
    TEXT("LOGO_FILE", WORKER, 0, logo_file, "", 4000, NULL, "PNG file with the logo of edited videos; empty: mediarun's own"),
    NUMBER("MAX_FETCH_BYTES", WORKER, max_fetch_bytes, INT64_C(5) << 30, 1, INT64_C(5) << 40, "largest file fetched from a URL"),
    NUMBER("FETCH_TIMEOUT_SECONDS", WORKER, fetch_timeout_s, 1800, 1, 86400, "longest fetch from a URL"),
    NUMBER("FETCH_MIN_BYTES_PER_SECOND", WORKER, fetch_min_bytes_per_s, 10240, 1, INT64_C(1) << 30, "slowest fetch from a URL, on average over 30 s"),
    NUMBER("DELIVERY_TIMEOUT_SECONDS", WORKER, delivery_timeout_s, 15, 1, 300, "time a webhook receiver or the mail relay has to answer"),
    NUMBER("DELIVERY_ATTEMPTS", WORKER, delivery_attempts, 8, 1, 100, "attempts to deliver a webhook or mail"),
    TEXT("SMTP_USER", WORKER, 0, smtp_user, "", 320, NULL, "user name at the mail relay (SendGrid: apikey); empty: no login"),
    TEXT("SMTP_PASSWORD", WORKER, SECRET, smtp_password, "", 1000, NULL, "password at the mail relay"),
    TEXT("MAIL_FROM", WORKER, 0, mail_from, "", 320, NULL, "sender address of mails; required with SMTP_URL"),
};
/* clang-format on */
enum { ENTRIES = sizeof entries / sizeof *entries };

static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (const char *p = choices; *p;) {
        size_t n = strcspn(p, "|");
        if (n == len && memcmp(p, value, n) == 0)
            return true;
        p += n + (p[n] == '|');
    }
    return false;
}

static enum mr_status load_text(const struct entry *entry, const char *value, struct mr_config *config,
                                struct mr_err *err)
{
    if (!value || !value[0])
        value = entry->fallback;
    if ((entry->flags & REQUIRED) && !value[0])
        return mr_fail(err, MR_INVALID, "%s is not set: %s", entry->name, entry->meaning);
    if (strlen(value) > (size_t)entry->max)
        return mr_fail(err, MR_INVALID, "%s is longer than %" PRId64 " characters", entry->name, entry->max);
    if (entry->choices && !is_choice(entry->choices, value))
        return mr_fail(err, MR_INVALID, "%s must be one of %s", entry->name, entry->choices);
    char *copy = strdup(value);
    if (!copy)
        return mr_fail_oom(err);
    *(char **)((char *)config + entry->offset) = copy;
    return MR_OK;
}

static enum mr_status load_number(const struct entry *entry, const char *value, struct mr_config *config,
                                  struct mr_err *err)
{
    int64_t number = entry->number;
    if (value && value[0] && !mr_parse_int64(value, entry->min, entry->max, &number))
        return mr_fail(err, MR_INVALID, "%s must be a whole number from %" PRId64 " to %" PRId64, entry->name,
                       entry->min, entry->max);
    *(int64_t *)((char *)config + entry->offset) = number;
    return MR_OK;
}

/* As browsers write an origin: SCHEME://HOST[:PORT] in lower case, without a path. */
static bool is_origin(const char *text, size_t len)
{
    static const char of_scheme[] = "abcdefghijklmnopqrstuvwxyz0123456789+.-";
    static const char of_host[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]";
    size_t scheme = strspn(text, of_scheme);
    if (len == 1 && *text == '*')
        return true;
    if (scheme == 0 || scheme + 3 >= len || strncmp(text + scheme, "://", 3) != 0)
        return false;
    return strspn(text + scheme + 3, of_host) == len - scheme - 3;
}

static enum mr_status check_origins(const char *origins, struct mr_err *err)
{
    for (const char *p = origins + strspn(origins, ", "); *p; p += strspn(p, ", ")) {
        size_t len = strcspn(p, ", ");
        if (!is_origin(p, len))
            return mr_fail(
                err, MR_INVALID,
                "CORS_ORIGINS must be * or origins in lower case without a path: https://host[:port],…");
        p += len;
    }
    return MR_OK;
}

/* What one entry cannot know of another. */
static enum mr_status check_together(enum mr_program program, const struct mr_config *config,
                                     struct mr_err *err)
{
    if (program == MR_PROGRAM_WEB && strlen(config->jwt_secret) < 32)
        return mr_fail(err, MR_INVALID, "JWT_SECRET is shorter than 32 characters");
    if (config->otlp_endpoint[0] && strncmp(config->otlp_endpoint, "http://", 7) != 0 &&
        strncmp(config->otlp_endpoint, "https://", 8) != 0)
        return mr_fail(err, MR_INVALID, "OTEL_EXPORTER_OTLP_ENDPOINT must begin with http:// or https://");
    if (config->metrics_token[0] && strlen(config->metrics_token) < 32)
        return mr_fail(err, MR_INVALID, "METRICS_TOKEN is shorter than 32 characters");
    if (program == MR_PROGRAM_WEB)
        MR_TRY(check_origins(config->cors_origins, err));
    if (strcmp(config->push_auth, "none") != 0 && (!config->push_audience[0] || !config->push_account[0]))
        return mr_fail(err, MR_INVALID, "PUSH_AUTH=%s needs PUSH_AUDIENCE and PUSH_SERVICE_ACCOUNT",
                       config->push_auth);
    if (program == MR_PROGRAM_WORKER && config->smtp_url[0] && !config->mail_from[0])
        return mr_fail(err, MR_INVALID, "SMTP_URL needs MAIL_FROM");
    return MR_OK;
}

enum mr_status mr_config_load_from(enum mr_program program, mr_config_getter *getter, void *ctx,
                                   struct mr_config *ret, struct mr_err *err)
{
    *ret = (struct mr_config){0};
    for (int i = 0; i < ENTRIES; i++) {
        const struct entry *entry = &entries[i];
        if (!(entry->programs & program))
            continue;
        const char *value = getter(ctx, entry->name);
        MR_TRY(entry->is_text ? load_text(entry, value, ret, err) : load_number(entry, value, ret, err));
    }
    return check_together(program, ret, err);
}

static const char *from_environment(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name);
}

enum mr_status mr_config_load(enum mr_program program, struct mr_config *ret, struct mr_err *err)
{
    return mr_config_load_from(program, from_environment, NULL, ret, err);
}

void mr_config_free(struct mr_config *config)
{
    for (int i = 0; i < ENTRIES; i++) {
        if (!entries[i].is_text)
            continue;
        char **text = (char **)((char *)config + entries[i].offset);
        if (*text && (entries[i].flags & SECRET))
            explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}

bool mr_config_sends_mail(const struct mr_config *config)
{
    return config->smtp_url[0] && config->public_url[0] && strcmp(config->enabled_email, "true") == 0 &&
           strcmp(config->stress_test, "0") == 0;
}

static void print_default(const struct entry *entry)
{
    if (!entry->is_text)
        printf("`%" PRId64 "`", entry->number);
    else if (entry->flags & REQUIRED)
        printf("*required*");
    else if (entry->fallback[0])
        printf("`%s`", entry->fallback);
    else
        printf("empty");
}

void mr_config_print(void)
{
    for (int i = 0; i < ENTRIES; i++) {
        const struct entry *entry = &entries[i];
        printf("| `%s` | %s | ", entry->name,
               entry->programs == BOTH  ? "both"
               : entry->programs == WEB ? "web"
                                        : "worker");
        print_default(entry);
        printf(" | %s |\n", entry->meaning);
    }
}
