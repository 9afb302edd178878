#include "worker/dispatcher.h"

#include "shared/base/clock.h"
#include "shared/data/units.h"
#include "shared/data/waiting.h"
#include "worker/held.h"
#include "worker/metrics.h"
#include "worker/others.h"
#include "worker/push_answer.h"
#include "worker/queue_front.h"
#include "worker/recall.h"

#include <errno.h>

enum {
    WATCH_MS = 1000,       /* how soon the end of a lease or of a task is seen */
    RECALL_MS = 100,       /* how often tasks that were put off are recalled while slots get through them */
    DEADLINE_PERCENT = 90, /* of the ack deadline, when a push that waits is answered */
    LOOK_MAX = 256,        /* held pushes looked up in one statement */
    PUT_OFF_US = 600 * 1000000, /* how long tasks that were put off may be about, at most */
    SPREAD_US = 1 * 1000000, /* how long units wait for a slot of this worker, before others may have them */
};

struct push {
    struct mr_ticket ticket; /* the first member: push_of gets its address */
    struct mr_parked *request;
    struct mr_message message;
    struct mr_log log;
    struct mr_span span; /* from its arrival to its answer, if the message has a trace */
    mr_message_run *run;
    int64_t due_us; /* to be answered by then if no job has begun */
};

struct slot_thread {
    struct mr_dispatcher *dispatcher;
    enum mr_lane pool;
    pthread_t id;
};

struct mr_dispatcher {
    struct mr_worker *worker;
    struct mr_held held;
    struct mr_others others;
    struct mr_queue_front front;
    struct mr_recalls recalls;
    pthread_t watcher;
    bool has_watcher;
    size_t thread_count;  /* of those that run */
    pthread_mutex_t lock; /* protects all fields below */
    pthread_cond_t changed;
    bool stopping;
    bool woken;                   /* there is something to recall at once */
    int64_t put_off_us;           /* when a push was put off last; 0: never */
    struct slot_thread threads[]; /* not protected: written at the start */
};

static bool is_of_unit(const struct push *push)
{
    return push->run == mr_unit_run;
}

static struct push *push_of(struct mr_ticket *ticket)
{
    return (struct push *)ticket;
}

static void answer(struct mr_dispatcher *dispatcher, struct push *push, enum mr_job_end end)
{
    const bool is_failure = end == MR_JOB_FAILED || end == MR_JOB_EXHAUSTED || end == MR_JOB_RELEASED;
    mr_worker_metrics_answered(dispatcher->worker->metrics, end);
    mr_span_set_text(&push->span, "mediarun.end", mr_job_end_name(end));
    mr_span_end(&push->span, is_failure ? MR_INTERNAL : MR_OK);
    mr_parked_answer(push->request, mr_push_answer(end));
    free(push);
}

/* Answers a push whose job has not begun. */
static void finish(struct mr_dispatcher *dispatcher, struct push *push, enum mr_job_end end)
{
    mr_job_log_unclaimed(&push->log, &push->message, end);
    answer(dispatcher, push, end);
}

/* Beyond the bound the push is acknowledged, and the sweep sees to the task. */
static void hold(struct mr_dispatcher *dispatcher, struct push *push)
{
    switch (mr_held_add(&dispatcher->held, &push->ticket)) {
    case MR_HELD:
        break;
    case MR_HELD_FULL:
        finish(dispatcher, push, MR_JOB_ELSEWHERE);
        break;
    case MR_HELD_STOPPED:
        finish(dispatcher, push, MR_JOB_BUSY);
        break;
    }
}

/* As put_off. A push that waits for long takes a place of Pub/Sub's window from other tasks. for_others: only if those wait. */
static bool put_off_unit(struct mr_dispatcher *dispatcher, struct push *push, bool for_others)
{
    bool done = false;
    struct mr_err err;
    if (mr_units_put_off(dispatcher->worker->db, &push->message, for_others, &done, &err) != MR_OK)
        mr_log_err(&push->log, MR_LOG_WARNING, "cannot put a unit off", &err, NULL);
    if (!done)
        return false;
    mr_recalls_note_unit_put_off(&dispatcher->recalls);
    finish(dispatcher, push, MR_JOB_DEFERRED);
    return true;
}

