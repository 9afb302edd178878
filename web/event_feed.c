/*
 * The hub's thread that talks to the database. It goes round: take the notifications that came, tell what
 * they are about, let streams catch up, wait. When anything of the database fails it drops the connection,
 * counts all streams as lost (notifications may have been missed), and begins anew with a growing delay.
 */
#include "shared/base/encoding.h"
#include "shared/data/db_listen.h"
#include "shared/data/events.h"
#include "web/event_hub_internal.h"

#include <poll.h>

enum {
    NOTICES_MAX = 256,  /* taken at once */
    PENDING_MAX = 1024, /* tasks that changed and are still to be told */
    CATCH_UPS_MAX = 64, /* streams that catch up in one round */
    BODY_MAX = 1 << 20,
    CONNECT_MS = 10000,
    DELAY_MIN_MS = 100,
    DELAY_MAX_MS = 5000,
};

struct feed {
    struct mr_event_hub *hub;
    struct mr_db_listener *listener;
    struct mr_event_notice pending[PENDING_MAX];
    size_t pending_count;
    int64_t turn;   /* serial of the stream that was the last to catch up */
    int delay_ms;   /* before the next attempt */
    bool complains; /* the present failure has been logged */
};

/* ---- what is told ------------------------------------------------------------------ */

/* The lines of an event without its id. */
static enum mr_status append_body(struct mr_buf *body, const char *name, const json_t *data,
                                  struct mr_err *err)
{
    enum { DECIMAL_DIGITS = 15 }; /* as in answers: 12.3 stays 12.3 */
    MR_AUTO_STR char *text = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(DECIMAL_DIGITS));
    return text ? mr_buf_appendf(body, err, "event: %s\ndata: %s\n\n", name, text) : mr_fail_oom(err);
}

static enum mr_status append_task(struct mr_buf *body, const struct mr_task_event *event,
                                  enum mr_event_change change, struct mr_err *err)
{
    const char *name = event->is_final ? "result" : change == MR_CHANGED_PROGRESS ? "progress" : "state";
    return append_body(body, name, event->view, err);
}

static enum mr_status append_deletion(struct mr_buf *body, int64_t task_id, struct mr_err *err)
{
    MR_AUTO_JSON json_t *data = json_pack("{s:I}", "id", (json_int_t)task_id);
    return data ? append_body(body, "deleted", data, err) : mr_fail_oom(err);
}

/* ---- notifications ------------------------------------------------------------------- */

static bool wants(const struct mr_event_stream *stream, const struct mr_event_notice *notice)
{
    return stream->fd >= 0 && !stream->ending && stream->user_id == notice->user_id &&
           (stream->task_id == 0 || stream->task_id == notice->task_id);
}

static bool is_wanted_locked(const struct mr_event_hub *hub, const struct mr_event_notice *notice)
{
    for (const struct mr_event_stream *stream = hub->first; stream; stream = stream->next)
        if (wants(stream, notice))
            return true;
    return false;
}

/* Changes of one task become one. */
static void merge(struct feed *feed, const struct mr_event_notice *notice)
{
    for (size_t i = 0; i < feed->pending_count; i++) {
        struct mr_event_notice *old = &feed->pending[i];
        if (old->task_id != notice->task_id)
            continue;
        if (notice->event_id > old->event_id)
            old->event_id = notice->event_id;
        if (notice->change > old->change)
            old->change = notice->change;
        return;
    }
    feed->pending[feed->pending_count++] = *notice;
}

/* Takes up to NOTICES_MAX of what came and keeps what somebody wants; *ret_more if there may be more. */
static enum mr_status take_notices(struct feed *feed, bool *ret_more, struct mr_err *err)
{
    struct mr_event_notice notices[NOTICES_MAX];
    size_t count = 0;
    bool any = true;
    while (any && count < NOTICES_MAX) {
        char payload[MR_DB_PAYLOAD_MAX];
        enum mr_status status = mr_db_listener_next(feed->listener, &any, payload, err);
        if (status != MR_OK)
            return status;
        if (any &&
            mr_event_notice_parse(payload, &notices[count], NULL) == MR_OK) /* else: not our trigger's */
            count++;
    }
    *ret_more = any;
    pthread_mutex_lock(&feed->hub->lock);
    for (size_t i = 0; i < count; i++)
        if (is_wanted_locked(feed->hub, &notices[i]))
            merge(feed, &notices[i]);
    pthread_mutex_unlock(&feed->hub->lock);
    return MR_OK;
}

