#include "web/task_waits.h"

#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/data/tasks.h"
#include "shared/http/problem.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/queue.h>

enum { LOOK_EVERY_MS = 100, SEND_S = 30, ID_TEXT = 21 };

/* Added by any thread, then used and freed by the own thread alone. */
struct wait {
    TAILQ_ENTRY(wait) in_list;
    struct mr_parked *parked;
    json_t *view; /* as last seen */
    int64_t user_id, task_id;
    int64_t due_us;   /* of the answer; then of the end of its sending */
    bool is_open;     /* the task has not ended, as far as is known */
    bool is_answered; /* the answer has begun */
    bool is_done;
};

struct mr_task_waits {
    struct mr_task_waits_options options;
    struct wait **seen; /* room for all: of the own thread, as failure_is_logged */
    bool failure_is_logged;
    pthread_t thread;
    bool runs; /* used by the thread that starts and stops */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* waits on CLOCK_MONOTONIC */
    /* lock protects all fields below. */
    TAILQ_HEAD(wait_list, wait) list;
    size_t count;
    bool stopped;
};

json_t *mr_task_waits_body(const char *message, json_t *view)
{
    return json_pack("{s:s,s:O}", "message", message, "task", view);
}

static void wait_free(struct wait *wait)
{
    if (!wait)
        return;
    if (wait->parked)
        mr_parked_close(wait->parked);
    json_decref(wait->view);
    free(wait);
}

static enum mr_status begin(struct wait *wait, int http_status, const char *message, struct mr_err *err)
{
    return mr_parked_begin(wait->parked, http_status, MR_JSON_TYPE, mr_task_waits_body(message, wait->view),
                           err);
}

static enum mr_status begin_deleted(struct wait *wait, struct mr_err *err)
{
    struct mr_err cause;
    json_t *problem = NULL;
    mr_fail(&cause, MR_NOT_FOUND, "the task was deleted");
    MR_TRY(mr_problem_json(404, &cause, &problem, err));
    return mr_parked_begin(wait->parked, 404, MR_PROBLEM_TYPE, problem, err);
}

/* The task has ended: its newest state, or that it is gone. */
static enum mr_status begin_ended(struct mr_task_waits *waits, struct wait *wait, struct mr_err *err)
{
    char key[MR_INT64_TEXT_MAX];
    json_t *view = NULL;
    mr_int64_text(wait->task_id, key);
    enum mr_status status = mr_tasks_get(waits->options.db, wait->user_id, key, &view, err);
    if (status == MR_NOT_FOUND)
        return begin_deleted(wait, err);
    if (status != MR_OK)
        return status;
    json_decref(wait->view);
    wait->view = view;
    return begin(wait, 201, "the task has ended", err);
}

/* True when the answer has begun. Without the database the request waits on. */
static bool begin_if_due(struct mr_task_waits *waits, struct wait *wait, bool stopped)
{
    struct mr_err ignored;
    if (!wait->is_open && !stopped && begin_ended(waits, wait, &ignored) == MR_OK)
        return true;
    if (!stopped && mr_time_monotonic_us() < wait->due_us && !mr_parked_is_gone(wait->parked))
        return false;
    wait->is_done = begin(wait, 202, "the task has not ended yet: follow it", &ignored) != MR_OK;
    return true;
}

/* Waits for nothing but the database. */
static void serve(struct mr_task_waits *waits, struct wait *wait, bool stopped)
{
    if (!wait->is_answered && begin_if_due(waits, wait, stopped)) {
        wait->is_answered = true;
        wait->due_us = mr_time_monotonic_us() + SEND_S * INT64_C(1000000);
    }
    if (wait->is_answered && mr_parked_send(wait->parked))
        wait->is_done = true;
}

static enum mr_status write_ids(struct wait *const *seen, size_t count, struct mr_buf *ids,
                                struct mr_err *err)
{
    MR_TRY(mr_buf_append_str(ids, "{", err));
    for (size_t i = 0; i < count; i++)
        MR_TRY(mr_buf_appendf(ids, err, "%s%" PRId64, i ? "," : "", seen[i]->task_id));
    return mr_buf_append_str(ids, "}", err);
}

static void mark(struct wait *const *seen, size_t count, const struct mr_rows *rows)
{
    for (size_t i = 0; i < count; i++)
        seen[i]->is_open = false;
    for (int row = 0; row < mr_rows_count(rows); row++)
        for (size_t i = 0; i < count; i++)
            seen[i]->is_open |= seen[i]->task_id == mr_rows_int64(rows, row, "id");
}

/* Which of the tasks have not ended; the others have, or were deleted. */
static enum mr_status look(const struct mr_task_waits *waits, size_t count, struct mr_err *err)
{
    static const struct mr_statement open = {"task_waits",
                                             "SELECT id FROM tasks WHERE id = ANY ($1::bigint[])"
                                             " AND (status IN ('uploaded', 'processing')) IS TRUE",
                                             1};
    MR_AUTO(mr_buf) struct mr_buf ids = MR_BUF_INIT(waits->options.max * ID_TEXT + 3);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(write_ids(waits->seen, count, &ids, err));
    MR_TRY(mr_db_exec(waits->options.db, &open, (const char *const[]){mr_buf_str(&ids)}, &rows, err));
    mark(waits->seen, count, rows);
    return MR_OK;
}

