/*
 * The rounds of the feed: take the notifications that have arrived, send what has changed, let streams catch
 * up, wait. Every some seconds it asks for a sign of life: a connection that a network dropped silently looks like one
 * without notifications. When the database fails, the feed drops the connection, marks all streams as lost (notifications
 * may have been missed), and connects again after a growing delay.
 */
#include "web/event_feed.h"
#include "shared/base/clock.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { CONNECT_MS = 10000, DELAY_MIN_MS = 100, DELAY_MAX_MS = 5000, CHECK_EVERY_MS = 10000, CHECK_MS = 5000 };

/* Waits until there is something to do, or for timeout_ms; false when the hub stops. */
static bool wait_for_work(struct mr_event_feed *feed, int timeout_ms)
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

static void note_success(struct mr_event_feed *feed)
{
    if (feed->failure_is_logged)
        mr_log_write(feed->hub->options.log, MR_LOG_NOTICE, "events are sent again", NULL);
    feed->failure_is_logged = false;
    feed->delay_ms = DELAY_MIN_MS;
}

static enum mr_status check_if_due(struct mr_event_feed *feed, struct mr_err *err)
{
    if (mr_time_monotonic_us() - feed->checked_us < CHECK_EVERY_MS * INT64_C(1000))
        return MR_OK;
    MR_TRY(mr_db_listener_check(feed->listener, CHECK_MS, feed->hub->stop, err));
    feed->checked_us = mr_time_monotonic_us();
    return MR_OK;
}

/* Runs rounds until the hub stops (MR_OK) or the database fails. */
static enum mr_status serve(struct mr_event_feed *feed, struct mr_err *err)
{
    MR_TRY(mr_db_listen(feed->hub->options.conninfo, MR_EVENTS_CHANNEL, CONNECT_MS, feed->hub->stop,
                        &feed->listener, err));
    bool more_notices = false, more_pages = true;
    feed->checked_us = mr_time_monotonic_us();
    while (wait_for_work(feed, more_notices || more_pages ? 0 : CHECK_EVERY_MS)) {
        MR_TRY(check_if_due(feed, err));
        MR_TRY(mr_event_feed_take_notices(feed, &more_notices, err));
        MR_TRY(mr_event_feed_send_pending(feed, err));
        MR_TRY(mr_event_feed_catch_up(feed, &more_pages, err));
        note_success(feed);
    }
    return MR_OK;
}

/* All streams have to read what they may have missed. */
static void lose_connection(struct mr_event_feed *feed, const struct mr_err *cause)
{
    mr_db_listener_free(MR_TAKE(feed->listener));
    feed->pending_count = 0;
    pthread_mutex_lock(&feed->hub->lock);
    for (struct mr_event_stream *stream = feed->hub->first; stream; stream = stream->next)
        stream->place = MR_PLACE_LOST;
    bool stopped = feed->hub->stopped;
    pthread_mutex_unlock(&feed->hub->lock);
    if (!feed->failure_is_logged && !stopped)
        mr_log_err(feed->hub->options.log, MR_LOG_WARNING, "events wait for the database", cause, NULL);
    feed->failure_is_logged = true;
}

void *mr_event_feed_run(void *arg)
{
    struct mr_event_feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return NULL;
    feed->hub = arg;
    feed->delay_ms = DELAY_MIN_MS;
    struct mr_err err = {0};
    while (serve(feed, &err) != MR_OK) {
        lose_connection(feed, &err);
        if (!wait_for_work(feed, feed->delay_ms))
            break;
        feed->delay_ms = feed->delay_ms * 2 < DELAY_MAX_MS ? feed->delay_ms * 2 : DELAY_MAX_MS;
    }
    mr_db_listener_free(feed->listener);
    free(feed);
    return NULL;
}
