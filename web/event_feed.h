/*
 * The feed, the hub's thread that talks to the database (event_hub.h describes both threads). Its three parts
 * share the struct below: event_feed.c holds the connection and runs the rounds, event_notices.c sends
 * changes to the streams that are live, event_catch_up.c brings the other streams up to date. Everything here
 * is called on the feed's thread, without the hub's lock.
 */
#ifndef MR_WEB_EVENT_FEED_H
#define MR_WEB_EVENT_FEED_H

#include "shared/data/db_listen.h"
#include "shared/data/events.h"
#include "web/event_hub_internal.h"

enum {
    MR_EVENT_NOTICES_MAX = 256,  /* notifications taken in one round */
    MR_EVENT_PENDING_MAX = 1024, /* changed tasks that are still to be sent */
};

struct mr_event_feed {
    struct mr_event_hub *hub;
    struct mr_db_listener *listener; /* NULL without a connection */
    struct mr_event_notice pending[MR_EVENT_PENDING_MAX];
    size_t pending_count;
    int64_t turn;           /* serial of the stream that was the last to catch up */
    int64_t checked_us;     /* when the connection showed its last sign of life */
    int delay_ms;           /* before the next attempt to connect */
    bool failure_is_logged; /* the present failure is in the log */
};

/* Takes up to MR_EVENT_NOTICES_MAX notifications and keeps those that a stream wants; *ret_more if there may
 * be more. Fails when the connection is lost. */
MR_MUST_CHECK enum mr_status mr_event_feed_take_notices(struct mr_event_feed *feed, bool *ret_more,
                                                        struct mr_err *err);
/* Reads the changed tasks and sends them to the streams that want them. */
MR_MUST_CHECK enum mr_status mr_event_feed_send_pending(struct mr_event_feed *feed, struct mr_err *err);

/* Sends one page to each of some streams that are behind and have room, in turn; *ret_more if there may be
 * others. */
MR_MUST_CHECK enum mr_status mr_event_feed_catch_up(struct mr_event_feed *feed, bool *ret_more,
                                                    struct mr_err *err);

#endif
