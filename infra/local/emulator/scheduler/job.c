#include "infra/local/emulator/scheduler/job.h"

#include "infra/local/emulator/scheduler/attempt.h"
#include "shared/base/clock.h"

#include <errno.h>
#include <pthread.h>

enum { RPC_UNAVAILABLE = 14 }; /* google.rpc.Code */
#define MICROS INT64_C(1000000)
/* The longest sleep: the wall clock may be set meanwhile, so look at it again. */
#define SLEEP_MAX_US (30 * MICROS)

struct em_job {
    struct em_job_context context;
    char *name;
    pthread_t thread;
    atomic_bool stopping;
    pthread_mutex_t lock;
    /* All fields below are protected by lock. */
    pthread_cond_t wake;
    struct em_job_spec *spec;
    bool paused;
    bool forced;
    int64_t due_s; /* of the next run; 0: none */
    int64_t updated_us;
    int64_t last_attempt_us; /* 0: none yet */
    bool last_failed;
    char last_error[MR_ERR_MESSAGE_MAX];
};

static bool is_stopping(void *ctx)
{
    return atomic_load(&((struct em_job *)ctx)->stopping);
}

static void record(struct em_job *job, const struct mr_err *failure)
{
    pthread_mutex_lock(&job->lock);
    job->last_failed = failure != NULL;
    snprintf(job->last_error, sizeof job->last_error, "%s", failure ? failure->message : "");
    pthread_mutex_unlock(&job->lock);
}

/* Sleeps until until_us (monotonic). False if the job ends first. */
static bool sleep_until(struct em_job *job, int64_t until_us)
{
    const struct timespec until = {.tv_sec = until_us / MICROS, .tv_nsec = until_us % MICROS * 1000};
    pthread_mutex_lock(&job->lock);
    int waited = 0;
    while (!atomic_load(&job->stopping) && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&job->wake, &job->lock, &until);
    pthread_mutex_unlock(&job->lock);
    return !atomic_load(&job->stopping);
}

/* Makes one attempt and records the outcome. True if a retry is needed. */
static bool attempt_fails(struct em_job *job, const struct em_attempt *attempt, int64_t retry)
{
    pthread_mutex_lock(&job->lock);
    job->last_attempt_us = mr_time_now_us();
    pthread_mutex_unlock(&job->lock);
    struct mr_err err;
    enum mr_status status = em_attempt_send(job->context.http, attempt, &err);
    record(job, status == MR_OK ? NULL : &err);
    if (status == MR_OK || atomic_load(&job->stopping))
        return false;
    mr_log_err(job->context.log, MR_LOG_WARNING, "scheduler: an attempt failed", &err, "{s:s,s:I}", "job",
               attempt->spec->name, "retry", (json_int_t)retry);
    return true;
}

/* One run: an attempt and its retries. */
static void run(struct em_job *job, const struct em_job_spec *spec, int64_t schedule_us)
{
    const struct em_attempt attempt = {.spec = spec,
                                       .identity = job->context.identity,
                                       .schedule_us = schedule_us,
                                       .canceled = is_stopping,
                                       .canceled_ctx = job};
    int64_t begun_us = mr_time_monotonic_us();
    for (int64_t retry = 0; attempt_fails(job, &attempt, retry); retry++) {
        int64_t now_us = mr_time_monotonic_us();
        bool late = spec->max_retry_us > 0 && now_us - begun_us >= spec->max_retry_us;
        if (retry == spec->retry_count || late ||
            !sleep_until(job, now_us + em_job_spec_backoff(spec, retry + 1)))
            return;
    }
}

static void plan_locked(struct em_job *job)
{
    if (!em_cron_next(&job->spec->schedule, mr_time_now_us() / MICROS, &job->due_s))
        job->due_s = 0;
}

static bool is_due_locked(const struct em_job *job, int64_t now_us)
{
    return job->forced || (!job->paused && job->due_s > 0 && job->due_s * MICROS <= now_us);
}

static void wait_locked(struct em_job *job, int64_t now_us)
{
    int64_t wait_us = SLEEP_MAX_US;
    if (!job->paused && job->due_s > 0 && job->due_s * MICROS - now_us < wait_us)
        wait_us = job->due_s * MICROS - now_us;
    int64_t until_us = mr_time_monotonic_us() + wait_us;
    const struct timespec until = {.tv_sec = until_us / MICROS, .tv_nsec = until_us % MICROS * 1000};
    (void)pthread_cond_timedwait(&job->wake, &job->lock, &until);
}

