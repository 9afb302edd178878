#include "web/admission.h"

#include "shared/base/clock.h"
#include "shared/data/idempotency.h"
#include "shared/data/outbox.h"

#include <pthread.h>
#include <semaphore.h>

enum { BATCH_MAX = 256, LANES = 2, SETTLED_MAX = 64 };

/* One waiting request, on the stack of its thread. It is the committer's until `answered` is posted. */
struct ticket {
    struct ticket *next;
    const struct mr_task_draft *draft;
    json_t *view;
    enum mr_quota over; /* the quota that the user would exceed */
    enum mr_status status;
    struct mr_err err;
    sem_t answered;
};

struct mr_admission {
    struct mr_db *db;
    const struct mr_publisher *to;
    const struct mr_quotas *quotas;
    const struct mr_log *log;
    pthread_t committer, publisher;
    pthread_mutex_t lock;     /* protects all fields below */
    pthread_cond_t arrived;   /* something for the committer */
    pthread_cond_t inserted;  /* something for the publisher */
    pthread_cond_t published; /* the publisher is free */
    struct ticket *first, **last;
    struct batch *outgoing;       /* the publisher's */
    int64_t settled[SETTLED_MAX]; /* published batches, which the outbox still has */
    size_t settled_count;
    bool stopping, ended; /* ended: the publisher gets no more */
};

struct batch {
    struct ticket *tickets[BATCH_MAX];
    const struct mr_task_draft *drafts[BATCH_MAX];
    json_t *views[BATCH_MAX];
    enum mr_quota over[BATCH_MAX];
    size_t count;
    int64_t id; /* in the outbox */
};

/* Published batches, as the committer tells the outbox. */
struct settled {
    int64_t ids[SETTLED_MAX];
    size_t count;
};

static struct settled settled_so_far(struct mr_admission *admission)
{
    struct settled settled;
    pthread_mutex_lock(&admission->lock);
    settled.count = admission->settled_count;
    memcpy(settled.ids, admission->settled, settled.count * sizeof *settled.ids);
    pthread_mutex_unlock(&admission->lock);
    return settled;
}

/* The publisher may have added others. */
static void forget_settled(struct mr_admission *admission, size_t count)
{
    pthread_mutex_lock(&admission->lock);
    admission->settled_count -= count;
    memmove(admission->settled, admission->settled + count,
            admission->settled_count * sizeof *admission->settled);
    pthread_mutex_unlock(&admission->lock);
}

static enum mr_status insert(struct mr_admission *admission, const struct batch *batch,
                             const struct mr_task_draft *const *drafts, size_t count, json_t **ret_views,
                             enum mr_quota *ret_over, struct mr_err *err)
{
    const struct settled settled = settled_so_far(admission);
    const struct mr_outbox_batch outbox = {batch->id, settled.ids, settled.count};
    MR_TRY(mr_tasks_insert_within(admission->db, admission->quotas, &outbox, drafts, count, ret_views,
                                  ret_over, err));
    forget_settled(admission, settled.count);
    return MR_OK;
}

static bool is_in_time(int64_t due_us)
{
    return mr_time_monotonic_us() < due_us;
}

/* Those whose turn does not come in time share the batch's failure. */
static void insert_one_by_one(struct mr_admission *admission, struct batch *batch, int64_t due_us,
                              const struct mr_err *failure)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct ticket *ticket = batch->tickets[i];
        ticket->err = *failure;
        ticket->status = failure->status;
        if (is_in_time(due_us))
            ticket->status =
                insert(admission, batch, &ticket->draft, 1, &ticket->view, &ticket->over, &ticket->err);
    }
}

static enum mr_status insert_batch(struct mr_admission *admission, struct batch *batch, struct mr_err *err)
{
    return insert(admission, batch, batch->drafts, batch->count, batch->views, batch->over, err);
}

/* A database that does not answer keeps no request longer than a statement and the rest of this time. */
static void insert_all(struct mr_admission *admission, struct batch *batch)
{
    const int64_t due_us = mr_time_monotonic_us() + MR_TASKS_INSERT_MS * INT64_C(1000);
    struct mr_err err = {0};
    enum mr_status status = mr_outbox_batch_new(&batch->id, &err);
    if (status == MR_OK)
        status = insert_batch(admission, batch, &err);
    if (status == MR_UNAVAILABLE && is_in_time(due_us)) /* a stale connection? safe: file_id is unique */
        status = insert_batch(admission, batch, &err);
    if (status != MR_OK && batch->id && batch->count > 1) {
        insert_one_by_one(admission, batch, due_us, &err); /* one bad row must not fail the others */
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        batch->tickets[i]->status = status;
        batch->tickets[i]->err = err;
        batch->tickets[i]->view = status == MR_OK ? batch->views[i] : NULL;
        batch->tickets[i]->over = status == MR_OK ? batch->over[i] : MR_QUOTA_NONE;
    }
}