/* True if the push was put off. Without the database it stays, and so it does if the task was claimed meanwhile. */
static bool put_off(struct mr_dispatcher *dispatcher, struct push *push)
{
    struct mr_db *db = dispatcher->worker->db;
    bool others = false, done = false;
    struct mr_err err;
    if (mr_others_wait(&dispatcher->others, db, push->ticket.user, push->message.high, &others, &err) !=
            MR_OK ||
        (others && mr_waiting_put_off(db, &push->message, &done, &err) != MR_OK)) {
        mr_log_err(&push->log, MR_LOG_WARNING, "cannot put a task off", &err, NULL);
        return false;
    }
    if (!done)
        return false;
    pthread_mutex_lock(&dispatcher->lock);
    dispatcher->put_off_us = mr_time_monotonic_us();
    pthread_mutex_unlock(&dispatcher->lock);
    mr_recalls_note_put_off(&dispatcher->recalls);
    finish(dispatcher, push, MR_JOB_DEFERRED);
    return true;
}

static void join_slots(struct mr_dispatcher *dispatcher, struct push *push)
{
    if (!mr_slots_join(&dispatcher->worker->slots, &push->ticket))
        finish(dispatcher, push, MR_JOB_BUSY);
}

/* The push may be answered and freed when this returns, as with all functions that hand it on. */
static void await_slot(struct mr_dispatcher *dispatcher, struct push *push)
{
    if (mr_slots_has_share(&dispatcher->worker->slots, &push->ticket) &&
        (is_of_unit(push) ? put_off_unit(dispatcher, push, true) : put_off(dispatcher, push)))
        return;
    join_slots(dispatcher, push);
}

static void place(struct mr_dispatcher *dispatcher, struct push *push, const struct mr_waiting *task)
{
    switch (task->state) {
    case MR_WAITING_STALE:
        finish(dispatcher, push, MR_JOB_STALE);
        break;
    case MR_WAITING_ELSEWHERE:
        hold(dispatcher, push);
        break;
    case MR_WAITING_READY:
        push->ticket.user = task->user;
        await_slot(dispatcher, push);
        break;
    }
}

static bool is_of_task(const struct push *push)
{
    return push->run == mr_job_run;
}

static struct mr_waiting task_of(const struct push *push)
{
    return (struct mr_waiting){.task_id = push->message.task_id, .generation = push->message.generation};
}

/* What became of the units of held pushes; they are few. After a failure they count as running. */
static enum mr_status look_at_unit(struct mr_dispatcher *dispatcher, const struct push *push,
                                   struct mr_waiting *ret, struct mr_err *err)
{
    static const enum mr_waiting_state states[] = {[MR_CLAIM_OURS] = MR_WAITING_READY,
                                                   [MR_CLAIM_ELSEWHERE] = MR_WAITING_ELSEWHERE,
                                                   [MR_CLAIM_STALE] = MR_WAITING_STALE};
    enum mr_claim_outcome outcome = MR_CLAIM_STALE;
    MR_TRY(mr_unit_look(dispatcher->worker->db, &push->message, &outcome, &ret->user, err));
    ret->state = states[outcome];
    return MR_OK;
}

static enum mr_status look(struct mr_dispatcher *dispatcher, const struct push *push, struct mr_waiting *task,
                           struct mr_err *err)
{
    return is_of_unit(push) ? look_at_unit(dispatcher, push, task, err)
                            : mr_waiting_look(dispatcher->worker->db, task, 1, err);
}

static void admit(struct mr_dispatcher *dispatcher, struct push *push)
{
    struct mr_waiting task = task_of(push);
    struct mr_err err;
    if (!is_of_task(push) && !is_of_unit(push)) {
        await_slot(dispatcher, push);
    } else if (look(dispatcher, push, &task, &err) != MR_OK) {
        mr_log_err(&push->log, MR_LOG_WARNING, "cannot look the task up", &err, "{s:I}", "task_id",
                   (json_int_t)task.task_id);
        answer(dispatcher, push, MR_JOB_RELEASED);
    } else {
        place(dispatcher, push, &task);
    }
}

