#include "shared/http/tracer.h"

#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/http/otlp.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    QUEUE_MAX = 2048,
    BATCH_MAX = 256,
    DELAY_MS = 500, /* how long a span waits for others at most, while the collector answers */
    CONNECT_MS = 2000,
    SEND_MS = 5000,
    FLUSH_MS = 1000,
    ATTEMPTS = 3,
    RETRY_MS = 500,
    ANSWER_MAX = 64 << 10,
    URL_MAX = 1024,
    HEADERS_MAX = 16,
    HEADERS_BYTES = 4096,
    LOG_EVERY_US = 60 * 1000000,
};
enum { EXPORTED, DROPPED }; /* as MR_METRIC_SPANS counts them */

struct mr_tracer {
    struct mr_tracer_options options;
    char url[URL_MAX];
    char *header_texts[HEADERS_MAX];
    const char *headers[HEADERS_MAX + 2]; /* Content-Type, those, and NULL */
    pthread_t thread;
    int64_t logged_us;     /* the thread's: when it last told of dropped spans; 0: never */
    struct mr_span *batch; /* the thread's */
    atomic_size_t dropped; /* not logged yet */
    atomic_bool stopping;
    _Atomic int64_t ends_us; /* once stopping: until when spans are still sent, by mr_time_monotonic_us */
    pthread_mutex_t lock;    /* protects all fields below */
    pthread_cond_t changed;  /* waits on CLOCK_MONOTONIC */
    size_t first, count;
    struct mr_span queue[QUEUE_MAX];
};

bool mr_tracer_samples_all(const struct mr_tracer *tracer)
{
    return tracer->options.samples_all;
}

static void count_dropped(struct mr_tracer *tracer, size_t count)
{
    atomic_fetch_add(&tracer->dropped, count);
    mr_metrics_add(mr_http_metrics_cells(tracer->options.metrics), MR_METRIC_SPANS, DROPPED, 0,
                   (int64_t)count);
}

void mr_tracer_take(struct mr_tracer *tracer, const struct mr_span *span)
{
    pthread_mutex_lock(&tracer->lock);
    const bool fits = tracer->count < QUEUE_MAX;
    if (fits)
        tracer->queue[(tracer->first + tracer->count++) % QUEUE_MAX] = *span;
    if (tracer->count >= BATCH_MAX)
        pthread_cond_signal(&tracer->changed);
    pthread_mutex_unlock(&tracer->lock);
    if (!fits)
        count_dropped(tracer, 1);
}

/* Waits for a whole batch, or a while. Returns how many were taken out of the queue. */
static size_t take_batch(struct mr_tracer *tracer)
{
    const struct timespec until = mr_time_deadline(DELAY_MS);
    size_t taken = 0;
    pthread_mutex_lock(&tracer->lock);
    while (tracer->count < BATCH_MAX && !atomic_load(&tracer->stopping) &&
           pthread_cond_timedwait(&tracer->changed, &tracer->lock, &until) == 0)
        ;
    for (; taken < BATCH_MAX && tracer->count; tracer->count--) {
        tracer->batch[taken++] = tracer->queue[tracer->first];
        tracer->first = (tracer->first + 1) % QUEUE_MAX;
    }
    pthread_mutex_unlock(&tracer->lock);
    return taken;
}