/* The inserted tasks of one priority: a lane that cannot be published concerns no other. */
struct outgoing {
    struct mr_message messages[BATCH_MAX];
    size_t count;
};

/* Drafts that were not inserted have no message. */
static void collect(const struct batch *batch, bool high, struct outgoing *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct mr_task_draft *draft = batch->drafts[i];
        if (!batch->tickets[i]->view || (strcmp(draft->priority, "high") == 0) != high)
            continue;
        struct mr_message *message = &ret->messages[ret->count++];
        *message = (struct mr_message){
            .task_id = json_integer_value(json_object_get(batch->tickets[i]->view, "id")),
            .generation = 1,
            .high = high,
        };
        snprintf(message->kind, sizeof message->kind, "%s", draft->kind);
        snprintf(message->traceparent, sizeof message->traceparent, "%s", draft->traceparent);
    }
}

static bool publish(struct mr_admission *admission, const struct outgoing *outgoing)
{
    struct mr_err err;
    bool is_published =
        mr_publish(admission->to, outgoing->messages, outgoing->count, MR_PUBLISH_REQUEST_MS, &err) == MR_OK;
    if (!is_published)
        mr_log_err(admission->log, MR_LOG_WARNING, "cannot publish tasks: the sweep will", &err, "{s:I,s:b}",
                   "tasks", (json_int_t)outgoing->count, "high", outgoing->messages[0].high);
    return is_published;
}

/* What is left unsettled is published twice, by the sweep. */
static void settle(struct mr_admission *admission)
{
    struct mr_err err;
    const struct settled settled = settled_so_far(admission);
    if (mr_outbox_settle(admission->db, settled.ids, settled.count, &err) != MR_OK)
        mr_log_err(admission->log, MR_LOG_WARNING,
                   "cannot note batches as published: they will be published twice", &err, "{s:I}", "batches",
                   (json_int_t)settled.count);
    forget_settled(admission, settled.count);
}

static void note_published(struct mr_admission *admission, const struct batch *batch, bool high)
{
    pthread_mutex_lock(&admission->lock);
    if (admission->settled_count < SETTLED_MAX)
        admission->settled[admission->settled_count++] = mr_outbox_batch_of(batch->id, high);
    pthread_mutex_unlock(&admission->lock);
}

/* Each thread is woken by itself: none of those that wait for another batch. From here on the tickets are theirs. */
static void answer(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        sem_post(&batch->tickets[i]->answered);
}

static void publish_batch(struct mr_admission *admission, const struct batch *batch)
{
    for (int high = 0; high < LANES; high++) {
        struct outgoing outgoing;
        collect(batch, high, &outgoing);
        if (outgoing.count > 0 && publish(admission, &outgoing))
            note_published(admission, batch, high);
    }
    answer(batch);
}

static void *publisher(void *arg)
{
    struct mr_admission *admission = arg;
    pthread_mutex_lock(&admission->lock);
    for (;;) {
        while (!admission->outgoing && !admission->ended)
            pthread_cond_wait(&admission->inserted, &admission->lock);
        if (!admission->outgoing)
            break;
        pthread_mutex_unlock(&admission->lock);
        publish_batch(admission, admission->outgoing);
        pthread_mutex_lock(&admission->lock);
        admission->outgoing = NULL;
        pthread_cond_signal(&admission->published);
        pthread_cond_signal(&admission->arrived);
    }
    pthread_mutex_unlock(&admission->lock);
    return NULL;
}

/* Waits until the batch before is published. */
static void hand_over(struct mr_admission *admission, struct batch *batch)
{
    pthread_mutex_lock(&admission->lock);
    while (admission->outgoing)
        pthread_cond_wait(&admission->published, &admission->lock);
    admission->outgoing = batch;
    pthread_cond_signal(&admission->inserted);
    pthread_mutex_unlock(&admission->lock);
}

/* Waits for tickets, or something to settle, and takes up to BATCH_MAX tickets; false when the admission stops and nothing
 * is left. */
static bool take_batch(struct mr_admission *admission, struct batch *batch)
{
    batch->count = 0;
    batch->id = 0;
    pthread_mutex_lock(&admission->lock);
    while (!admission->first && !admission->settled_count && !(admission->stopping && !admission->outgoing))
        pthread_cond_wait(&admission->arrived, &admission->lock);
    while (admission->first && batch->count < BATCH_MAX) {
        struct ticket *ticket = admission->first;
        admission->first = ticket->next;
        batch->tickets[batch->count] = ticket;
        batch->drafts[batch->count++] = ticket->draft;
    }
    if (!admission->first)
        admission->last = &admission->first;
    bool any = batch->count > 0 || admission->settled_count > 0;
    pthread_mutex_unlock(&admission->lock);
    return any;
}

