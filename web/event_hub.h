/*
 * Event streams: tells the owners of tasks what becomes of them (Server-Sent Events), to thousands of open
 * streams from two threads.
 *
 * The feed (event_feed.c) is the one that talks to the database and may wait for it: it holds the process'
 * one LISTEN connection, reads each changed task once however many streams want it, and lets those that come
 * back with a Last-Event-ID catch up page by page. The writer (event_hub.c) is the one that waits for the
 * sockets: it never blocks on anything else, so heartbeats go out while the database is down.
 *
 * What is promised: after each change of a task its owner's streams are told its newest state, with the
 * number of that change as id; states in between may be left out when changes come faster than the client
 * takes them. Ids of a stream never fall. An event may be told twice, never lost, except that a task deleted
 * while its owner's client was away is not told of. A client that takes nothing from one heartbeat to the
 * next while something waits for it is cut off.
 *
 * Any thread may call; the lock is never held over a query or a wait.
 */
#ifndef MR_WEB_EVENT_HUB_H
#define MR_WEB_EVENT_HUB_H

#include "shared/base/log.h"
#include "shared/data/db.h"

#include <stdint.h>

struct mr_event_hub;
struct mr_event_stream;

struct mr_event_hub_options {
    struct mr_db *db;
    const char *conninfo;     /* of the listening connection */
    const struct mr_log *log; /* all three are not owned and must outlive the hub */
    size_t max_streams;       /* over all */
    size_t max_per_user;
    size_t max_queued; /* bytes that may wait for one client */
    int heartbeat_ms;  /* a comment goes out this often */
};

MR_MUST_CHECK enum mr_status mr_event_hub_start(const struct mr_event_hub_options *options,
                                                struct mr_event_hub **ret, struct mr_err *err);
/* Ends all streams, at once; those that attach later end as well. */
void mr_event_hub_stop(struct mr_event_hub *hub);
/* Stops, waits for the feed's query to end, and frees. No place may be taken any more. */
void mr_event_hub_free(struct mr_event_hub *hub);

struct mr_event_subscription {
    int64_t user_id;
    /* Of one task: its present state is told at once, and the stream ends after a final one. 0: of all tasks
     * of the user, and the newest state of each that changed after the event `seen`. */
    int64_t task_id;
    int64_t seen;
    /* The client has been away: what became visible late, shortly before `seen`, is told as well. */
    bool resumes;
    int64_t expires_s; /* seconds since 1970: the stream ends then */
};

/*
 * Takes a place for a stream: to be followed by mr_event_hub_attach, or mr_event_hub_cancel when it comes to
 * nothing. MR_EXHAUSTED with code "too_many_streams".
 */
MR_MUST_CHECK enum mr_status mr_event_hub_reserve(struct mr_event_hub *hub,
                                                  const struct mr_event_subscription *subscription,
                                                  struct mr_event_stream **ret, struct mr_err *err);
/* Hands the client's socket over, after the head of the answer has gone out. */
void mr_event_hub_attach(struct mr_event_hub *hub, struct mr_event_stream *stream, int fd);
void mr_event_hub_cancel(struct mr_event_hub *hub, struct mr_event_stream *stream);

#endif
