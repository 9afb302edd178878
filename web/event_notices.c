/*
 * The feed's way from a notification to the streams that are live. Each changed task is read once, however
 * many streams want it; several changes of one task become one event with the newest state.
 */
#include "web/event_feed.h"
#include "web/event_text.h"

#include <stdlib.h>

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

/* Merges changes of the same task. */
static void add_pending(struct mr_event_feed *feed, const struct mr_event_notice *notice)
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

/* Ends all streams of the user: clients that are still permitted connect again. */
static void end_streams_locked(struct mr_event_hub *hub, int64_t user_id)
{
    for (struct mr_event_stream *stream = hub->first; stream; stream = stream->next) {
        if (stream->user_id != user_id)
            continue;
        stream->ends_us = 0; /* also of one that is only reserved */
        if (stream->fd >= 0)
            mr_event_stream_end(stream);
    }
}

enum mr_status mr_event_feed_take_notices(struct mr_event_feed *feed, bool *ret_more, struct mr_err *err)
{
    struct mr_event_notice notices[MR_EVENT_NOTICES_MAX];
    size_t count = 0;
    bool any = true;
    while (any && count < MR_EVENT_NOTICES_MAX) {
        char payload[MR_DB_PAYLOAD_MAX];
        MR_TRY(mr_db_listener_next(feed->listener, &any, payload, err));
        /* A payload that cannot be parsed was not sent by the trigger. */
        if (any && mr_event_notice_parse(payload, &notices[count], NULL) == MR_OK)
            count++;
    }
    *ret_more = any;
    pthread_mutex_lock(&feed->hub->lock);
    for (size_t i = 0; i < count; i++)
        if (notices[i].change == MR_CHANGED_ACCESS)
            end_streams_locked(feed->hub, notices[i].user_id);
        else if (is_wanted_locked(feed->hub, &notices[i]))
            add_pending(feed, &notices[i]);
    pthread_mutex_unlock(&feed->hub->lock);
    return MR_OK;
}

/* True if the stream reads the change itself while it catches up. Sent now, its id would mean that the client
 * has everything before it. Deletions cannot be read later. */
static bool will_read(const struct mr_event_stream *stream, const struct mr_event_notice *notice)
{
    if (stream->place == MR_PLACE_LIVE)
        return false;
    if (stream->task_id)
        return true;
    return notice->change != MR_CHANGED_DELETED &&
           (stream->place == MR_PLACE_LOST || notice->event_id > stream->cursor);
}

/* True if the stream read the change when it caught up. */
static bool has_read(const struct mr_event_stream *stream, const struct mr_event_notice *notice)
{
    if (stream->task_id)
        return notice->event_id <= stream->seen; /* the numbers of one task become visible in their order */
    for (size_t i = 0; i < stream->page_count; i++)
        if (stream->page[i] == notice->event_id)
            return true;
    return false;
}

static void send_to_stream(struct mr_event_stream *stream, const struct mr_event_notice *notice, bool is_last,
                           const struct mr_buf *text)
{
    if (stream->place == MR_PLACE_LIVE && !mr_event_stream_has_room(stream) &&
        notice->event_id > stream->seen) {
        stream->place = MR_PLACE_BEHIND; /* a burst, or a slow client: it continues at its own pace */
        stream->cursor = stream->seen;
    }
    if (will_read(stream, notice) || has_read(stream, notice))
        return;
    mr_event_stream_send(stream, stream->place == MR_PLACE_LIVE ? notice->event_id : 0, text);
    if (stream->task_id && is_last)
        mr_event_stream_end(stream);
}

/* event: the present state of the task; NULL if it was deleted. */
static enum mr_status send_to_all(struct mr_event_feed *feed, const struct mr_event_notice *notice,
                                  const struct mr_task_event *event, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(MR_EVENT_TEXT_MAX);
    if (event)
        MR_TRY(mr_event_text_task(&text, event, notice->change, err));
    else
        MR_TRY(mr_event_text_deletion(&text, notice->task_id, err));
    bool is_last = !event || event->is_final;
    pthread_mutex_lock(&feed->hub->lock);
    for (struct mr_event_stream *stream = feed->hub->first; stream; stream = stream->next)
        if (wants(stream, notice))
            send_to_stream(stream, notice, is_last, &text);
    pthread_mutex_unlock(&feed->hub->lock);
    return MR_OK;
}

static void drop_unwanted(struct mr_event_feed *feed)
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

/* Sends one pending change. *ret_keep if it must wait: the task has changed since, and its newer notification
 * is on its way. A task that is not found was deleted, and the notification of that is on its way. */
static enum mr_status send_one(struct mr_event_feed *feed, const struct mr_event_notice *notice,
                               const struct mr_task_events *events, bool *ret_keep, struct mr_err *err)
{
    *ret_keep = false;
    if (notice->change == MR_CHANGED_DELETED)
        return send_to_all(feed, notice, NULL, err);
    const struct mr_task_event *event = find_event(events, notice->task_id);
    if (!event)
        return MR_OK;
    *ret_keep = event->event_id > notice->event_id;
    return *ret_keep ? MR_OK : send_to_all(feed, notice, event, err);
}

/* Sends a portion of the pending changes; those that must wait move to feed->pending[*kept] and up. A portion is
 * small, because a task with hundreds of outputs takes a megabyte. */
static enum mr_status send_portion(struct mr_event_feed *feed, size_t from, size_t count, size_t *kept,
                                   struct mr_err *err)
{
    int64_t ids[MR_EVENT_PAGE];
    for (size_t i = 0; i < count; i++)
        ids[i] = feed->pending[from + i].task_id;
    MR_AUTO(mr_task_events) struct mr_task_events events = {0};
    MR_TRY(mr_events_read(feed->hub->options.db, ids, count, &events, err));
    for (size_t i = from; i < from + count; i++) {
        bool keep = false;
        MR_TRY(send_one(feed, &feed->pending[i], &events, &keep, err));
        if (keep)
            feed->pending[(*kept)++] = feed->pending[i];
    }
    return MR_OK;
}

/* After a failure the pending changes do not matter: all streams read them again (lose_connection). */
enum mr_status mr_event_feed_send_pending(struct mr_event_feed *feed, struct mr_err *err)
{
    drop_unwanted(feed);
    qsort(feed->pending, feed->pending_count, sizeof feed->pending[0], by_event);
    size_t kept = 0;
    for (size_t from = 0; from < feed->pending_count; from += MR_EVENT_PAGE) {
        size_t left = feed->pending_count - from;
        MR_TRY(send_portion(feed, from, left < MR_EVENT_PAGE ? left : MR_EVENT_PAGE, &kept, err));
    }
    feed->pending_count = kept;
    if (kept > MR_EVENT_PENDING_MAX - MR_EVENT_NOTICES_MAX)
        return mr_fail(err, MR_EXHAUSTED, "%zu tasks change faster than they are read", kept);
    return MR_OK;
}