static void begin_span(struct push *push, struct mr_tracer *tracer)
{
    if (!push->message.traceparent[0])
        return;
    push->span = mr_span_begin(tracer, &push->log, "push", MR_SPAN_CONSUMER);
    mr_span_set_text(&push->span, "mediarun.kind", push->message.kind);
    mr_span_set_number(&push->span, "mediarun.task_id", push->message.task_id);
    mr_span_enter(&push->span, &push->log);
}

enum mr_status mr_dispatcher_take(struct mr_dispatcher *dispatcher, struct mr_request *req,
                                  mr_message_run *run, const struct mr_message *message,
                                  const struct mr_log *log, struct mr_err *err)
{
    int64_t wait_us = dispatcher->worker->config->ack_deadline_s * 1000000 * DEADLINE_PERCENT / 100;
    struct push *push = calloc(1, sizeof *push);
    if (!push)
        return mr_fail_oom(err);
    *push = (struct push){
        .ticket = {.lane = mr_lane_of(message), .task = run == mr_unit_run ? message->task_id : 0},
        .message = *message,
        .log = *log,
        .run = run,
        .due_us = mr_time_monotonic_us() + wait_us};
    enum mr_status status = mr_request_park(req, &push->request, err);
    if (status != MR_OK) {
        free(push);
        return status;
    }
    begin_span(push, dispatcher->worker->tracer);
    if (is_of_task(push))
        mr_queue_front_note(&dispatcher->front, push->ticket.lane, message->published_s);
    admit(dispatcher, push);
    return MR_OK;
}

/* A user's older task goes first if it was put off. Only asked while this worker puts pushes off. */
static void let_older_pass(struct mr_dispatcher *dispatcher, struct push *push)
{
    struct mr_err err;
    pthread_mutex_lock(&dispatcher->lock);
    int64_t put_off_us = dispatcher->put_off_us;
    pthread_mutex_unlock(&dispatcher->lock);
    if (!is_of_task(push) || !put_off_us || mr_time_monotonic_us() - put_off_us > PUT_OFF_US)
        return;
    if (mr_waiting_exchange(dispatcher->worker->db, &push->message, &err) != MR_OK)
        mr_log_err(&push->log, MR_LOG_WARNING, "cannot look for older tasks", &err, NULL);
}

/* The slot of a unit is idle until another one comes. */
static void wake(struct mr_dispatcher *dispatcher)
{
    pthread_mutex_lock(&dispatcher->lock);
    dispatcher->woken = true;
    pthread_cond_signal(&dispatcher->changed);
    pthread_mutex_unlock(&dispatcher->lock);
}

static void *run_slot(void *arg)
{
    const struct slot_thread *thread = arg;
    struct mr_dispatcher *dispatcher = thread->dispatcher;
    struct mr_slots *slots = &dispatcher->worker->slots;
    struct mr_ticket *ticket;
    while ((ticket = mr_slots_next(slots, thread->pool))) {
        struct push *push = push_of(ticket);
        let_older_pass(dispatcher, push);
        enum mr_job_end end = push->run(dispatcher->worker, &push->message, &push->log, ticket);
        mr_slots_leave(slots, ticket);
        mr_recalls_note_end(&dispatcher->recalls, is_of_unit(push));
        if (is_of_unit(push))
            wake(dispatcher);
        if (end == MR_JOB_YIELDED)
            admit(dispatcher, push);
        else if (end == MR_JOB_ELSEWHERE && (is_of_task(push) || is_of_unit(push)))
            hold(dispatcher, push);
        else
            answer(dispatcher, push, end);
    }
    return NULL;
}

static bool is_over(const struct mr_ticket *ticket, void *ctx)
{
    const struct push *push = (const struct push *)ticket; /* as push_of */
    return *(const int64_t *)ctx >= push->due_us || mr_parked_is_gone(push->request);
}

static bool is_any(const struct mr_ticket *ticket, void *ctx)
{
    (void)ticket;
    (void)ctx;
    return true;
}

static void refuse_all(struct mr_dispatcher *dispatcher, struct mr_tickets *tickets)
{
    for (struct mr_ticket *ticket; (ticket = TAILQ_FIRST(tickets));) {
        TAILQ_REMOVE(tickets, ticket, entry);
        finish(dispatcher, push_of(ticket), MR_JOB_BUSY);
    }
}

