/*
 * One open event stream (text/event-stream): its socket, what is queued for it, and how far its client is.
 * Nothing here blocks. The lock of the hub protects every field; only the writer thread of the hub frees an
 * attached stream.
 *
 * A stream ends in one of two ways: mr_event_stream_end sends what is queued first, mr_event_stream_cut does
 * not. Both shut the socket down; epoll reports that, and the writer does the rest.
 * Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
#ifndef MR_WEB_EVENT_STREAM_H
#define MR_WEB_EVENT_STREAM_H

#include "shared/base/buf.h"

#include <stdint.h>

enum { MR_EVENT_PAGE = 32 }; /* events read at once for a stream that is behind */

/* What has been sent to the client of a stream. Numbers are tasks.event_id (shared/data/events.h). */
enum mr_event_place {
    MR_PLACE_LOST,   /* events up to `seen`, perhaps with gaps shortly before it */
    MR_PLACE_BEHIND, /* all events up to `cursor` */
    MR_PLACE_LIVE,   /* all committed events: each change is sent when its notification arrives */
};

struct mr_event_stream {
    struct mr_event_stream *prev, *next; /* in the list of the hub, by serial */
    int64_t serial;
    int fd; /* -1 while the stream is only reserved */
    int64_t user_id;
    int64_t task_id; /* 0: all tasks of the user */
    int64_t ends_us; /* on CLOCK_MONOTONIC */
    struct mr_buf queue;
    bool moved;  /* the client has read something since the last heartbeat */
    bool ending; /* nothing more is queued */
    bool over;   /* the socket is shut down */

    enum mr_event_place place;
    int64_t seen; /* the highest number sent; the client returns with it */
    int64_t cursor;
    int64_t page[MR_EVENT_PAGE]; /* sent while catching up: their notifications may still arrive */
    size_t page_count;
};

/* Closes the socket and frees. NULL is allowed. */
void mr_event_stream_free(struct mr_event_stream *stream);

/* Takes ownership of a socket and sets it up: non-blocking, with limits for a client that is gone or does not
 * read. */
void mr_event_stream_take_socket(struct mr_event_stream *stream, int fd);

/* Queues text and sends what the socket takes. A stream whose queue would exceed its cap is cut off. */
void mr_event_stream_push(struct mr_event_stream *stream, const char *text, size_t len);

/* Queues an event, as mr_event_stream_push does. `text` has all its lines except the id, with the blank line
 * at the end (event_text.h). `seen` of the stream becomes event_id if that is higher, and is sent as id. */
void mr_event_stream_send(struct mr_event_stream *stream, int64_t event_id, const struct mr_buf *text);

/* False when half of the queue is used: the other half is for what cannot be sent later. */
bool mr_event_stream_has_room(const struct mr_event_stream *stream);

/* Sends a comment, so that both sides and all proxies see that the stream is alive. A client that has read
 * nothing of its queue since the last heartbeat is cut off. */
void mr_event_stream_heartbeat(struct mr_event_stream *stream);

/* Sends what the socket takes of the queue. */
void mr_event_stream_flush(struct mr_event_stream *stream);

/* Ends the stream; what is queued is sent first. */
void mr_event_stream_end(struct mr_event_stream *stream);
/* Ends the stream at once. */
void mr_event_stream_cut(struct mr_event_stream *stream);

#endif
