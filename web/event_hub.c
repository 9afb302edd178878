#include "web/event_hub.h"

#include "shared/base/clock.h"
#include "web/event_hub_internal.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { TICK_MS = 1000, EPOLL_BATCH = 64 };
/* After a lost connection the client connects again in 3,000 ms. */
static const char greeting[] = "retry: 3000\n\n";

void mr_event_signal(int eventfd)
{
    uint64_t one = 1;
    while (write(eventfd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void append_locked(struct mr_event_hub *hub, struct mr_event_stream *stream)
{
    stream->serial = ++hub->serials;
    stream->prev = hub->last;
    *(hub->last ? &hub->last->next : &hub->first) = stream;
    hub->last = stream;
}

static void remove_locked(struct mr_event_hub *hub, struct mr_event_stream *stream)
{
    *(stream->prev ? &stream->prev->next : &hub->first) = stream->next;
    *(stream->next ? &stream->next->prev : &hub->last) = stream->prev;
    mr_event_stream_free(stream);
}

/* The last quarter of the places is for users without a stream, so that some users cannot take all of them. */
static enum mr_status check_room_locked(const struct mr_event_hub *hub,
                                        const struct mr_event_subscription *subscription, struct mr_err *err)
{
    const struct mr_event_hub_options *options = &hub->options;
    size_t all = 0, own = 0;
    if (hub->stopped)
        return mr_fail_code(err, MR_CODE_SHUTTING_DOWN, "server is shutting down");
    for (const struct mr_event_stream *stream = hub->first; stream; stream = stream->next, all++)
        own += stream->user_id == subscription->user_id;
    const bool is_guest = subscription->is_guest;
    const int64_t *limits = is_guest ? options->quotas->of_guest : options->quotas->limits;
    if (!subscription->is_exempt && (int64_t)own >= limits[MR_QUOTA_EVENT_STREAMS])
        return mr_quota_refuse(options->quotas, MR_QUOTA_EVENT_STREAMS, is_guest, err);
    size_t room = own && !subscription->is_exempt ? options->max_streams - options->max_streams / 4
                                                  : options->max_streams;
    if (all >= room)
        return mr_fail_code(err, MR_CODE_TOO_MANY_STREAMS,
                            "too many event streams are open: try again later");
    return MR_OK;
}

static enum mr_status add_locked(struct mr_event_hub *hub, const struct mr_event_subscription *subscription,
                                 struct mr_event_stream *stream, struct mr_err *err)
{
    MR_TRY(check_room_locked(hub, subscription, err));
    append_locked(hub, stream);
    return MR_OK;
}

enum mr_status mr_event_hub_reserve(struct mr_event_hub *hub,
                                    const struct mr_event_subscription *subscription,
                                    struct mr_event_stream **ret, struct mr_err *err)
{
    struct mr_event_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return mr_fail_oom(err);
    *stream = (struct mr_event_stream){
        .fd = -1,
        .user_id = subscription->user_id,
        .task_id = subscription->task_id,
        .ends_us = mr_time_monotonic_us() + subscription->expires_s * 1000000 - mr_time_now_us(),
        .queue = MR_BUF_INIT(hub->options.max_queued),
        .place = subscription->resumes ? MR_PLACE_LOST : MR_PLACE_BEHIND,
        .seen = subscription->seen,
        .cursor = subscription->seen,
    };
    pthread_mutex_lock(&hub->lock);
    enum mr_status status = add_locked(hub, subscription, stream, err);
    pthread_mutex_unlock(&hub->lock);
    if (status != MR_OK) {
        mr_event_stream_free(stream);
        return status;
    }
    *ret = stream;
    return MR_OK;
}

void mr_event_hub_attach(struct mr_event_hub *hub, struct mr_event_stream *stream, int fd)
{
    /* Edge-triggered: added once, reported only when something changes. */
    struct epoll_event interest = {.events = EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = stream};
    pthread_mutex_lock(&hub->lock);
    mr_event_stream_take_socket(stream, fd);
    if (hub->stopped || epoll_ctl(hub->epoll, EPOLL_CTL_ADD, fd, &interest) != 0)
        remove_locked(hub, stream);
    else
        mr_event_stream_push(stream, greeting, sizeof greeting - 1);
    pthread_mutex_unlock(&hub->lock);
    mr_event_signal(hub->wake);
}

void mr_event_hub_cancel(struct mr_event_hub *hub, struct mr_event_stream *stream)
{
    pthread_mutex_lock(&hub->lock);
    remove_locked(hub, stream);
    pthread_mutex_unlock(&hub->lock);
}

static void serve_locked(struct mr_event_hub *hub, struct mr_event_stream *stream, uint32_t events)
{
    if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) {
        remove_locked(hub, stream);
        return;
    }
    mr_event_stream_flush(stream);
    if (stream->place != MR_PLACE_LIVE && stream->queue.len == 0)
        mr_event_signal(hub->wake); /* the client has taken a page: read the next one */
}

static void tick_locked(struct mr_event_hub *hub, int64_t now_us, bool heartbeats)
{
    for (struct mr_event_stream *stream = hub->first, *next; stream; stream = next) {
        next = stream->next;
        if (stream->fd < 0)
            continue;
        if (now_us >= stream->ends_us)
            mr_event_stream_end(stream);
        else if (heartbeats)
            mr_event_stream_heartbeat(stream);
    }
}

static void close_all_locked(struct mr_event_hub *hub)
{
    for (struct mr_event_stream *stream = hub->first, *next; stream; stream = next) {
        next = stream->next;
        if (stream->fd >= 0)
            remove_locked(hub, stream);
    }
}

static void *run_writer(void *arg)
{
    struct mr_event_hub *hub = arg;
    int64_t heartbeat_us = (int64_t)hub->options.heartbeat_ms * 1000;
    int tick_ms = hub->options.heartbeat_ms < TICK_MS ? hub->options.heartbeat_ms : TICK_MS;
    int64_t next_heartbeat_us = mr_time_monotonic_us() + heartbeat_us, next_tick_us = 0;
    pthread_mutex_lock(&hub->lock);
    while (!hub->stopped) {
        struct epoll_event events[EPOLL_BATCH];
        pthread_mutex_unlock(&hub->lock);
        int count = epoll_wait(hub->epoll, events, EPOLL_BATCH, tick_ms);
        pthread_mutex_lock(&hub->lock);
        for (int i = 0; i < count; i++)
            if (events[i].data.ptr) /* else: the stop */
                serve_locked(hub, events[i].data.ptr, events[i].events);
        int64_t now_us = mr_time_monotonic_us();
        if (now_us < next_tick_us)
            continue;
        tick_locked(hub, now_us, now_us >= next_heartbeat_us);
        next_tick_us = now_us + (int64_t)tick_ms * 1000;
        if (now_us >= next_heartbeat_us)
            next_heartbeat_us = now_us + heartbeat_us;
    }
    close_all_locked(hub);
    pthread_mutex_unlock(&hub->lock);
    return NULL;
}

static enum mr_status open_descriptors(struct mr_event_hub *hub, struct mr_err *err)
{
    struct epoll_event interest = {.events = EPOLLIN};
    hub->epoll = epoll_create1(EPOLL_CLOEXEC);
    hub->stop = eventfd(0, EFD_CLOEXEC);
    hub->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (hub->epoll < 0 || hub->stop < 0 || hub->wake < 0 ||
        epoll_ctl(hub->epoll, EPOLL_CTL_ADD, hub->stop, &interest) != 0)
        return mr_fail_errno(err, MR_EXHAUSTED, errno, "open the descriptors of the event hub");
    return MR_OK;
}

static enum mr_status start_threads(struct mr_event_hub *hub, struct mr_err *err)
{
    int failure = pthread_create(&hub->writer, NULL, run_writer, hub);
    if (failure)
        return mr_fail_errno(err, MR_EXHAUSTED, failure, "start the writer thread of the event hub");
    hub->writer_runs = true;
    failure = pthread_create(&hub->feed, NULL, mr_event_feed_run, hub);
    if (failure)
        return mr_fail_errno(err, MR_EXHAUSTED, failure, "start the feed thread of the event hub");
    hub->feed_runs = true;
    return MR_OK;
}

enum mr_status mr_event_hub_start(const struct mr_event_hub_options *options, struct mr_event_hub **ret,
                                  struct mr_err *err)
{
    MR_AUTO(mr_event_hub) struct mr_event_hub *hub = calloc(1, sizeof *hub);
    if (!hub)
        return mr_fail_oom(err);
    hub->options = *options;
    hub->epoll = hub->stop = hub->wake = -1;
    pthread_mutex_init(&hub->lock, NULL);
    MR_TRY(open_descriptors(hub, err));
    MR_TRY(start_threads(hub, err));
    *ret = MR_TAKE(hub);
    return MR_OK;
}

void mr_event_hub_stop(struct mr_event_hub *hub)
{
    if (!hub)
        return;
    pthread_mutex_lock(&hub->lock);
    hub->stopped = true;
    pthread_mutex_unlock(&hub->lock);
    if (hub->stop >= 0)
        mr_event_signal(hub->stop);
    if (hub->writer_runs)
        pthread_join(hub->writer, NULL);
    hub->writer_runs = false;
}

void mr_event_hub_free(struct mr_event_hub *hub)
{
    if (!hub)
        return;
    mr_event_hub_stop(hub);
    if (hub->feed_runs)
        pthread_join(hub->feed, NULL);
    mr_fd_cleanup(&hub->epoll);
    mr_fd_cleanup(&hub->stop);
    mr_fd_cleanup(&hub->wake);
    pthread_mutex_destroy(&hub->lock);
    free(hub);
}