/* True for what the stream will read by itself while it catches up: told ahead, its id would say that the
 * client has had everything before it. Deletions it cannot read. */
static bool will_read(const struct mr_event_stream *stream, const struct mr_event_notice *notice)
{
    if (stream->place == MR_PLACE_LIVE)
        return false;
    if (stream->task_id)
        return true;
    return notice->change != MR_CHANGED_DELETED &&
           (stream->place == MR_PLACE_LOST || notice->event_id > stream->cursor);
}

/* True for what the stream has read already when it caught up. */
static bool has_read(const struct mr_event_stream *stream, const struct mr_event_notice *notice)
{
    if (stream->task_id)
        return notice->event_id <= stream->seen; /* the numbers of one task become visible in their order */
    for (size_t i = 0; i < stream->page_count; i++)
        if (stream->page[i] == notice->event_id)
            return true;
    return false;
}

static void tell_one(struct mr_event_stream *stream, const struct mr_event_notice *notice, bool is_last,
                     const struct mr_buf *body)
{
    if (stream->place == MR_PLACE_LIVE && !mr_event_stream_has_room(stream) &&
        notice->event_id > stream->seen) {
        stream->place = MR_PLACE_BEHIND; /* a burst, or a slow client: from here on it takes its own time */
        stream->cursor = stream->seen;
    }
    if (will_read(stream, notice) || has_read(stream, notice))
        return;
    mr_event_stream_tell(stream, stream->place == MR_PLACE_LIVE ? notice->event_id : 0, body);
    if (stream->task_id && is_last)
        mr_event_stream_end(stream);
}

static enum mr_status tell_all(struct feed *feed, const struct mr_event_notice *notice,
                               const struct mr_task_event *event, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf body = MR_BUF_INIT(BODY_MAX);
    enum mr_status status =
        event ? append_task(&body, event, notice->change, err) : append_deletion(&body, notice->task_id, err);
    if (status != MR_OK)
        return status;
    bool is_last = !event || event->is_final;
    pthread_mutex_lock(&feed->hub->lock);
    for (struct mr_event_stream *stream = feed->hub->first; stream; stream = stream->next)
        if (wants(stream, notice))
            tell_one(stream, notice, is_last, &body);
    pthread_mutex_unlock(&feed->hub->lock);
    return MR_OK;
}

static void drop_unwanted(struct feed *feed)
{
    size_t kept = 0;
    pthread_mutex_lock(&feed->hub->lock);
    for (size_t i = 0; i < feed->pending_count; i++)
        if (is_wanted_locked(feed->hub, &feed->pending[i]))
            feed->pending[kept++] = feed->pending[i];
    pthread_mutex_unlock(&feed->hub->lock);
    feed->pending_count = kept;
}

static int by_event(const void *a, const void *b)
{
    int64_t left = ((const struct mr_event_notice *)a)->event_id;
    int64_t right = ((const struct mr_event_notice *)b)->event_id;
    return (left > right) - (left < right);
}

static const struct mr_task_event *find_event(const struct mr_task_events *events, int64_t task_id)
{
    for (size_t i = 0; i < events->count; i++)
        if (events->items[i].task_id == task_id)
            return &events->items[i];
    return NULL;
}

/* Tells one pending notice; *ret_keep if it must wait for the next: a task that has changed since, whose
 * newer notification is on its way. (Of one that is gone the deletion is.) */
static enum mr_status tell_pending_one(struct feed *feed, const struct mr_event_notice *notice,
                                       const struct mr_task_events *events, bool *ret_keep,
                                       struct mr_err *err)
{
    *ret_keep = false;
    if (notice->change == MR_CHANGED_DELETED)
        return tell_all(feed, notice, NULL, err);
    const struct mr_task_event *event = find_event(events, notice->task_id);
    *ret_keep = event && event->event_id > notice->event_id;
    return event && !*ret_keep ? tell_all(feed, notice, event, err) : MR_OK;
}

