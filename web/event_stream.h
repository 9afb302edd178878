/*
 * One open stream of events (text/event-stream): its socket, what waits to be written to it, and how far its
 * client is. Nothing here blocks. The hub's lock protects every field; the hub's writer thread alone frees.
 *
 * A stream ends in one of two ways: mr_event_stream_end lets what is queued go out first, mr_event_stream_cut
 * does not. Both shut the socket down, which makes epoll report it, and leave the rest to the writer.
 * Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
#ifndef MR_WEB_EVENT_STREAM_H
#define MR_WEB_EVENT_STREAM_H

#include "shared/base/buf.h"

#include <stdint.h>

enum { MR_EVENT_PAGE = 32 }; /* events read at once for a stream that catches up */

/* What the stream's client has been told. Numbers are tasks.event_id (shared/data/events.h). */
enum mr_event_place {
    MR_PLACE_LOST,   /* up to `seen`, perhaps with gaps shortly before it */
    MR_PLACE_BEHIND, /* all up to `cursor` */
    MR_PLACE_LIVE,   /* all that is committed: each notification is told as it comes */
};

struct mr_event_stream {
    struct mr_event_stream *prev, *next; /* in the hub's list, by serial */
    int64_t serial;
    int fd; /* -1 while only the place is taken */
    int64_t user_id;
    int64_t task_id; /* 0: all tasks of the user */
    int64_t ends_us; /* on CLOCK_MONOTONIC */
    struct mr_buf queue;
    bool moved;  /* the client has taken something since the last heartbeat */
    bool ending; /* nothing more is said */
    bool over;   /* the socket is shut down */

    enum mr_event_place place;
    int64_t seen; /* the highest number told; the client comes back with it */
    int64_t cursor;
    int64_t page[MR_EVENT_PAGE]; /* told while catching up: their notifications may still be on the way */
    size_t page_count;
};

/* Closes the socket. The client has had what was written, unless it was cut off. */
void mr_event_stream_free(struct mr_event_stream *stream);

/* Makes the socket the stream's: not blocking, with bounds for a client that is gone or does not read. */
void mr_event_stream_take_socket(struct mr_event_stream *stream, int fd);

/* Queues text and writes what the socket takes. A stream with more waiting than its cap is cut off. */
void mr_event_stream_push(struct mr_event_stream *stream, const char *text, size_t len);

/* Queues an event: `body` holds its lines but the id, with the blank line at the end. The stream's `seen`
 * becomes event_id if that is higher, and is what the client is told as id. As mr_event_stream_push. */
void mr_event_stream_tell(struct mr_event_stream *stream, int64_t event_id, const struct mr_buf *body);

/* False when half of the queue is used: the rest is for what cannot wait. */
bool mr_event_stream_has_room(const struct mr_event_stream *stream);

/* Sends a comment, so that both sides and all between them see that the stream lives. A client that has taken
 * nothing of what waits for it since the last one is cut off. */
void mr_event_stream_beat(struct mr_event_stream *stream);

/* Writes what the socket takes of the queue. */
void mr_event_stream_flush(struct mr_event_stream *stream);

void mr_event_stream_end(struct mr_event_stream *stream);
void mr_event_stream_cut(struct mr_event_stream *stream);

#endif
