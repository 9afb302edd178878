/*
 * Event streams: sends the changes of tasks to their owners (Server-Sent Events), on thousands of open
 * streams with two threads. Who does what:
 *
 *   event_hub.c       the hub: the list of streams, and the writer thread. The writer waits for the sockets
 *                     and sends heartbeats; it never waits for the database, so heartbeats go out while that
 *                     is down.
 *   event_feed.c      the feed thread: the only one that talks to the database and may wait for it. It holds
 *                     the one LISTEN connection of the process and runs the rounds of the two parts below.
 *   event_notices.c   from a notification to the streams that are live
 *   event_catch_up.c  streams that are behind read what they have missed, page by page
 *   event_stream.c    one stream: its socket, its queue, and how far its client is
 *   event_text.c      the text of an event
 *   api/events.c      the routes
 *
 * Guarantees: after each change of a task, the streams of its owner get its newest state, with the number of
 * the change as id. Intermediate states may be left out when changes come faster than the client reads. The
 * ids of a stream never fall. An event may be sent twice but is never lost, except the deletion of a task
 * while its owner's client is not connected. A client that reads nothing from one heartbeat to the next while
 * something is queued for it is cut off.
 *
 * Any thread may call. The lock is never held during a query or a wait.
 */
#ifndef MR_WEB_EVENT_HUB_H
#define MR_WEB_EVENT_HUB_H

#include "shared/base/cleanup.h"
#include "shared/base/log.h"
#include "shared/base/quotas.h"
#include "shared/data/db.h"

#include <stdint.h>

struct mr_event_hub;
struct mr_event_stream;

struct mr_event_hub_options {
    struct mr_db *db;
    const char *conninfo;           /* of the listening connection */
    const struct mr_log *log;       /* these three are not owned and must outlive the hub */
    size_t max_streams;             /* of all users together */
    const struct mr_quotas *quotas; /* not owned: streams of one user */
    size_t max_queued;              /* bytes queued for one client */
    int heartbeat_ms;               /* how often a comment is sent */
};

/* MR_EXHAUSTED without memory, descriptors or threads. */
MR_MUST_CHECK enum mr_status mr_event_hub_start(const struct mr_event_hub_options *options,
                                                struct mr_event_hub **ret, struct mr_err *err);
/* Ends all streams at once; streams attached later end immediately. NULL is allowed. */
void mr_event_hub_stop(struct mr_event_hub *hub);
/* Stops, waits for the query of the feed to end, and frees. No stream may be reserved any more. NULL is
 * allowed. */
void mr_event_hub_free(struct mr_event_hub *hub);
MR_DEFINE_CLEANUP(mr_event_hub, mr_event_hub_free)

struct mr_event_subscription {
    int64_t user_id;
    /* Of one task: its present state is sent at once, and the stream ends after a final state. 0: of all
     * tasks of the user, with the newest state of each that changed after the event `seen`. */
    int64_t task_id;
    int64_t seen;
    /* The client has been here before: events that became visible late, shortly before `seen`, are sent as
     * well. */
    bool resumes;
    int64_t expires_s; /* seconds since 1970: the stream ends then */
    bool is_exempt;    /* from the quota: an operator */
    bool is_guest;     /* with a quota of its own */
};

/* Reserves a stream. mr_event_hub_attach must follow, or mr_event_hub_cancel. MR_EXHAUSTED with code
 * "quota_event_streams" or "too_many_streams" or, while the hub stops, MR_UNAVAILABLE with code "shutting_down". */
MR_MUST_CHECK enum mr_status mr_event_hub_reserve(struct mr_event_hub *hub,
                                                  const struct mr_event_subscription *subscription,
                                                  struct mr_event_stream **ret, struct mr_err *err);
/* Hands over the socket of the client, after the head of the response has been sent. */
void mr_event_hub_attach(struct mr_event_hub *hub, struct mr_event_stream *stream, int fd);
/* Gives up a reserved stream. */
void mr_event_hub_cancel(struct mr_event_hub *hub, struct mr_event_stream *stream);

#endif