static void *job_main(void *ctx)
{
    struct em_job *job = ctx;
    pthread_mutex_lock(&job->lock);
    while (!atomic_load(&job->stopping)) {
        int64_t now_us = mr_time_now_us();
        if (!is_due_locked(job, now_us)) {
            wait_locked(job, now_us);
            continue;
        }
        MR_AUTO(em_job_spec) struct em_job_spec *spec = em_job_spec_ref(job->spec);
        int64_t schedule_us = job->forced ? now_us : job->due_s * MICROS;
        job->forced = false;
        pthread_mutex_unlock(&job->lock);
        run(job, spec, schedule_us);
        pthread_mutex_lock(&job->lock);
        plan_locked(job);
    }
    pthread_mutex_unlock(&job->lock);
    return NULL;
}

static enum mr_status init_sync(struct em_job *job, struct mr_err *err)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(&job->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!failed)
        failed = pthread_mutex_init(&job->lock, NULL);
    return failed ? mr_fail_errno(err, MR_EXHAUSTED, failed, "cannot start a job") : MR_OK;
}

static void destroy(struct em_job *job)
{
    pthread_cond_destroy(&job->wake);
    pthread_mutex_destroy(&job->lock);
    em_job_spec_unref(job->spec);
    free(job->name);
    free(job);
}

enum mr_status em_job_new(const struct em_job_context *context, struct em_job_spec *spec, struct em_job **ret,
                          struct mr_err *err)
{
    struct em_job *job = calloc(1, sizeof *job);
    if (!job)
        return mr_fail_oom(err);
    enum mr_status status = init_sync(job, err);
    if (status != MR_OK) {
        free(job);
        return status;
    }
    job->context = *context;
    job->spec = em_job_spec_ref(spec);
    job->updated_us = mr_time_now_us();
    job->name = strdup(spec->name);
    plan_locked(job);
    int failed = job->name ? pthread_create(&job->thread, NULL, job_main, job) : ENOMEM;
    if (failed) {
        destroy(job);
        return mr_fail_errno(err, MR_EXHAUSTED, failed, "cannot start a job");
    }
    *ret = job;
    return MR_OK;
}

void em_job_free(struct em_job *job)
{
    if (!job)
        return;
    atomic_store(&job->stopping, true);
    pthread_mutex_lock(&job->lock);
    pthread_cond_broadcast(&job->wake);
    pthread_mutex_unlock(&job->lock);
    pthread_join(job->thread, NULL);
    destroy(job);
}

const char *em_job_name(const struct em_job *job)
{
    return job->name;
}

static bool set_time(json_t *resource, const char *key, int64_t us)
{
    char text[MR_TIME_TEXT_MAX];
    if (us == 0)
        return true;
    mr_time_format(us, text);
    return json_object_set_new(resource, key, json_string(text)) == 0;
}

json_t *em_job_resource(struct em_job *job)
{
    pthread_mutex_lock(&job->lock);
    json_t *resource = json_deep_copy(job->spec->resource);
    bool ok = resource &&
              json_object_set_new(resource, "state", json_string(job->paused ? "PAUSED" : "ENABLED")) == 0 &&
              set_time(resource, "userUpdateTime", job->updated_us) &&
              set_time(resource, "lastAttemptTime", job->last_attempt_us) &&
              set_time(resource, "scheduleTime", job->paused ? 0 : job->due_s * MICROS);
    if (ok && job->last_attempt_us > 0) {
        json_t *status = job->last_failed
                             ? json_pack("{s:i,s:s}", "code", RPC_UNAVAILABLE, "message", job->last_error)
                             : json_object();
        ok = json_object_set_new(resource, "status", status) == 0;
    }
    pthread_mutex_unlock(&job->lock);
    if (ok)
        return resource;
    json_decref(resource);
    return NULL;
}

struct em_job_spec *em_job_spec_of(struct em_job *job)
{
    pthread_mutex_lock(&job->lock);
    struct em_job_spec *spec = em_job_spec_ref(job->spec);
    pthread_mutex_unlock(&job->lock);
    return spec;
}

void em_job_change(struct em_job *job, struct em_job_spec *spec)
{
    pthread_mutex_lock(&job->lock);
    em_job_spec_unref(job->spec);
    job->spec = em_job_spec_ref(spec);
    job->updated_us = mr_time_now_us();
    plan_locked(job);
    pthread_cond_broadcast(&job->wake);
    pthread_mutex_unlock(&job->lock);
}

void em_job_set_paused(struct em_job *job, bool paused)
{
    pthread_mutex_lock(&job->lock);
    job->paused = paused;
    plan_locked(job);
    pthread_cond_broadcast(&job->wake);
    pthread_mutex_unlock(&job->lock);
}

void em_job_force(struct em_job *job)
{
    pthread_mutex_lock(&job->lock);
    job->forced = true;
    pthread_cond_broadcast(&job->wake);
    pthread_mutex_unlock(&job->lock);
}