static enum mr_status tell_pending(struct feed *feed, struct mr_err *err)
{
    drop_unwanted(feed);
    if (feed->pending_count == 0)
        return MR_OK;
    qsort(feed->pending, feed->pending_count, sizeof feed->pending[0], by_event);
    int64_t ids[PENDING_MAX];
    for (size_t i = 0; i < feed->pending_count; i++)
        ids[i] = feed->pending[i].task_id;
    MR_AUTO(mr_task_events) struct mr_task_events events = {0};
    enum mr_status status = mr_events_read(feed->hub->options.db, ids, feed->pending_count, &events, err);
    size_t kept = 0;
    for (size_t i = 0; status == MR_OK && i < feed->pending_count; i++) {
        bool keep = false;
        status = tell_pending_one(feed, &feed->pending[i], &events, &keep, err);
        if (keep)
            feed->pending[kept++] = feed->pending[i];
    }
    feed->pending_count = kept;
    if (status == MR_OK && kept > PENDING_MAX - NOTICES_MAX)
        status = mr_fail(err, MR_EXHAUSTED, "%zu tasks change faster than they are read", kept);
    return status; /* on failure everything is read anew: lose() */
}

/* ---- catching up ------------------------------------------------------------------------ */

/* A stream's state, taken while the lock was held; the stream may be gone when its page has been read. */
struct catch_up {
    int64_t serial, user_id, task_id, seen, cursor;
    enum mr_event_place place;
};

/* Takes the next streams that are behind and have room, in turn; *ret_more if there may be others. */
static size_t take_catch_ups(struct feed *feed, struct catch_up *jobs, bool *ret_more)
{
    size_t count = 0;
    int64_t after = feed->turn;
    pthread_mutex_lock(&feed->hub->lock);
    const struct mr_event_stream *stream = feed->hub->first;
    for (; stream && count < CATCH_UPS_MAX; stream = stream->next)
        if (stream->serial > after && stream->fd >= 0 && !stream->ending && stream->place != MR_PLACE_LIVE &&
            stream->queue.len == 0)
            jobs[count++] = (struct catch_up){stream->serial, stream->user_id, stream->task_id,
                                              stream->seen,   stream->cursor,  stream->place};
    feed->turn = stream ? jobs[count - 1].serial : 0;
    pthread_mutex_unlock(&feed->hub->lock);
    *ret_more = count > 0 || after > 0;
    return count;
}

static struct mr_event_stream *find_locked(const struct mr_event_hub *hub, int64_t serial)
{
    struct mr_event_stream *stream = hub->first;
    while (stream && stream->serial != serial)
        stream = stream->next;
    return stream && !stream->ending ? stream : NULL;
}

static enum mr_status catch_up_task(struct feed *feed, const struct catch_up *job, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf body = MR_BUF_INIT(BODY_MAX);
    MR_AUTO(mr_task_events) struct mr_task_events events = {0};
    enum mr_status status = mr_events_read(feed->hub->options.db, &job->task_id, 1, &events, err);
    if (status != MR_OK)
        return status;
    const struct mr_task_event *event = events.count ? &events.items[0] : NULL;
    status =
        event ? append_task(&body, event, MR_CHANGED_STATE, err) : append_deletion(&body, job->task_id, err);
    if (status != MR_OK)
        return status;
    pthread_mutex_lock(&feed->hub->lock);
    struct mr_event_stream *stream = find_locked(feed->hub, job->serial);
    if (stream) {
        stream->place = MR_PLACE_LIVE;
        if (!event || event->event_id > stream->seen)
            mr_event_stream_tell(stream, event ? event->event_id : stream->seen, &body);
        if (!event || event->is_final)
            mr_event_stream_end(stream);
    }
    pthread_mutex_unlock(&feed->hub->lock);
    return MR_OK;
}

static void tell_page_locked(struct mr_event_stream *stream, int64_t cursor,
                             const struct mr_task_events *events, const struct mr_buf *bodies)
{
    stream->cursor = cursor;
    stream->page_count = 0;
    for (size_t i = 0; i < events->count && mr_event_stream_has_room(stream); i++) {
        stream->cursor = events->items[i].event_id;
        stream->page[stream->page_count++] = stream->cursor;
        mr_event_stream_tell(stream, stream->cursor, &bodies[i]);
    }
    bool all = stream->page_count == events->count && events->count < MR_EVENT_PAGE;
    stream->place = all ? MR_PLACE_LIVE : MR_PLACE_BEHIND;
}

static enum mr_status tell_page(struct feed *feed, const struct catch_up *job, int64_t cursor,
                                const struct mr_task_events *events, struct mr_err *err)
{
    struct mr_buf bodies[MR_EVENT_PAGE];
    enum mr_status status = MR_OK;
    for (size_t i = 0; i < events->count; i++) {
        bodies[i] = MR_BUF_INIT(BODY_MAX);
        if (status == MR_OK)
            status = append_task(&bodies[i], &events->items[i], MR_CHANGED_STATE, err);
    }
    pthread_mutex_lock(&feed->hub->lock);
    struct mr_event_stream *stream = find_locked(feed->hub, job->serial);
    if (status == MR_OK && stream)
        tell_page_locked(stream, cursor, events, bodies);
    pthread_mutex_unlock(&feed->hub->lock);
    for (size_t i = 0; i < events->count; i++)
        mr_buf_free(&bodies[i]);
    return status;
}

