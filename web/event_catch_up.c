/*
 * How streams catch up that are behind, from the database, page by page: a client that returns with a
 * Last-Event-ID, a client that reads slowly, and all of them after a lost connection.
 */
#include "web/event_feed.h"
#include "web/event_text.h"

enum { CATCH_UPS_MAX = 64 }; /* streams in one round */

/* The state of a stream, copied under the lock; the stream may be gone once its page has been read. */
struct catch_up {
    int64_t serial, user_id, task_id, seen, cursor;
    enum mr_event_place place;
};

/* Takes the next streams that are behind and have room, in turn; *ret_more if there may be others. */
static size_t take_jobs(struct mr_event_feed *feed, struct catch_up *jobs, bool *ret_more)
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

/* A stream of one task gets the present state of the task. event: NULL if the task was deleted. */
static void send_state_locked(struct mr_event_stream *stream, const struct mr_task_event *event,
                              const struct mr_buf *text)
{
    stream->place = MR_PLACE_LIVE;
    if (!event || event->event_id > stream->seen)
        mr_event_stream_send(stream, event ? event->event_id : stream->seen, text);
    if (!event || event->is_final)
        mr_event_stream_end(stream);
}

static enum mr_status catch_up_task(struct mr_event_feed *feed, const struct catch_up *job,
                                    struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(MR_EVENT_TEXT_MAX);
    MR_AUTO(mr_task_events) struct mr_task_events events = {0};
    MR_TRY(mr_events_read(feed->hub->options.db, &job->task_id, 1, &events, err));
    const struct mr_task_event *event = events.count ? &events.items[0] : NULL;
    if (event)
        MR_TRY(mr_event_text_task(&text, event, MR_CHANGED_STATE, err));
    else
        MR_TRY(mr_event_text_deletion(&text, job->task_id, err));
    pthread_mutex_lock(&feed->hub->lock);
    struct mr_event_stream *stream = find_locked(feed->hub, job->serial);
    if (stream)
        send_state_locked(stream, event, &text);
    pthread_mutex_unlock(&feed->hub->lock);
    return MR_OK;
}

/* The events of a page, and the text of each. */
struct page {
    struct mr_task_events events;
    struct mr_buf texts[MR_EVENT_PAGE];
};

static void page_free(struct page *page)
{
    for (size_t i = 0; i < page->events.count; i++)
        mr_buf_free(&page->texts[i]);
    mr_task_events_free(&page->events);
}
MR_DEFINE_VALUE_CLEANUP(page, page_free)

static void send_page_locked(struct mr_event_stream *stream, int64_t cursor, const struct page *page)
{
    const struct mr_task_events *events = &page->events;
    stream->cursor = cursor;
    stream->page_count = 0;
    for (size_t i = 0; i < events->count && mr_event_stream_has_room(stream); i++) {
        stream->cursor = events->items[i].event_id;
        stream->page[stream->page_count++] = stream->cursor;
        mr_event_stream_send(stream, stream->cursor, &page->texts[i]);
    }
    bool all = stream->page_count == events->count && events->count < MR_EVENT_PAGE;
    stream->place = all ? MR_PLACE_LIVE : MR_PLACE_BEHIND;
}

/* A stream of all tasks of a user gets the next events. */
static enum mr_status catch_up_user(struct mr_event_feed *feed, const struct catch_up *job,
                                    struct mr_err *err)
{
    struct mr_db *db = feed->hub->options.db;
    int64_t cursor = job->cursor;
    MR_AUTO(page) struct page page = {.events = {0}};
    if (job->place == MR_PLACE_LOST)
        MR_TRY(mr_events_overlap(db, job->user_id, job->seen, &cursor, err));
    MR_TRY(mr_events_after(db, job->user_id, cursor, job->seen, MR_EVENT_PAGE, &page.events, err));
    for (size_t i = 0; i < page.events.count; i++)
        page.texts[i] = MR_BUF_INIT(MR_EVENT_TEXT_MAX);
    for (size_t i = 0; i < page.events.count; i++)
        MR_TRY(mr_event_text_task(&page.texts[i], &page.events.items[i], MR_CHANGED_STATE, err));
    pthread_mutex_lock(&feed->hub->lock);
    struct mr_event_stream *stream = find_locked(feed->hub, job->serial);
    if (stream)
        send_page_locked(stream, cursor, &page);
    pthread_mutex_unlock(&feed->hub->lock);
    return MR_OK;
}

enum mr_status mr_event_feed_catch_up(struct mr_event_feed *feed, bool *ret_more, struct mr_err *err)
{
    struct catch_up jobs[CATCH_UPS_MAX];
    size_t count = take_jobs(feed, jobs, ret_more);
    for (size_t i = 0; i < count; i++) {
        if (jobs[i].task_id)
            MR_TRY(catch_up_task(feed, &jobs[i], err));
        else
            MR_TRY(catch_up_user(feed, &jobs[i], err));
    }
    return MR_OK;
}