static void refuse_waiting(struct mr_dispatcher *dispatcher, mr_ticket_test *is_refused)
{
    struct mr_tickets refused = TAILQ_HEAD_INITIALIZER(refused);
    int64_t now_us = mr_time_monotonic_us();
    mr_slots_take_out(&dispatcher->worker->slots, is_refused, &now_us, &refused);
    refuse_all(dispatcher, &refused);
}

/* Others' tasks may wait by now. */
static void reconsider_excess(struct mr_dispatcher *dispatcher)
{
    struct mr_tickets excess = TAILQ_HEAD_INITIALIZER(excess);
    mr_slots_take_out_excess(&dispatcher->worker->slots, &excess);
    for (struct mr_ticket *ticket; (ticket = TAILQ_FIRST(&excess));) {
        TAILQ_REMOVE(&excess, ticket, entry);
        await_slot(dispatcher, push_of(ticket));
    }
}

/* A unit that waits here would not run in another worker, and its push takes a place of Pub/Sub's window, which grows with
 * every answer. Whichever worker has an idle slot recalls it. */
static void spread_units(struct mr_dispatcher *dispatcher)
{
    struct mr_tickets units = TAILQ_HEAD_INITIALIZER(units);
    mr_slots_take_out_units(&dispatcher->worker->slots, SPREAD_US, &units);
    for (struct mr_ticket *ticket; (ticket = TAILQ_FIRST(&units));) {
        TAILQ_REMOVE(&units, ticket, entry);
        if (!put_off_unit(dispatcher, push_of(ticket), false))
            join_slots(dispatcher, push_of(ticket));
    }
}

/* Takes the first of the held pushes, at most LOOK_MAX, to where they belong by now. */
static void look_at_first(struct mr_dispatcher *dispatcher, struct mr_tickets *held)
{
    struct mr_waiting tasks[LOOK_MAX];
    size_t count = 0;
    struct mr_ticket *ticket;
    struct mr_err err;
    for (ticket = TAILQ_FIRST(held); ticket && count < LOOK_MAX; ticket = TAILQ_NEXT(ticket, entry))
        tasks[count++] = task_of(push_of(ticket));
    bool failed = mr_waiting_look(dispatcher->worker->db, tasks, count, &err) != MR_OK;
    if (failed)
        mr_log_err(dispatcher->worker->log, MR_LOG_WARNING, "cannot look at held tasks", &err, NULL);
    int64_t now_us = mr_time_monotonic_us();
    for (size_t i = 0; i < count; i++) {
        ticket = TAILQ_FIRST(held);
        TAILQ_REMOVE(held, ticket, entry);
        if (failed || (is_of_unit(push_of(ticket)) &&
                       look_at_unit(dispatcher, push_of(ticket), &tasks[i], &err) != MR_OK))
            tasks[i].state = MR_WAITING_ELSEWHERE; /* still, as far as we know */
        if (is_over(ticket, &now_us))
            finish(dispatcher, push_of(ticket), MR_JOB_BUSY);
        else
            place(dispatcher, push_of(ticket), &tasks[i]);
    }
}

static void watch_held(struct mr_dispatcher *dispatcher)
{
    struct mr_tickets held = TAILQ_HEAD_INITIALIZER(held);
    mr_held_take(&dispatcher->held, &held);
    while (!TAILQ_EMPTY(&held))
        look_at_first(dispatcher, &held);
}

/* Or shorter, after wake. False when it is time to stop. */
static bool wait_for(struct mr_dispatcher *dispatcher, int ms)
{
    const struct timespec until = mr_time_deadline(ms);
    int waited = 0;
    pthread_mutex_lock(&dispatcher->lock);
    while (!dispatcher->stopping && !dispatcher->woken && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&dispatcher->changed, &dispatcher->lock, &until);
    bool stopping = dispatcher->stopping;
    dispatcher->woken = false;
    pthread_mutex_unlock(&dispatcher->lock);
    return !stopping;
}

static bool wait_for_round(struct mr_dispatcher *dispatcher)
{
    for (int waited_ms = 0, ms; waited_ms < WATCH_MS; waited_ms += ms) {
        ms = mr_recalls_pending(&dispatcher->recalls) ? RECALL_MS : WATCH_MS;
        if (!wait_for(dispatcher, ms))
            return false;
        mr_recalls_for_ended(&dispatcher->recalls, dispatcher->worker);
    }
    return true;
}