/* One batch is inserted while the one before is published. */
static void *committer(void *arg)
{
    struct mr_admission *admission = arg;
    struct batch batches[2];
    struct batch *batch = &batches[0];
    while (take_batch(admission, batch)) {
        if (!batch->count) {
            settle(admission);
            continue;
        }
        insert_all(admission, batch);
        hand_over(admission, batch);
        batch = batch == &batches[0] ? &batches[1] : &batches[0];
    }
    return NULL;
}

/* A draft was left out: its key or its upload has been used before, or a quota is used up. A repeated request gets the
 * task of its key all the same. */
static enum mr_status resolve(struct mr_admission *admission, const struct ticket *ticket, json_t **ret_view,
                              struct mr_err *err)
{
    if (!ticket->over)
        return mr_idempotency_resolve(admission->db, ticket->draft, ret_view, err);
    if (ticket->draft->idempotency_key &&
        mr_idempotency_resolve(admission->db, ticket->draft, ret_view, NULL) == MR_OK)
        return MR_OK;
    return mr_quota_refuse(admission->quotas, ticket->over, ticket->draft->is_guest, err);
}

enum mr_status mr_admission_submit(struct mr_admission *admission, const struct mr_task_draft *draft,
                                   json_t **ret_view, struct mr_err *err)
{
    struct ticket ticket = {.draft = draft};
    sem_init(&ticket.answered, 0, 0);
    pthread_mutex_lock(&admission->lock);
    *admission->last = &ticket;
    admission->last = &ticket.next;
    pthread_cond_signal(&admission->arrived);
    pthread_mutex_unlock(&admission->lock);
    while (sem_wait(&ticket.answered) != 0)
        ; /* a signal */
    sem_destroy(&ticket.answered);
    if (ticket.status != MR_OK)
        return mr_fail_from(err, &ticket.err);
    if (!ticket.view)
        return resolve(admission, &ticket, ret_view, err);
    *ret_view = ticket.view;
    return MR_OK;
}

static enum mr_status start_thread(pthread_t *ret, void *(*run)(void *), struct mr_admission *admission,
                                   struct mr_err *err)
{
    int failure = pthread_create(ret, NULL, run, admission);
    return failure ? mr_fail_errno(err, MR_EXHAUSTED, failure, "start a thread that admits tasks") : MR_OK;
}

static void end_publisher(struct mr_admission *admission)
{
    pthread_mutex_lock(&admission->lock);
    admission->ended = true;
    pthread_cond_signal(&admission->inserted);
    pthread_mutex_unlock(&admission->lock);
    pthread_join(admission->publisher, NULL);
}

static void free_admission(struct mr_admission *admission)
{
    pthread_cond_destroy(&admission->published);
    pthread_cond_destroy(&admission->inserted);
    pthread_cond_destroy(&admission->arrived);
    pthread_mutex_destroy(&admission->lock);
    free(admission);
}

static enum mr_status start_threads(struct mr_admission *admission, struct mr_err *err)
{
    MR_TRY(start_thread(&admission->publisher, publisher, admission, err));
    enum mr_status status = start_thread(&admission->committer, committer, admission, err);
    if (status != MR_OK)
        end_publisher(admission);
    return status;
}

enum mr_status mr_admission_start(struct mr_db *db, const struct mr_publisher *to,
                                  const struct mr_quotas *quotas, const struct mr_log *log,
                                  struct mr_admission **ret, struct mr_err *err)
{
    struct mr_admission *admission = calloc(1, sizeof *admission);
    if (!admission)
        return mr_fail_oom(err);
    admission->db = db;
    admission->to = to;
    admission->quotas = quotas;
    admission->log = log;
    admission->last = &admission->first;
    pthread_mutex_init(&admission->lock, NULL);
    pthread_cond_init(&admission->arrived, NULL);
    pthread_cond_init(&admission->inserted, NULL);
    pthread_cond_init(&admission->published, NULL);
    enum mr_status status = start_threads(admission, err);
    if (status != MR_OK) {
        free_admission(admission);
        return status;
    }
    *ret = admission;
    return MR_OK;
}

void mr_admission_stop(struct mr_admission *admission)
{
    if (!admission)
        return;
    pthread_mutex_lock(&admission->lock);
    admission->stopping = true;
    pthread_cond_signal(&admission->arrived);
    pthread_mutex_unlock(&admission->lock);
    pthread_join(admission->committer, NULL);
    end_publisher(admission);
    free_admission(admission);
}