static void pause_before_retry(struct mr_tracer *tracer, int ms)
{
    const struct timespec until = mr_time_deadline(ms);
    pthread_mutex_lock(&tracer->lock);
    while (!atomic_load(&tracer->stopping) &&
           pthread_cond_timedwait(&tracer->changed, &tracer->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&tracer->lock);
}

/* What is on its way when the stop comes has until then, too: the collector may have taken it already. */
static bool is_over(void *ctx)
{
    const struct mr_tracer *tracer = ctx;
    return atomic_load(&tracer->stopping) && mr_time_monotonic_us() >= atomic_load(&tracer->ends_us);
}

/* The collector's words are not repeated: they may be anything. */
static enum mr_status send_once(struct mr_tracer *tracer, const char *body, int timeout_ms,
                                struct mr_err *err)
{
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    const struct mr_http_request req = {.method = "POST",
                                        .url = tracer->url,
                                        .headers = tracer->headers,
                                        .body = body,
                                        .body_len = strlen(body),
                                        .max_response = ANSWER_MAX,
                                        .connect_timeout_ms =
                                            timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS,
                                        .timeout_ms = timeout_ms,
                                        .canceled = is_over,
                                        .canceled_ctx = tracer};
    MR_TRY(mr_http_perform(tracer->options.http, &req, &res, err));
    if (res.status >= 200 && res.status < 300)
        return MR_OK;
    return mr_fail(err, mr_http_status_to_status(res.status), "collector answers HTTP %d", res.status);
}

static enum mr_status send_spans(struct mr_tracer *tracer, size_t count, int timeout_ms, struct mr_err *err)
{
    MR_AUTO_JSON json_t *request = NULL;
    MR_TRY(mr_otlp_request(tracer->options.service, tracer->batch, count, &request, err));
    MR_AUTO_STR char *body = json_dumps(request, JSON_COMPACT);
    if (!body)
        return mr_fail_oom(err);
    enum mr_status status = MR_OK;
    for (int attempt = 1;; attempt++) {
        struct mr_err failure = {0};
        status = send_once(tracer, body, timeout_ms, &failure);
        if (status == MR_OK)
            return MR_OK;
        if (!mr_status_is_transient(status) || attempt == ATTEMPTS || atomic_load(&tracer->stopping))
            return mr_fail_from(err, &failure);
        pause_before_retry(tracer, attempt * RETRY_MS);
    }
}

static void tell_dropped(struct mr_tracer *tracer, const struct mr_err *cause)
{
    const int64_t now_us = mr_time_monotonic_us();
    if (!atomic_load(&tracer->dropped) || (tracer->logged_us && now_us - tracer->logged_us < LOG_EVERY_US))
        return;
    const size_t dropped = atomic_exchange(&tracer->dropped, 0);
    tracer->logged_us = now_us;
    if (cause->status != MR_OK)
        mr_log_err(tracer->options.log, MR_LOG_WARNING, "spans dropped: the collector does not take them",
                   cause, "{s:I}", "spans", (json_int_t)dropped);
    else
        mr_log_write(tracer->options.log, MR_LOG_WARNING, "spans dropped: more than the queue holds", "{s:I}",
                     "spans", (json_int_t)dropped);
}

static void send_batch(struct mr_tracer *tracer, size_t count, int timeout_ms)
{
    struct mr_err err = {0};
    if (count && send_spans(tracer, count, timeout_ms, &err) == MR_OK)
        mr_metrics_add(mr_http_metrics_cells(tracer->options.metrics), MR_METRIC_SPANS, EXPORTED, 0,
                       (int64_t)count);
    else
        count_dropped(tracer, count);
    tell_dropped(tracer, &err);
}

static void *run(void *arg)
{
    struct mr_tracer *tracer = arg;
    while (!atomic_load(&tracer->stopping))
        send_batch(tracer, take_batch(tracer), SEND_MS);
    for (size_t count; (count = take_batch(tracer));) {
        const int64_t left_ms = (atomic_load(&tracer->ends_us) - mr_time_monotonic_us()) / 1000;
        if (left_ms > 0)
            send_batch(tracer, count, (int)left_ms);
        else
            count_dropped(tracer, count);
    }
    return NULL;
}

/* NAME=VALUE as a header's line. */
static enum mr_status add_header(struct mr_tracer *tracer, size_t at, char *pair, struct mr_err *err)
{
    char *equals = strchr(pair, '=');
    if (at == HEADERS_MAX || !equals || equals == pair)
        return mr_fail(err, MR_INVALID, "OTEL_EXPORTER_OTLP_HEADERS must be up to %d NAME=VALUE with commas",
                       HEADERS_MAX);
    *equals = '\0';
    MR_TRY(mr_percent_decode(equals + 1, false, err));
    if (strpbrk(pair, " \t\r\n:") || strpbrk(equals + 1, "\r\n"))
        return mr_fail(err, MR_INVALID,
                       "OTEL_EXPORTER_OTLP_HEADERS must not contain line ends, nor a name with blanks");
    if (asprintf(&tracer->header_texts[at], "%s: %s", pair, equals + 1) < 0) {
        tracer->header_texts[at] = NULL;
        return mr_fail_oom(err);
    }
    tracer->headers[at + 1] = tracer->header_texts[at];
    return MR_OK;
}

static enum mr_status add_headers(struct mr_tracer *tracer, const char *text, struct mr_err *err)
{
    char copy[HEADERS_BYTES], *rest = copy;
    size_t count = 0;
    tracer->headers[0] = "Content-Type: application/json";
    if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
        return mr_fail(err, MR_INVALID, "OTEL_EXPORTER_OTLP_HEADERS is longer than %d characters",
                       HEADERS_BYTES - 1);
    enum mr_status status = MR_OK;
    for (char *pair; status == MR_OK && (pair = strsep(&rest, ","));)
        if (*pair)
            status = add_header(tracer, count++, pair, err);
    explicit_bzero(copy, sizeof copy);
    return status;
}

static void free_tracer(struct mr_tracer *tracer)
{
    for (size_t i = 0; i < HEADERS_MAX && tracer->header_texts[i]; i++) {
        explicit_bzero(tracer->header_texts[i], strlen(tracer->header_texts[i]));
        free(tracer->header_texts[i]);
    }
    pthread_cond_destroy(&tracer->changed);
    pthread_mutex_destroy(&tracer->lock);
    free(tracer->batch);
    free(tracer);
}

static enum mr_status prepare(struct mr_tracer *tracer, struct mr_err *err)
{
    size_t len = strlen(tracer->options.endpoint);
    while (len && tracer->options.endpoint[len - 1] == '/')
        len--;
    snprintf(tracer->url, sizeof tracer->url, "%.*s/v1/traces", (int)len, tracer->options.endpoint);
    tracer->batch = calloc(BATCH_MAX, sizeof *tracer->batch);
    if (!tracer->batch)
        return mr_fail_oom(err);
    MR_TRY(add_headers(tracer, tracer->options.headers, err));
    const int failure = pthread_create(&tracer->thread, NULL, run, tracer);
    return failure ? mr_fail_errno(err, MR_EXHAUSTED, failure, "start the thread that sends spans") : MR_OK;
}

enum mr_status mr_tracer_start(const struct mr_tracer_options *options, struct mr_tracer **ret,
                               struct mr_err *err)
{
    if (!options->endpoint[0]) {
        *ret = NULL;
        return MR_OK;
    }
    struct mr_tracer *tracer = calloc(1, sizeof *tracer);
    if (!tracer)
        return mr_fail_oom(err);
    tracer->options = *options;
    pthread_mutex_init(&tracer->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&tracer->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    enum mr_status status = prepare(tracer, err);
    if (status != MR_OK) {
        free_tracer(tracer);
        return status;
    }
    *ret = tracer;
    return MR_OK;
}

void mr_tracer_stop(struct mr_tracer *tracer)
{
    if (!tracer)
        return;
    pthread_mutex_lock(&tracer->lock);
    atomic_store(&tracer->ends_us, mr_time_monotonic_us() + FLUSH_MS * 1000);
    atomic_store(&tracer->stopping, true);
    pthread_cond_signal(&tracer->changed);
    pthread_mutex_unlock(&tracer->lock);
    pthread_join(tracer->thread, NULL);
    free_tracer(tracer);
}