static void *watch(void *arg)
{
    struct mr_dispatcher *dispatcher = arg;
    while (wait_for_round(dispatcher)) {
        mr_queue_front_tell(&dispatcher->front, dispatcher->worker->db, dispatcher->worker->log);
        refuse_waiting(dispatcher, is_over);
        reconsider_excess(dispatcher);
        spread_units(dispatcher);
        watch_held(dispatcher);
        mr_recalls_for_idle_slots(&dispatcher->recalls, dispatcher->worker);
    }
    struct mr_tickets held = TAILQ_HEAD_INITIALIZER(held);
    mr_held_take(&dispatcher->held, &held);
    refuse_all(dispatcher, &held);
    refuse_waiting(dispatcher, is_any);
    return NULL;
}

static struct mr_dispatcher *new_dispatcher(struct mr_worker *worker, size_t slots)
{
    struct mr_dispatcher *dispatcher = calloc(1, sizeof *dispatcher + slots * sizeof *dispatcher->threads);
    if (!dispatcher)
        return NULL;
    dispatcher->worker = worker;
    mr_held_init(&dispatcher->held, (int)worker->config->parked_pushes);
    mr_others_init(&dispatcher->others);
    mr_recalls_init(&dispatcher->recalls);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&dispatcher->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&dispatcher->lock, NULL);
    return dispatcher;
}

static enum mr_status start_threads(struct mr_dispatcher *dispatcher, const int counts[MR_LANES],
                                    struct mr_err *err)
{
    int failure = pthread_create(&dispatcher->watcher, NULL, watch, dispatcher);
    dispatcher->has_watcher = failure == 0;
    for (enum mr_lane lane = MR_LANE_NORMAL; lane < MR_LANES; lane++)
        for (int i = 0; i < counts[lane] && !failure; i++) {
            struct slot_thread *thread = &dispatcher->threads[dispatcher->thread_count];
            *thread = (struct slot_thread){.dispatcher = dispatcher, .pool = lane};
            failure = pthread_create(&thread->id, NULL, run_slot, thread);
            dispatcher->thread_count += failure == 0;
        }
    return failure ? mr_fail_errno(err, MR_EXHAUSTED, failure, "start the threads of the slots") : MR_OK;
}

enum mr_status mr_dispatcher_start(struct mr_worker *worker, const int counts[MR_LANES],
                                   struct mr_dispatcher **ret, struct mr_err *err)
{
    size_t slots = 0;
    for (int lane = 0; lane < MR_LANES; lane++)
        slots += (size_t)counts[lane];
    struct mr_dispatcher *dispatcher = new_dispatcher(worker, slots);
    if (!dispatcher)
        return mr_fail_oom(err);
    enum mr_status status = start_threads(dispatcher, counts, err);
    if (status != MR_OK) {
        mr_dispatcher_stop(dispatcher);
        mr_dispatcher_free(dispatcher);
        return status;
    }
    *ret = dispatcher;
    return MR_OK;
}

void mr_dispatcher_stop(struct mr_dispatcher *dispatcher)
{
    mr_slots_stop(&dispatcher->worker->slots);
    mr_held_stop(&dispatcher->held);
    pthread_mutex_lock(&dispatcher->lock);
    dispatcher->stopping = true;
    pthread_cond_signal(&dispatcher->changed);
    pthread_mutex_unlock(&dispatcher->lock);
    if (dispatcher->has_watcher)
        pthread_join(dispatcher->watcher, NULL);
    for (size_t i = 0; i < dispatcher->thread_count; i++)
        pthread_join(dispatcher->threads[i].id, NULL);
}

int mr_dispatcher_held(struct mr_dispatcher *dispatcher)
{
    return mr_held_count(&dispatcher->held);
}

void mr_dispatcher_free(struct mr_dispatcher *dispatcher)
{
    if (!dispatcher)
        return;
    mr_held_destroy(&dispatcher->held);
    mr_others_destroy(&dispatcher->others);
    mr_recalls_destroy(&dispatcher->recalls);
    pthread_cond_destroy(&dispatcher->changed);
    pthread_mutex_destroy(&dispatcher->lock);
    free(dispatcher);
}