static enum mr_status catch_up_user(struct feed *feed, const struct catch_up *job, struct mr_err *err)
{
    struct mr_db *db = feed->hub->options.db;
    int64_t cursor = job->cursor;
    MR_AUTO(mr_task_events) struct mr_task_events events = {0};
    enum mr_status status = MR_OK;
    if (job->place == MR_PLACE_LOST)
        status = mr_events_overlap(db, job->user_id, job->seen, &cursor, err);
    if (status == MR_OK)
        status = mr_events_after(db, job->user_id, cursor, job->seen, MR_EVENT_PAGE, &events, err);
    return status == MR_OK ? tell_page(feed, job, cursor, &events, err) : status;
}

/* One page for each; *ret_more if there may be more to read. */
static enum mr_status catch_up(struct feed *feed, bool *ret_more, struct mr_err *err)
{
    struct catch_up jobs[CATCH_UPS_MAX];
    size_t count = take_catch_ups(feed, jobs, ret_more);
    enum mr_status status = MR_OK;
    for (size_t i = 0; status == MR_OK && i < count; i++)
        status = jobs[i].task_id ? catch_up_task(feed, &jobs[i], err) : catch_up_user(feed, &jobs[i], err);
    return status;
}

/* ---- the rounds ---------------------------------------------------------------------------- */

/* Waits until there is something to do, or for timeout_ms; false when the hub stops. */
static bool wait_for_work(struct feed *feed, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = feed->hub->stop, .events = POLLIN},
                           {.fd = feed->hub->wake, .events = POLLIN},
                           {.fd = feed->listener ? mr_db_listener_fd(feed->listener) : -1, .events = POLLIN}};
    poll(fds, feed->listener ? 3 : 1, timeout_ms);
    uint64_t count;
    if (fds[1].revents)
        (void)!read(feed->hub->wake, &count, sizeof count);
    return fds[0].revents == 0;
}

/* Goes round until the hub stops (MR_OK) or the database fails. */
static enum mr_status serve(struct feed *feed, struct mr_err *err)
{
    enum mr_status status = mr_db_listen(feed->hub->options.conninfo, MR_EVENTS_CHANNEL, CONNECT_MS,
                                         feed->hub->stop, &feed->listener, err);
    bool more_notices = false, more_pages = true;
    while (status == MR_OK && wait_for_work(feed, more_notices || more_pages ? 0 : -1)) {
        status = take_notices(feed, &more_notices, err);
        if (status == MR_OK)
            status = tell_pending(feed, err);
        if (status == MR_OK)
            status = catch_up(feed, &more_pages, err);
        if (status != MR_OK)
            break;
        if (feed->complains)
            mr_log_write(feed->hub->options.log, MR_LOG_NOTICE, "events are told again", NULL);
        feed->complains = false;
        feed->delay_ms = DELAY_MIN_MS;
    }
    return status;
}

static void lose(struct feed *feed, const struct mr_err *cause)
{
    mr_db_listener_free(MR_TAKE(feed->listener));
    feed->pending_count = 0;
    pthread_mutex_lock(&feed->hub->lock);
    for (struct mr_event_stream *stream = feed->hub->first; stream; stream = stream->next)
        stream->place = MR_PLACE_LOST;
    bool stopped = feed->hub->stopped;
    pthread_mutex_unlock(&feed->hub->lock);
    if (!feed->complains && !stopped)
        mr_log_err(feed->hub->options.log, MR_LOG_WARNING, "events wait for the database", cause, NULL);
    feed->complains = true;
}

void *mr_event_feed_run(void *arg)
{
    struct feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return NULL;
    feed->hub = arg;
    feed->delay_ms = DELAY_MIN_MS;
    struct mr_err err = {0};
    while (serve(feed, &err) != MR_OK) {
        lose(feed, &err);
        if (!wait_for_work(feed, feed->delay_ms))
            break;
        feed->delay_ms = feed->delay_ms * 2 < DELAY_MAX_MS ? feed->delay_ms * 2 : DELAY_MAX_MS;
    }
    mr_db_listener_free(feed->listener);
    free(feed);
    return NULL;
}
