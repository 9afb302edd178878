/* What the two threads of the hub share. Only event_hub.c (streams, writer) and event_feed.h (database)
 * include it. */
#ifndef MR_WEB_EVENT_HUB_INTERNAL_H
#define MR_WEB_EVENT_HUB_INTERNAL_H

#include "web/event_hub.h"
#include "web/event_stream.h"

#include <pthread.h>

struct mr_event_hub {
    struct mr_event_hub_options options;
    int epoll;
    int stop; /* eventfd, readable from the stop of the hub on */
    int wake; /* eventfd: the feed has something to do */
    pthread_t writer, feed;
    bool writer_runs, feed_runs; /* used by the thread that starts and stops */
    pthread_mutex_t lock;
    /* lock protects all fields below. */
    struct mr_event_stream *first, *last; /* by serial */
    int64_t serials;
    bool stopped;
};

/* The feed thread; arg is the hub. */
void *mr_event_feed_run(void *arg);

/* Makes an eventfd readable. Any thread. */
void mr_event_signal(int eventfd);

#endif