static void serve_all(struct mr_task_waits *waits, size_t count, bool stopped)
{
    struct mr_err err = {0};
    bool failed = count && !stopped && look(waits, count, &err) != MR_OK;
    if (failed && !waits->failure_is_logged)
        mr_log_err(waits->options.log, MR_LOG_WARNING, "requests that wait for tasks wait for the database",
                   &err, NULL);
    waits->failure_is_logged = failed;
    for (size_t i = 0; i < count; i++)
        serve(waits, waits->seen[i], stopped);
}

/* The time to send is over for those that were answered and are still not done. */
static void remove_done_locked(struct mr_task_waits *waits, bool all)
{
    const int64_t now_us = mr_time_monotonic_us();
    for (struct wait *wait = TAILQ_FIRST(&waits->list), *next; wait; wait = next) {
        next = TAILQ_NEXT(wait, in_list);
        if (!all && !wait->is_done && !(wait->is_answered && now_us > wait->due_us))
            continue;
        TAILQ_REMOVE(&waits->list, wait, in_list);
        waits->count--;
        wait_free(wait);
    }
}

static size_t collect_locked(const struct mr_task_waits *waits)
{
    size_t count = 0;
    struct wait *wait;
    for (wait = TAILQ_FIRST(&waits->list); wait; wait = TAILQ_NEXT(wait, in_list))
        waits->seen[count++] = wait;
    return count;
}

static void *run(void *arg)
{
    struct mr_task_waits *waits = arg;
    pthread_mutex_lock(&waits->lock);
    for (bool stopped = false; !stopped;) {
        const struct timespec due = mr_time_deadline(LOOK_EVERY_MS);
        if (waits->count == 0 && !waits->stopped)
            pthread_cond_wait(&waits->changed, &waits->lock);
        else if (!waits->stopped)
            pthread_cond_timedwait(&waits->changed, &waits->lock, &due);
        stopped = waits->stopped;
        size_t count = collect_locked(waits);
        pthread_mutex_unlock(&waits->lock);
        serve_all(waits, count, stopped);
        pthread_mutex_lock(&waits->lock);
        remove_done_locked(waits, stopped);
    }
    pthread_mutex_unlock(&waits->lock);
    return NULL;
}

enum mr_status mr_task_waits_start(const struct mr_task_waits_options *options, struct mr_task_waits **ret,
                                   struct mr_err *err)
{
    pthread_condattr_t attributes;
    MR_AUTO(mr_task_waits) struct mr_task_waits *waits = calloc(1, sizeof *waits);
    if (!waits)
        return mr_fail_oom(err);
    waits->options = *options;
    TAILQ_INIT(&waits->list);
    pthread_mutex_init(&waits->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&waits->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!(waits->seen = calloc(options->max, sizeof(struct wait *))))
        return mr_fail_oom(err);
    int failure = pthread_create(&waits->thread, NULL, run, waits);
    if (failure)
        return mr_fail_errno(err, MR_EXHAUSTED, failure, "start the thread of requests that wait");
    waits->runs = true;
    *ret = MR_TAKE(waits);
    return MR_OK;
}

void mr_task_waits_stop(struct mr_task_waits *waits)
{
    if (!waits)
        return;
    pthread_mutex_lock(&waits->lock);
    waits->stopped = true;
    pthread_cond_signal(&waits->changed);
    pthread_mutex_unlock(&waits->lock);
    if (waits->runs)
        pthread_join(waits->thread, NULL);
    waits->runs = false;
}

void mr_task_waits_free(struct mr_task_waits *waits)
{
    if (!waits)
        return;
    mr_task_waits_stop(waits);
    pthread_cond_destroy(&waits->changed);
    pthread_mutex_destroy(&waits->lock);
    free(waits->seen);
    free(waits);
}

static bool has_room_locked(const struct mr_task_waits *waits, int64_t user_id)
{
    size_t own = 0;
    const struct wait *other;
    for (other = TAILQ_FIRST(&waits->list); other; other = TAILQ_NEXT(other, in_list))
        own += other->user_id == user_id;
    return !waits->stopped && waits->count < waits->options.max && own < waits->options.max_of_user;
}

/* *ret is taken over if there is room for it, and then NULL. */
static enum mr_status park_locked(struct mr_task_waits *waits, struct mr_request *req, struct wait **wait,
                                  bool *ret_waits, struct mr_err *err)
{
    *ret_waits = has_room_locked(waits, (*wait)->user_id);
    if (!*ret_waits)
        return MR_OK;
    MR_TRY(mr_request_park(req, &(*wait)->parked, err));
    TAILQ_INSERT_TAIL(&waits->list, *wait, in_list);
    *wait = NULL;
    if (waits->count++ == 0)
        pthread_cond_signal(&waits->changed);
    return MR_OK;
}

enum mr_status mr_task_waits_add(struct mr_task_waits *waits, struct mr_request *req, int64_t user_id,
                                 const json_t *view, int64_t seconds, bool *ret_waits, struct mr_err *err)
{
    struct wait *wait = calloc(1, sizeof *wait);
    if (!wait)
        return mr_fail_oom(err);
    *wait = (struct wait){
        .view = json_deep_copy(view), /* jansson's counts of references are not for two threads */
        .user_id = user_id,
        .task_id = json_integer_value(json_object_get(view, "id")),
        .due_us = mr_time_monotonic_us() + seconds * INT64_C(1000000),
        .is_open = true};
    if (!wait->view) {
        wait_free(wait);
        return mr_fail_oom(err);
    }
    pthread_mutex_lock(&waits->lock);
    enum mr_status status = park_locked(waits, req, &wait, ret_waits, err);
    pthread_mutex_unlock(&waits->lock);
    wait_free(wait);
    return status;
}
